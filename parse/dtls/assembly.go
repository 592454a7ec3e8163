package dtls

import (
	"bytes"
	"cmp"
	"slices"

	"pfsight/capture/stream"
)

// An assembly builds the handshake messages of one half. It keeps the positions
// of their bytes, and copies nothing before the end.
type assembly struct {
	entries []entry
	last    int // of entries: the one that was added to last
	pieces  []piece
	again   []piece // repeated bytes
	holes   []span  // of the current fragment
	random  random
	dropped bool // a limit was reported
}

// An entry is a message of which bytes were seen.
type entry struct {
	typ    uint8
	seq    uint16
	length int
	contig int    // bytes seen from the start without a gap
	ahead  []span // parts seen behind that, ascending and disjoint
	off    int    // of the header of its first fragment in the half
	split  bool
	mark   stream.Mark
}

// A span is the bytes [from, to) of a message.
type span struct{ from, to int }

// A piece is n bytes of a message, from off on, that lie at pos in the half.
type piece struct{ entry, off, n, pos int32 }

// A random is what was seen of the first bytes of a hello: its version and
// Random.
type random struct {
	typ   uint8
	seq   uint16
	known uint64 // a bit for each byte
	bytes [34]byte
}

// takes reports whether a fragment holds some of these bytes.
func (r *random) takes(f fragment) bool {
	return f.off < len(r.bytes) && (r.known == 0 || r.typ == f.typ && r.seq == f.seq)
}

func (a *assembly) reset() {
	a.entries, a.pieces, a.again = a.entries[:0], a.pieces[:0], a.again[:0]
	a.last = 0
	a.random = random{}
	a.dropped = false
}

// otherRandom reports whether this fragment of a hello shows another Random
// than the first hello of this half with that message_seq.
func (a *assembly) otherRandom(f fragment, b []byte) bool {
	if !a.random.takes(f) {
		return false
	}
	for i := max(f.off, 2); i < min(f.off+len(b), len(a.random.bytes)); i++ {
		if a.random.known&(1<<i) != 0 && a.random.bytes[i] != b[i-f.off] {
			return true
		}
	}
	return false
}

func (a *assembly) learnRandom(f fragment, b []byte) {
	if !a.random.takes(f) {
		return
	}
	a.random.typ, a.random.seq = f.typ, f.seq
	for i := f.off; i < min(f.off+len(b), len(a.random.bytes)); i++ {
		if a.random.known&(1<<i) == 0 {
			a.random.known |= 1 << i
			a.random.bytes[i] = b[i-f.off]
		}
	}
}

// began reports whether any of a message of this type was seen.
func (a *assembly) began(typ uint8) bool {
	for i := range a.entries {
		if a.entries[i].typ == typ {
			return true
		}
	}
	return false
}

// find returns the entry of a message, -1 if there is none yet, and the reason if
// there can be none.
func (a *assembly) find(f fragment) (e int, what string) {
	if a.last < len(a.entries) && a.entries[a.last].is(f) {
		return a.last, ""
	}
	for i := range a.entries {
		e := &a.entries[i]
		if e.is(f) {
			return i, ""
		}
		// Some stacks count the cookie exchange and some do not.
		if e.seq == f.seq && (e.typ != f.typ || f.typ != TypeClientHello) && e.typ != TypeHelloVerifyRequest && f.typ != TypeHelloVerifyRequest {
			what = "a message with the message_seq of another one"
		}
	}
	switch {
	case what != "":
		return -1, what
	case f.length > maxMessage:
		return -1, "a message that claims to be longer than 256 KiB"
	case len(a.entries) >= maxMessages:
		return -1, "more messages than are kept"
	}
	return -1, ""
}

func (e *entry) is(f fragment) bool { return e.seq == f.seq && e.typ == f.typ && e.length == f.length }

