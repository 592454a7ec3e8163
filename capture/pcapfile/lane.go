package pcapfile

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"pfsight/capture/packet"
)

const (
	// mostBlock is how much of a file that is mapped a worker takes at once, and
	// readBlock of one that is read: enough that handing the turns on costs
	// little beside the work on it, and that what is made of it stays in a
	// level-2 cache.
	mostBlock = 2 << 20
	readBlock = 512 << 10
	// A worker that is alone hands on nothing: it takes about aloneRecords at
	// once, which fit a smaller cache.
	aloneRecords = 768
	aloneBlock   = 64 << 10
	// mapFrom is the mean size of records from which a file may be mapped. Of
	// shorter ones most bytes are in cache lines that are needed.
	mapFrom = 640
	// headRoom is kept free before a block for the record that began in the
	// one before it. A longer one costs a copy of the block.
	headRoom = 64 << 10
	// minLane is the size of file that is worth being read by several workers.
	minLane = 4 << 20
)

// errMore says that a record goes on in the next block.
var errMore = errors.New("more in the next block")

// A piece is what a Source keeps of a Block in Block.Private.
type piece struct {
	recs   []packet.Record
	lane   *lane    // nil if the next batch of the Source is to be used instead
	off    int64    // in the file
	size   int      // bytes claimed
	m      *mapping // of the file, held; or nil
	mapped bool     // the piece is read where it is mapped
	timed  bool     // the time that loading takes is measured
	buf    []byte   // without mapped: the n bytes loaded begin at headRoom
	n      int
	err    error // what ended the loading
	sum    byte  // keeps the loads of warm alive
}

// A lane is a file that is read in blocks, by one worker or several: a plain
// one that no other input overlaps in time, as far as is known.
type lane struct {
	st   *stream
	file *os.File    // of st, which may be closed before the last Load
	next int64       // offset of the next block to be claimed; of Claim
	end  int64       // the file's size when the lane began
	left atomic.Bool // the lane ended; what was claimed of it is void

	// The beginning of a record at the end of the last block, and of the one
	// before; of Walk.
	rest, spare []byte

	m      *mapping // nil if it is not mapped
	layout layout
	// Blocks claimed that might be mapped; of Claim. And how long it took to
	// have a MiB of one, nanoseconds: read, mapped.
	claimed int
	took    [2]atomic.Int64
	cold    atomic.Int64  // offset before which the file is not looked for in memory
	near    atomic.Uint32 // time of the record walked last, seconds
	mean    atomic.Int64  // bytes of a record in the block walked last
}

// coldSize is how much of a file is read without asking, for each piece,
// whether it is in memory, once a piece was not.
const coldSize = 16 << 20

// Claim reserves the next piece of the input for b. Calls are made one at a
// time, and Walk of the same blocks in the same order.
func (s *Source) Claim(b *packet.Block) {
	p, ok := b.Private.(*piece)
	if !ok {
		p = new(piece)
		b.Private = p
	}
	p.lane, p.m, p.mapped, p.timed = nil, nil, false, false
	if l := s.lane.Load(); l != nil && !l.left.Load() && l.next < l.end {
		// All but the first begin at multiples of their size, as extents do.
		p.lane, p.off = l, l.next
		size, mean := int64(readBlock), l.mean.Load()
		if mean >= mapFrom && l.m != nil && l.next >= l.cold.Load() {
			if p.mapped, p.timed = l.choose(); p.mapped {
				p.m = l.m.hold()
				p.mapped = p.m != nil
			}
		}
		switch {
		case p.m != nil:
			size = mostBlock
		case b.Alone:
			for size > aloneBlock && size > mean*aloneRecords {
				size /= 2
			}
		}
		p.size = int(min(size-l.next%size, l.end-l.next))
		l.next += int64(p.size)
	}
}

// Load implements packet.Source.
func (s *Source) Load(b *packet.Block) {
	p := b.Private.(*piece)
	l := p.lane
	if l == nil {
		return
	}
	p.n, p.err = 0, nil
	end := p.off + int64(p.size)
	if p.timed && !inMemory(l.file, end-1) {
		l.cold.Store(p.off + coldSize)
		p.mapped, p.timed = false, false
	}
	start := time.Now()
	places := walkers
	if p.mapped {
		_, p.mapped = p.m.guarded(func() { places = l.layout.warm(p.m.data, int(p.off), int(end), l.near.Load(), &p.sum) })
	}
	if p.mapped {
		p.n = p.size
	} else {
		p.read()
	}
	switch {
	case !p.timed:
	case places < walkers/2:
		l.note(p, longTime) // what it did not do is paid in the walk
	default:
		l.note(p, time.Since(start))
	}
	s.done.Add(int64(p.n))
}

