package laws

import (
	"math/rand/v2"
	"slices"
)

// sortBy puts the packets in the order of keys. Equal ones keep their order.
func (w *Work) sortBy(keys []float64) bool {
	at := make([]int, len(keys))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(a, b int) int {
		switch {
		case keys[a] < keys[b]:
			return -1
		case keys[a] > keys[b]:
			return 1
		}
		return 0
	})
	out := make([]Packet, len(at))
	moved := false
	for i, j := range at {
		out[i] = w.Packets[j]
		moved = moved || i != j
	}
	w.Packets = out
	return moved
}

// Limits of the order of datagrams: how many of one side of a QUIC connection
// are waited for before the other side is taken not to be captured.
const mostAhead = 7

// waits reports whether the other side is still waited for in every connection
// of QUIC. After a change of order that is the limit of what can be read.
func (w *Work) waits(base *Capture) bool {
	if family(base) != "quic" && !w.addedQUIC() {
		return true
	}
	type ahead struct{ dir, n int }
	runs := map[int]*ahead{} // by connection; n < 0: both sides were seen
	for i := range w.Packets {
		p := &w.Packets[i]
		if p.proto != protoUDP {
			continue
		}
		r := runs[p.conn]
		switch {
		case r == nil:
			runs[p.conn] = &ahead{p.dir, 1}
		case r.n < 0:
		case r.dir != p.dir:
			r.n = -1
		default:
			r.n++
		}
		if r != nil && r.n > mostAhead {
			return false
		}
	}
	return true
}

func (w *Work) addedQUIC() bool {
	return slices.ContainsFunc(w.Added, func(c Capture) bool { return family(&c) == "quic" })
}

// moves reports whether the order of a capture, or of one added to it, is not to
// be changed. Of a DTLS client without an answer nothing but the order tells
// that an answer is to its next ClientHello.
func (w *Work) moves(base *Capture) bool {
	return moves(base) || slices.ContainsFunc(w.Added, func(c Capture) bool {
		return moves(&c) || family(&c) == "dtls" && !answered(&c)
	})
}

// ordered applies a change of order, if what comes of it can be read.
func (w *Work) ordered(base *Capture, change func() bool) bool {
	if w.moves(base) {
		return false
	}
	before := slices.Clone(w.Packets)
	if change() && w.waits(base) {
		return true
	}
	w.Packets = before
	return false
}

// retime gives the packets the times that they have in ascending order, as if
// the capture had taken them when they came.
func (w *Work) retime() {
	times := make([]int64, len(w.Packets))
	for i := range w.Packets {
		times[i] = w.Packets[i].Time
	}
	slices.Sort(times)
	for i := range w.Packets {
		w.Packets[i].Time = times[i]
	}
}

// longestLag is how much time one direction lags at most, nanoseconds. A
// connection that was reset, or closed by both ends as far as was seen, is given
// up 5 seconds later.
const longestLag = shortSilence

// lagPackets lets one direction come n packets later. The order inside a
// direction is kept. If keep is set the packets keep their times, so that the
// file is not in the order of time.
func lagPackets(w *Work, dir, n int, keep bool) bool {
	limit, begin := limits(w.Packets), starts(w.Packets)
	keys := make([]float64, len(w.Packets))
	last, late := map[int]float64{}, int64(0) // last by connection
	for i := range w.Packets {
		p := &w.Packets[i]
		keys[i] = float64(i)
		if s := begin[p.conn]; s != nil && !s.firm[1-dir] {
			continue // the other direction would come first
		}
		if p.conn != 0 && p.dir == dir {
			to := i
			for to < min(i+n, len(w.Packets)-1) && w.Packets[to+1].Time-p.Time <= longestLag-w.late {
				to++
			}
			key := float64(i)
			if to > i {
				key = float64(to) + 0.5
			}
			keys[i] = max(min(max(key, last[p.conn]), limit[p.conn]), float64(i))
			last[p.conn] = keys[i]
			late = max(late, w.Packets[to].Time-p.Time)
		}
	}
	if !w.sortBy(keys) {
		return false
	}
	w.late += late
	if !keep {
		w.retime()
	}
	return true
}

// lagTime lets the packets of one direction bear a time that is d later, as of
// a tap with two clocks or with a long queue. If sorted, the file is in the
// order of time.
func lagTime(w *Work, dir int, d int64, sorted bool) bool {
	limit, begin := limits(w.Packets), starts(w.Packets)
	_, last := span(w.Packets)
	d = min(d, longestLag-w.late)
	moved := false
	for i := range w.Packets {
		p := &w.Packets[i]
		if s := begin[p.conn]; p.conn == 0 || p.dir != dir || s != nil && !s.firm[1-dir] {
			continue
		}
		end := last + d
		if l := limit[p.conn]; l < 1e18 {
			end = w.Packets[int(l)].Time // before the next connection begins
		}
		if t := min(p.Time+d, max(end, p.Time)); t != p.Time {
			p.Time = t
			moved = true
		}
	}
	if sorted {
		byTime(w.Packets)
	}
	if moved {
		w.late += d
	}
	return moved
}

