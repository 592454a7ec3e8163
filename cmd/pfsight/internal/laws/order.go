package laws

import (
	"math/rand/v2"
	"slices"
)

// sortBy sorts the packets by keys. It is stable.
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

// mostAhead is the number of packets of one side of a QUIC connection after
// which the other side is assumed not to be captured.
const mostAhead = 7

// waits reports whether in every QUIC connection the other side arrives before
// the limit mostAhead.
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

// moves reports whether the order of a capture, or of one added to it, must
// not be changed. If a DTLS client has no answer, only the order shows that an
// answer belongs to its next ClientHello.
func (w *Work) moves(base *Capture) bool {
	return moves(base) || slices.ContainsFunc(w.Added, func(c Capture) bool {
		return moves(&c) || family(&c) == "dtls" && !answered(&c)
	})
}

// ordered applies a change of the order if the result is still readable.
func (w *Work) ordered(base *Capture, change func() bool) bool {
	if w.moves(base) {
		return false
	}
	before := slices.Clone(w.Packets)
	if change() && w.waits(base) {
		w.shifted = true
		return true
	}
	w.Packets = before
	return false
}

// retime sorts the times but not the packets, as if the capture had taken the
// packets in their new order.
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

// longestLag is the maximum lag of a direction in nanoseconds. A connection
// that was reset, or closed by both endpoints, ends 5 seconds later.
const longestLag = shortSilence

// lagPackets delays one direction by n packets. The order within a direction
// is kept. If keep is set, the packets keep their times, so the file is not
// sorted by time.
func lagPackets(w *Work, dir, n int, keep bool) bool {
	limit, begin := limits(w.Packets), starts(w.Packets)
	keys := make([]float64, len(w.Packets))
	last, late := map[int]float64{}, int64(0) // last by connection
	for i := range w.Packets {
		p := &w.Packets[i]
		keys[i] = float64(i)
		if s := begin[p.conn]; s != nil && !s.firm[1-dir] {
			continue // the other direction would begin first
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

// lagTime adds d to the times of the packets of one direction, as with a tap
// with two clocks or a long queue. If sorted, the file is sorted by time.
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
			end = w.Packets[int(l)].Time // before the beginning of the next connection
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

// A start describes how each direction of a connection begins in a capture.
type start struct {
	firm  [2]bool // with a SYN, or with a hello
	first [2]int  // index of the first packet with data, or -1
}

// starts returns the starts of the TCP connections. Data that arrives before
// both the SYN and a hello belongs to no known connection, and is not kept.
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

// flights returns for each packet of a UDP connection a position before the
// next flight of its direction. A peer sends the next flight only after an
// answer, so it does not overtake the last one.
func flights(list []Packet) map[int]float64 {
	type side struct{ conn, dir int }
	out := map[int]float64{}
	open := map[side][]int{} // packets of the current flight
	speaks := map[int]int{}  // direction of the last packet, by connection
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

// reorder lets packets overtake at most window others. They do not overtake
// the SYN of their direction and the first packet with data, without which
// their content is undetermined.
func reorder(w *Work, r *rand.Rand, window int) bool {
	if w.reordered {
		return false // the flights are no longer recognizable
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

// shift moves the times by years and seconds.
func shift(w *Work, years, seconds int) bool {
	d := (int64(years)*365*86400 + int64(seconds)) * 1e9
	first, last := span(w.Packets)
	if first+d < 1e9 || last+d >= 1<<32*1e9 || d == 0 {
		return false // pcap has 32 bits for the seconds since 1970
	}
	for i := range w.Packets {
		w.Packets[i].Time += d
	}
	w.edits = append(w.edits, edit{scale: 1, shift: d})
	return true
}

// The longest silences that stretch makes, in nanoseconds: in TCP before a
// connection closes, and otherwise, where the time distinguishes copies from
// new connections.
const (
	silence      = 20e9
	shortSilence = 4e9
)

// stretch multiplies the time between packets by factor, but makes no silence
// longer than the limits.
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