// read reads the piece into memory of its own.
func (p *piece) read() {
	p.buf = slices.Grow(p.buf[:0], headRoom+p.size)[:headRoom+p.size]
	p.n, p.err = p.lane.file.ReadAt(p.buf[headRoom:][:p.size], p.off)
}

// Guard implements packet.Source. The file may be cut, or its disk fail, while
// f reads it where it is mapped. Then the records that are gone become a
// Problem.
func (s *Source) Guard(b *packet.Block, f func()) bool {
	p := b.Private.(*piece)
	if !p.mapped {
		f()
		return true
	}
	at, ok := p.m.guarded(f)
	if !ok {
		s.cut(b, p, at)
		return false
	}
	n := len(b.Records)
	if n == 0 {
		return true
	}
	if last := b.Records[n-1].Data; p.m.has(p.m.offset(last) + len(last)) {
		return true
	}
	s.cut(b, p, len(p.m.data))
	return false
}

// cut takes the records off that lie at the offset in the file or behind it,
// or behind its end, and at least one.
func (s *Source) cut(b *packet.Block, p *piece, off int) {
	why := "it could not be read to its end"
	if info, err := p.m.file.Stat(); err == nil && p.m.changed() {
		why = fmt.Sprintf("it was changed while it was read, and has %d bytes now", info.Size())
		off = min(off, int(info.Size()))
	}
	n := 0
	for n < len(b.Records) && p.m.offset(b.Records[n].Data)+len(b.Records[n].Data) <= off {
		n++
	}
	b.Records = b.Records[:min(n, max(len(b.Records)-1, 0))]
	first := b.First + uint64(len(b.Records))
	g := &s.gone
	g.Lock()
	defer g.Unlock()
	i := slices.IndexFunc(g.files, func(f goneFile) bool { return f.lane == p.lane })
	if i < 0 {
		i = len(g.files)
		g.files = append(g.files, goneFile{lane: p.lane, packet: first})
	}
	if f := &g.files[i]; first <= f.packet {
		f.packet = first
		f.problem = Problem{File: b.Name, Err: fmt.Errorf("packet %d: %w: %s", first, ErrTruncated, why)}
	}
}

// Release lets go of the file.
func (s *Source) Release(b *packet.Block) {
	p := b.Private.(*piece)
	if p.m == nil {
		return
	}
	p.m.passed(int(p.off) + p.size)
	p.m.release()
	p.m = nil
}

// Walk finds the records of b. It returns io.EOF at the end of all input. A
// Block without records is no end.
func (s *Source) Walk(b *packet.Block) error {
	p := b.Private.(*piece)
	b.Batch, b.Shared = packet.Batch{}, false
	switch {
	case p.lane != nil && !p.lane.left.Load():
		s.walkLane(b, p)
		return nil
	case s.inLane():
		return nil // b was claimed before the lane began: its blocks come next
	}
	b.Shared, p.mapped = true, false
	if err := s.Next(&b.Batch); err != nil {
		return err
	}
	s.enter()
	return nil
}

// inLane reports whether a lane has begun and not ended. It is Walk that
// begins and ends one; Claim, which runs beside it, may learn of that late.
func (s *Source) inLane() bool {
	l := s.lane.Load()
	return l != nil && !l.left.Load()
}

// enter begins a lane behind the batch that was just given, if the input in
// hand is a plain file and the only one now.
func (s *Source) enter() {
	st := s.last
	if len(s.open) != 1 || st.r.ahead != nil || st.file == nil || st.at+st.given != len(st.recs) {
		return
	}
	info, err := st.file.Stat()
	off := st.r.base + int64(st.r.w)
	if err != nil || !info.Mode().IsRegular() || info.Size()-off < minLane {
		return
	}
	l := &lane{st: st, file: st.file, next: off, end: info.Size()}
	if known, ok := st.r.layout(); ok {
		l.layout, l.m = known, newMapping(st.file, info)
	}
	l.near.Store(uint32(st.recs[len(st.recs)-1].Time / 1e9))
	l.mean.Store(off / int64(st.base+uint64(len(st.recs))))
	s.lane.Store(l)
}

// leave ends the lane. What workers have of it they keep.
func (l *lane) leave() {
	if !l.left.Swap(true) {
		l.m.release()
	}
}

