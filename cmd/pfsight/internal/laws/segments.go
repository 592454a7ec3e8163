package laws

import (
	"bytes"
	"math/rand/v2"
	"slices"
)

// If the SYN is missing, a connection is found by the first bytes of a
// segment, so a piece needs a minimum length: leastBegin if it begins with a
// record, otherwise leastText, because a request that asks for TLS says so
// anywhere in its head.
const (
	leastBegin = 128
	leastText  = 512
)

// resegment splits every TCP segment into pieces of at most size bytes.
func resegment(w *Work, size func() int) bool {
	if !w.has(protoTCP) {
		return false
	}
	begun := map[int]bool{} // by connection
	for i := range w.Packets {
		if p := &w.Packets[i]; p.proto == protoTCP && p.flags()&flagSYN != 0 {
			begun[p.conn] = true
		}
	}
	var out []Packet
	done := false
	for i := range w.Packets {
		p := &w.Packets[i]
		if p.proto != protoTCP || !p.whole() || len(p.payload()) < 2 {
			out = append(out, *p)
			continue
		}
		b, seq, flags := p.payload(), p.seq(), p.flags()
		for len(b) > 0 {
			n := max(size(), 1)
			switch {
			case begun[p.conn]:
			case p.payload()[0] == 22:
				n = max(n, leastBegin)
			default:
				n = max(n, leastText)
			}
			n = min(n, len(b))
			f := flags
			if n < len(b) {
				f &^= flagFIN | flagPSH | flagRST
			}
			out = append(out, p.segment(seq, f, b[:n]))
			seq += uint32(n)
			if flags&flagSYN != 0 {
				seq++
				flags &^= flagSYN
			}
			done = done || n < len(b)
			b = b[n:]
		}
	}
	w.Packets = out
	return done
}

// coalesce joins consecutive TCP segments of one direction up to size bytes,
// as receive offload does.
func coalesce(w *Work, size int) bool {
	var out []Packet
	last := map[int]int{} // by connection: index in out of its last packet
	done := false
	for i := range w.Packets {
		p := &w.Packets[i]
		if j, ok := last[p.conn]; ok && p.conn != 0 {
			q := &out[j]
			if q.proto == protoTCP && p.proto == protoTCP && q.whole() && p.whole() && q.dir == p.dir &&
				(q.flags()|p.flags())&(flagSYN|flagFIN|flagRST) == 0 && len(q.payload()) > 0 && len(p.payload()) > 0 &&
				q.seq()+uint32(len(q.payload())) == p.seq() && len(q.payload())+len(p.payload()) <= size {
				*q = q.segment(q.seq(), q.flags()|p.flags(), slices.Concat(q.payload(), p.payload()))
				done = true
				continue
			}
		}
		out = append(out, *p)
		last[p.conn] = len(out) - 1
	}
	w.Packets = out
	return done
}

// A piece is a part of the data in one direction of a TCP connection.
type piece struct {
	index int // of the packet
	seq   uint32
	b     []byte
}

// retransmit repeats n parts of the stream, split at other places, at most
// delay packets after the last packet that they repeat.
func retransmit(w *Work, r *rand.Rand, n, delay int) bool {
	type side struct{ conn, dir int }
	said := map[side][]piece{}
	var sides []side
	for i := range w.Packets {
		p := &w.Packets[i]
		if p.proto != protoTCP || !p.whole() || len(p.payload()) == 0 || p.flags()&flagSYN != 0 {
			continue
		}
		s := side{p.conn, p.dir}
		if said[s] == nil {
			sides = append(sides, s)
		}
		said[s] = append(said[s], piece{i, p.seq(), p.payload()})
	}
	if len(sides) == 0 {
		return false
	}
	limit := limits(w.Packets)
	var again []placed
	for range n {
		list := said[sides[r.IntN(len(sides))]]
		i := r.IntN(len(list))
		first := list[i]
		b := bytes.Clone(first.b)
		last := first.index
		for _, next := range list[i+1:] {
			if next.seq != first.seq+uint32(len(b)) || len(b) > 3000 || r.IntN(3) == 0 {
				break
			}
			b = append(b, next.b...)
			last = max(last, next.index)
		}
		from := r.IntN(len(b))
		to := from + 1 + r.IntN(len(b)-from)
		p := &w.Packets[last]
		q := p.segment(first.seq+uint32(from), flagACK, b[from:to])
		pos := min(float64(last+r.IntN(delay+1))+0.5, limit[p.conn])
		again = append(again, placed{pos, q})
	}
	w.insert(again)
	return true
}

// A placed packet is inserted behind the packets of lower positions. The
// position of an existing packet is its index.
type placed struct {
	pos float64
	p   Packet
}

// insert inserts packets. Each gets the time of the packet before it in the
// file.
func (w *Work) insert(list []placed) {
	slices.SortStableFunc(list, func(a, b placed) int {
		switch {
		case a.pos < b.pos:
			return -1
		case a.pos > b.pos:
			return 1
		}
		return 0
	})
	out := make([]Packet, 0, len(w.Packets)+len(list))
	for i := range w.Packets {
		out = append(out, w.Packets[i])
		for len(list) > 0 && (list[0].pos < float64(i+1) || i == len(w.Packets)-1) {
			list[0].p.Time = w.Packets[i].Time
			out = append(out, list[0].p)
			list = list[1:]
		}
	}
	w.Packets = out
}

// limits returns, by connection, a position before the first packet of the
// next connection between the same endpoints: packets of one connection must
// not follow the beginning of the next.
func limits(list []Packet) map[int]float64 {
	type mark struct{ conn, first int }
	last := map[flow]mark{}
	limit := map[int]float64{0: 1e18}
	for i := range list {
		p := &list[i]
		if p.conn == 0 || p.proto == 0 {
			continue
		}
		if _, ok := limit[p.conn]; ok {
			continue
		}
		limit[p.conn] = 1e18
		if before, ok := last[flowOf(p)]; ok {
			limit[before.conn] = float64(i) - 0.25
		}
		last[flowOf(p)] = mark{p.conn, i}
	}
	return limit
}

// longestCopy is the maximum time in nanoseconds between a datagram and its
// copy. Peers may also send the same bytes again, so only the time
// distinguishes a copy of the beginning of an EAP session from the next
// session.
const longestCopy = 1e9 - 1e6

// duplicate captures packets twice, the second time at most delay packets
// later.
func duplicate(w *Work, r *rand.Rand, permille, delay int) bool {
	limit := limits(w.Packets)
	var again []placed
	for i := range w.Packets {
		if r.IntN(1000) < permille {
			p := w.Packets[i]
			at := min(i+r.IntN(delay+1), len(w.Packets)-1)
			for p.proto != protoTCP && w.Packets[at].Time-p.Time > longestCopy {
				at--
			}
			if p.proto != protoTCP {
				w.copied = max(w.copied, w.Packets[at].Time-p.Time)
			}
			again = append(again, placed{min(float64(at)+0.5, limit[p.conn]), p})
		}
	}
	w.insert(again)
	return len(again) > 0
}