// A start says how each direction of a connection begins in a capture.
type start struct {
	firm  [2]bool // with a SYN, or with data that are a hello
	first [2]int  // index of the first packet with data, -1 for none
}

// starts returns the starts of the connections over TCP. Data that come before
// both the SYN and a hello belong to no connection that is known: nobody keeps
// them in case that one begins.
func starts(list []Packet) map[int]*start {
	out := map[int]*start{}
	for i := range list {
		p := &list[i]
		if p.proto != protoTCP {
			continue
		}
		s := out[p.conn]
		if s == nil {
			s = &start{first: [2]int{-1, -1}}
			out[p.conn] = s
		}
		if p.flags()&flagSYN != 0 {
			s.firm[p.dir] = true
		}
		if b := p.payload(); len(b) > 0 && s.first[p.dir] < 0 {
			s.first[p.dir] = i
			s.firm[p.dir] = s.firm[p.dir] || len(b) >= leastBegin && b[0] == 22 && (b[5] == 1 || b[5] == 2)
		}
	}
	return out
}

// flights returns, for each packet of a connection over UDP, a position before
// the next flight of its direction. What a peer says only when it has an answer
// does not overtake what it said before that.
func flights(list []Packet) map[int]float64 {
	type side struct{ conn, dir int }
	out := map[int]float64{}
	open := map[side][]int{} // packets of the flight that is going on
	speaks := map[int]int{}  // by connection: the direction of its last packet
	for i := range list {
		p := &list[i]
		if p.proto != protoUDP {
			continue
		}
		s := side{p.conn, p.dir}
		if d, ok := speaks[p.conn]; ok && d != p.dir {
			for _, j := range open[s] {
				out[j] = float64(i) - 0.25
			}
			open[s] = nil
		}
		speaks[p.conn] = p.dir
		open[s] = append(open[s], i)
	}
	return out
}

// reorder lets packets of any direction overtake at most window others, but not
// the SYN of their direction and the first with data: without these nothing
// tells what they are.
func reorder(w *Work, r *rand.Rand, window int) bool {
	if w.reordered {
		return false // the flights cannot be told any more
	}
	limit, begin, flight := limits(w.Packets), starts(w.Packets), flights(w.Packets)
	late := int64(0)
	keys := make([]float64, len(w.Packets))
	for i := range w.Packets {
		p := &w.Packets[i]
		keys[i] = float64(i)
		if s := begin[p.conn]; s != nil && (!s.firm[0] || !s.firm[1] || p.flags()&flagSYN != 0 || s.first[p.dir] == i) {
			continue
		}
		if p.conn != 0 {
			keys[i] = max(min(float64(i)+r.Float64()*float64(window), limit[p.conn]), float64(i))
			if f, ok := flight[i]; ok {
				keys[i] = max(min(keys[i], f), float64(i))
			}
			to := min(int(keys[i]), len(keys)-1)
			for w.Packets[to].Time-p.Time > longestLag-w.late {
				to--
				keys[i] = float64(to)
			}
			late = max(late, w.Packets[to].Time-p.Time)
		}
	}
	if !w.sortBy(keys) {
		return false
	}
	w.late += late
	w.retime()
	w.reordered = true
	return true
}

// shift moves the time by years and seconds.
func shift(w *Work, years, seconds int) bool {
	d := (int64(years)*365*86400 + int64(seconds)) * 1e9
	first, last := span(w.Packets)
	if first+d < 1e9 || last+d >= 1<<32*1e9 || d == 0 {
		return false // pcap has 32 bits of seconds since 1970
	}
	for i := range w.Packets {
		w.Packets[i].Time += d
	}
	w.edits = append(w.edits, edit{scale: 1, shift: d})
	return true
}

// The longest silence that stretch makes, nanoseconds: in TCP before a
// connection closes, and in all else, where copies are told from new
// connections by their time.
const (
	silence      = 20e9
	shortSilence = 4e9
)

// stretch makes the time between packets as many times as long, as far as no
// silence becomes longer than a connection may be silent.
func stretch(w *Work, factor int) bool {
	first, last := span(w.Packets)
	longest := int64(0)
	type seen struct {
		time    int64
		closing bool
	}
	conns := map[int]seen{}
	for i := range w.Packets {
		p := &w.Packets[i]
		before, ok := conns[p.conn]
		if d := max(p.Time-before.time, before.time-p.Time); ok {
			if before.closing {
				d *= silence / shortSilence
			}
			longest = max(longest, d)
		}
		conns[p.conn] = seen{p.Time, before.closing || p.proto != protoTCP || p.flags()&(flagFIN|flagRST) != 0}
	}
	if longest == 0 {
		return false
	}
	n := min(int64(factor), silence/longest, (1<<32*1e9-last)/max(last-first, 1), longestLag/max(w.late, 1), longestCopy/max(w.copied, 1))
	if n < 2 {
		return false
	}
	w.late *= n
	w.copied *= n
	for i := range w.Packets {
		w.Packets[i].Time = first + (w.Packets[i].Time-first)*n
	}
	w.edits = append(w.edits, edit{origin: first, scale: n})
	return true
}
