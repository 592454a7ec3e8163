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
	// A worker takes mostBlock bytes of a mapped file at once, and readBlock
	// bytes of a file that is read. That is enough to make passing the turns
	// cheap, and small enough that the results stay in the level-2 cache.
	mostBlock = 2 << 20
	readBlock = 512 << 10
	// A single worker passes no turns. It takes about aloneRecords records at
	// once, which fit a smaller cache.
	aloneRecords = 768
	aloneBlock   = 64 << 10
	// mapFrom is the mean record size from which mapping pays off. With shorter
	// records most bytes share cache lines with headers.
	mapFrom = 640
	// headRoom is free space before a block, for the record that began in the
	// previous block. A longer record costs a copy of the block.
	headRoom = 64 << 10
	// minLane is the minimum size of a file that several workers read.
	minLane = 4 << 20
)

// errMore says that a record continues in the next block.
var errMore = errors.New("more in the next block")

// A piece is the state of a Block that its Source keeps in Block.Private.
type piece struct {
	recs   []packet.Record
	lane   *lane    // nil: Walk returns the next batch of the Source instead
	off    int64    // offset in the file
	size   int      // bytes claimed
	m      *mapping // a held mapping of the file, or nil
	mapped bool     // the piece is read from the mapping
	timed  bool     // the duration of loading is measured
	buf    []byte   // if not mapped: the n bytes loaded start at headRoom
	n      int
	err    error // the error of the read
	sum    byte  // result of the loads in warm, which keeps them from being optimized away
}

// A lane is an uncompressed file that is read in blocks, by one or more
// workers. No other input is known to overlap it in time.
type lane struct {
	st   *stream
	file *os.File    // the file of st, kept because st may close before the last Load
	next int64       // offset of the next block to claim; used by Claim
	end  int64       // size of the file when the lane began
	left atomic.Bool // the lane ended; pieces claimed from it are void

	// Beginnings of records at the end of the last block and of the one before.
	// Used by Walk.
	rest, spare []byte

	m      *mapping // nil: not mapped
	layout layout
	// claimed counts the claimed blocks that might be mapped. Used by Claim. took
	// is the time to load a MiB of one, in nanoseconds: read, mapped.
	claimed int
	took    [2]atomic.Int64
	cold    atomic.Int64  // below this offset the file is assumed not to be in memory
	near    atomic.Uint32 // time of the last record walked, in seconds
	mean    atomic.Int64  // mean record size of the last block walked, in bytes
}

// coldSize is how many bytes are read without checking whether they are in
// memory, after a piece was not.
const coldSize = 16 << 20

// Claim implements packet.Source.
func (s *Source) Claim(b *packet.Block) {
	p, ok := b.Private.(*piece)
	if !ok {
		p = new(piece)
		b.Private = p
	}
	p.lane, p.m, p.mapped, p.timed = nil, nil, false, false
	if l := s.lane.Load(); l != nil && !l.left.Load() && l.next < l.end {
		// All blocks but the first begin at multiples of their size, as extents do.
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
		l.note(p, longTime) // the misses remain for the walk
	default:
		l.note(p, time.Since(start))
	}
	s.done.Add(int64(p.n))
}

// read reads the piece into its own memory.
func (p *piece) read() {
	p.buf = slices.Grow(p.buf[:0], headRoom+p.size)[:headRoom+p.size]
	p.n, p.err = p.lane.file.ReadAt(p.buf[headRoom:][:p.size], p.off)
}

// Guard implements packet.Source. If the file is truncated or cannot be read
// while f uses the mapping, the lost records become a Problem.
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

// cut removes the records that end after offset off in the file, or after its
// present end, but at least one record.
func (s *Source) cut(b *packet.Block, p *piece, off int) {
	why := "the file could not be read to its end"
	if info, err := p.m.file.Stat(); err == nil && p.m.changed() {
		why = fmt.Sprintf("the file was changed while it was read, and has %d bytes now", info.Size())
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

// Release implements packet.Source.
func (s *Source) Release(b *packet.Block) {
	p := b.Private.(*piece)
	if p.m == nil {
		return
	}
	p.m.passed(int(p.off) + p.size)
	p.m.release()
	p.m = nil
}

// Walk implements packet.Source.
func (s *Source) Walk(b *packet.Block) error {
	p := b.Private.(*piece)
	b.Batch, b.Shared = packet.Batch{}, false
	switch {
	case p.lane != nil && !p.lane.left.Load():
		s.walkLane(b, p)
		return nil
	case s.inLane():
		return nil // claimed before the lane began: the blocks of the lane come next
	}
	b.Shared, p.mapped = true, false
	if err := s.Next(&b.Batch); err != nil {
		return err
	}
	s.enter()
	return nil
}

// inLane reports whether a lane is active. Walk begins and ends lanes, so a
// concurrent Claim may notice that late.
func (s *Source) inLane() bool {
	l := s.lane.Load()
	return l != nil && !l.left.Load()
}

// enter begins a lane after the last batch, if the current input is an
// uncompressed file and the only open input.
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

// leave ends the lane. Workers keep the blocks that they have.
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
		// The batch before the lane is no longer used.
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
		// The file was truncated, or another input begins here. In the second case
		// the stream needs memory that outlives the mapping.
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
		// This is the last block, or the last readable one. Reading on in order
		// finds what follows it, and the error if there is one.
	} else {
		// Another input begins inside this block. From here on both are read in the
		// order of time, and the stream owns the memory.
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

// walk finds the records of p. The error is errMore, or the one that ends the
// file.
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
	// The memory of p is reused before the next block is walked.
	l.spare = append(l.spare[:0], r.buf[r.r:r.w]...)
	r.base += int64(r.r)
	r.buf, r.r, r.w = l.spare, 0, len(l.spare)
	return err
}

// overlap returns the index of the first record that does not precede the next
// input.
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

// follow prepends the rest of the previous block to this one and makes the
// result the reader's buffer.
func (p *piece) follow(r *Reader) {
	rest := r.buf[r.r:r.w]
	start := r.base + int64(r.r) // offset of rest in the file
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