// add adds the bytes b of a fragment whose header is at offset at of the half. It
// returns what is wrong with it, "" if nothing is.
func (a *assembly) add(f fragment, b []byte, at int, m stream.Mark) (what string) {
	i, what := a.find(f)
	if what != "" {
		return what
	}
	if i < 0 {
		i = len(a.entries)
		if i < cap(a.entries) {
			a.entries = a.entries[:i+1]
		} else {
			a.entries = append(a.entries, entry{})
		}
		a.entries[i] = entry{typ: f.typ, seq: f.seq, length: f.length, ahead: a.entries[i].ahead[:0], off: at, mark: m}
	}
	a.last = i
	e := &a.entries[i]
	if f.typ == TypeClientHello && f.seq == 0 || f.typ == TypeServerHello {
		a.learnRandom(f, b)
	}
	if len(b) == 0 {
		return ""
	}
	if len(a.pieces)+len(a.again)+maxSpans > maxPieces {
		return a.limit("more fragments than are kept")
	}
	if !a.cover(e, f.off, f.off+len(b)) {
		return a.limit("fragments too far apart from each other")
	}
	at += messageHeader
	old := f.off
	for _, h := range a.holes {
		if h.from > old {
			a.again = append(a.again, piece{int32(i), int32(old), int32(h.from - old), int32(at + old - f.off)})
		}
		a.pieces = append(a.pieces, piece{int32(i), int32(h.from), int32(h.to - h.from), int32(at + h.from - f.off)})
		old = h.to
	}
	if end := f.off + len(b); end > old {
		a.again = append(a.again, piece{int32(i), int32(old), int32(end - old), int32(at + old - f.off)})
	}
	if len(a.holes) > 0 {
		e.split = e.split || e.mark != m
		e.mark = m
	}
	return ""
}

// limit returns what the first time, "" later.
func (a *assembly) limit(what string) string {
	if a.dropped {
		return ""
	}
	a.dropped = true
	return what
}

// cover marks [from, to) as seen, and sets a.holes to the parts of it that were
// not seen before. It returns false if there would be too many parts.
func (a *assembly) cover(e *entry, from, to int) bool {
	a.holes = a.holes[:0]
	at := max(from, e.contig)
	for _, s := range e.ahead {
		if s.from >= to {
			break
		}
		if s.to <= at {
			continue
		}
		if s.from > at {
			a.holes = append(a.holes, span{at, s.from})
		}
		at = s.to
	}
	if at < to {
		a.holes = append(a.holes, span{at, to})
	}
	if len(a.holes) == 0 {
		return true
	}
	if from <= e.contig {
		e.contig = to
		n := 0
		for n < len(e.ahead) && e.ahead[n].from <= e.contig {
			e.contig = max(e.contig, e.ahead[n].to)
			n++
		}
		e.ahead = slices.Delete(e.ahead, 0, n)
		return true
	}
	i := 0
	for i < len(e.ahead) && e.ahead[i].to < from {
		i++
	}
	j := i
	for j < len(e.ahead) && e.ahead[j].from <= to {
		from, to = min(from, e.ahead[j].from), max(to, e.ahead[j].to)
		j++
	}
	if i == j && len(e.ahead) >= maxSpans {
		return false
	}
	e.ahead = slices.Replace(e.ahead, i, j, span{from, to})
	return true
}

// messages appends the messages to out, sorted by message_seq. Bodies in one
// piece alias data, the others are copied to arena. problem is called with the
// offset in the half of each repeated fragment that differs.
func (a *assembly) messages(out []Message, data, arena []byte, problem func(off int)) ([]Message, []byte) {
	order := func(x, y piece) int {
		return cmp.Or(cmp.Compare(x.entry, y.entry), cmp.Compare(x.off, y.off))
	}
	for _, p := range [][]piece{a.pieces, a.again} {
		if !slices.IsSortedFunc(p, order) {
			slices.SortStableFunc(p, order)
		}
	}
	pieces, again := a.pieces, a.again
	for i := range a.entries {
		e := &a.entries[i]
		m := Message{Type: e.typ, Seq: e.seq, Length: e.length, Missing: e.contig < e.length, Split: e.split, Offset: e.off, Mark: e.mark}
		n := 0
		for n < len(pieces) && int(pieces[n].entry) == i {
			n++
		}
		whole := 0 // pieces of the part without gaps
		for whole < n && int(pieces[whole].off) < e.contig {
			whole++
		}
		if whole == 1 {
			p := pieces[0]
			m.Body = data[p.pos : p.pos+p.n : p.pos+p.n]
		} else if whole > 1 {
			from := len(arena)
			for _, p := range pieces[:whole] {
				arena = append(arena, data[p.pos:p.pos+p.n]...)
			}
			m.Body = arena[from:len(arena):len(arena)]
		}
		pieces = pieces[n:]
		for len(again) > 0 && int(again[0].entry) == i {
			p := again[0]
			again = again[1:]
			if end := min(int(p.off+p.n), len(m.Body)); int(p.off) < end && !bytes.Equal(m.Body[p.off:end], data[p.pos:int(p.pos)+end-int(p.off)]) {
				problem(int(p.pos))
			}
		}
		out = append(out, m)
	}
	slices.SortStableFunc(out, func(x, y Message) int { return cmp.Compare(x.Seq, y.Seq) })
	return out, arena
}