// walkLane finds the records of a block of the lane.
func (s *Source) walkLane(b *packet.Block, p *piece) {
	l := p.lane
	st := l.st
	if s.last == st {
		// The batch before the lane is done with.
		s.last = nil
		st.base += uint64(len(st.recs))
		st.recs, st.at, st.given = nil, 0, 0
	}
	r, before := st.r, *st.r
	var err error
	ok := true
	if p.mapped {
		_, ok = p.m.guarded(func() { err = l.walk(p) })
		ok = ok && p.m.has(int(p.off)+p.size)
	} else {
		err = l.walk(p)
	}
	k := s.overlap(p.recs)
	if p.mapped && (!ok || k < len(p.recs)) {
		// The file was cut, or another input begins here and the stream needs
		// what stays when the lane goes.
		*r, p.mapped = before, false
		p.read()
		err = l.walk(p)
		k = s.overlap(p.recs)
	}
	l.rest, l.spare = l.spare, l.rest
	s.infos[st.info].Packets += uint64(len(p.recs))
	b.Batch = packet.Batch{Name: st.name, First: st.base + 1, Records: p.recs}
	if len(p.recs) > 0 {
		l.near.Store(uint32(p.recs[len(p.recs)-1].Time / 1e9))
		l.mean.Store(int64(p.n / len(p.recs)))
	}
	st.passed(p.recs, k)
	if k == len(p.recs) {
		st.base += uint64(k)
		if err == errMore && p.n == p.size && p.off+int64(p.size) < l.end {
			return
		}
		// The last block, or the last that can be read: what there is behind it,
		// and what is wrong with it, is found by reading on in order.
	} else {
		// Another input begins inside this block: from there on the two are read
		// in the order of time, and the memory is the stream's.
		b.Records = p.recs[:k]
		st.recs, st.at = p.recs, k
		p.buf, p.recs = nil, nil
	}
	l.leave()
	r.buf = append(make([]byte, 0, bufSize), l.rest...)
	r.buf = r.buf[:cap(r.buf)]
	if r.blocks {
		r.blocks = false
		rest := io.NewSectionReader(st.file, p.off+int64(p.n), math.MaxInt64-p.off-int64(p.n))
		r.in = &counted{rest, &s.done}
		if s.follow != nil {
			st.tail = &tail{in: rest, f: s.follow, file: st.file, off: p.off + int64(p.n), head: st.tail.head}
			r.in = &counted{st.tail, &s.done}
		}
	}
	s.last = st
}

// walk finds the records of b. The error is errMore, or what ends the file.
func (l *lane) walk(p *piece) (err error) {
	r := l.st.r
	p.follow(r)
	p.recs = p.recs[:0]
	for err == nil {
		if len(p.recs) == cap(p.recs) {
			p.recs = slices.Grow(p.recs, batchSize)
		}
		var n int
		n, err = r.NextBatch(p.recs[len(p.recs):cap(p.recs)])
		p.recs = p.recs[:len(p.recs)+n]
	}
	// The memory of b is not there any more when the next block is walked.
	l.spare = append(l.spare[:0], r.buf[r.r:r.w]...)
	r.base += int64(r.r)
	r.buf, r.r, r.w = l.spare, 0, len(l.spare)
	return err
}

// overlap returns the index of the first record that does not come before the
// next input.
func (s *Source) overlap(recs []packet.Record) int {
	if len(s.pending) > 0 && s.pending[0].first != 0 {
		for i := range recs {
			if recs[i].Time >= s.pending[0].first {
				return i
			}
		}
	}
	return len(recs)
}

// follow puts the rest of the block before in front of this one and makes it
// the reader's buffer.
func (p *piece) follow(r *Reader) {
	rest := r.buf[r.r:r.w]
	start := r.base + int64(r.r) // offset in the file of rest
	r.blocks, r.eof, r.inErr = true, false, nil
	if p.mapped {
		r.buf = p.m.data[start : p.off+int64(p.n)]
		r.base, r.r, r.w = start, 0, len(r.buf)
		return
	}
	if len(rest) > headRoom {
		p.buf = append(append(make([]byte, 0, len(rest)+p.n), rest...), p.buf[headRoom:][:p.n]...)
		r.r, r.w = 0, len(p.buf)
	} else {
		r.r, r.w = headRoom-len(rest), headRoom+p.n
		copy(p.buf[r.r:], rest)
	}
	r.base = start - int64(r.r)
	r.buf = p.buf
	if p.n < p.size && p.err != nil && p.err != io.EOF {
		r.blocks, r.eof, r.inErr = false, true, p.err
	}
}
