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

// A Block is a piece of the input, read by one worker while others read the
// pieces beside it. Claim and Walk are called in turn, Load by all at once:
//
//	claim in order -> load in parallel -> walk in order -> use in parallel
type Block struct {
	Batch
	// Shared says that Records alias memory that the next Walk writes, so the
	// turn may be passed on only when they are done with.
	Shared bool
	// Alone is set by who takes Blocks one at a time.
	Alone bool
	// Kept is for other sources than this package's to use.
	Kept any

	recs   []Record
	lane   *lane
	off    int64    // in the file
	size   int      // bytes claimed
	m      *mapping // of the file, held; or nil
	mapped bool     // the piece is read where it is mapped
	timed  bool     // how long it takes to have it is of interest
	buf    []byte   // else it is at buf[headRoom:],
	n      int      // so many bytes of it
	err    error    // what ended the loading
	sum    byte     // keeps the loads of warm alive
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
func (s *Source) Claim(b *Block) {
	b.lane, b.m, b.mapped, b.timed = nil, nil, false, false
	if l := s.lane.Load(); l != nil && !l.left.Load() && l.next < l.end {
		// All but the first begin at multiples of their size, as extents do.
		b.lane, b.off = l, l.next
		size, mean := int64(readBlock), l.mean.Load()
		if mean >= mapFrom && l.m != nil && l.next >= l.cold.Load() {
			if b.mapped, b.timed = l.choose(); b.mapped {
				b.m = l.m.hold()
				b.mapped = b.m != nil
			}
		}
		switch {
		case b.m != nil:
			size = mostBlock
		case b.Alone:
			for size > aloneBlock && size > mean*aloneRecords {
				size /= 2
			}
		}
		b.size = int(min(size-l.next%size, l.end-l.next))
		l.next += int64(b.size)
	}
}

// Load reads the piece that was claimed. It may run beside other calls.
func (b *Block) Load() {
	l := b.lane
	if l == nil {
		return
	}
	b.n, b.err = 0, nil
	end := b.off + int64(b.size)
	if b.timed && !inMemory(l.file, end-1) {
		l.cold.Store(b.off + coldSize)
		b.mapped, b.timed = false, false
	}
	start := time.Now()
	places := walkers
	if b.mapped {
		_, b.mapped = b.m.guarded(func() { places = l.layout.warm(b.m.data, int(b.off), int(end), l.near.Load(), &b.sum) })
	}
	if b.mapped {
		b.n = b.size
	} else {
		b.read()
	}
	switch {
	case !b.timed:
	case places < walkers/2:
		l.note(b, longTime) // what it did not do is paid in the walk
	default:
		l.note(b, time.Since(start))
	}
	l.st.source.done.Add(int64(b.n))
}

// read reads the piece into memory of the Block's own.
func (b *Block) read() {
	b.buf = slices.Grow(b.buf[:0], headRoom+b.size)[:headRoom+b.size]
	b.n, b.err = b.lane.file.ReadAt(b.buf[headRoom:][:b.size], b.off)
}

// Guard runs f, which reads records of b, and reports whether it came to its
// end. It does not where the file was cut meanwhile, or its disk failed: then
// b has fewer records, and what is gone is a Problem. The goroutine must have
// debug.SetPanicOnFault.
func (b *Block) Guard(f func()) bool {
	if !b.mapped {
		f()
		return true
	}
	at, ok := b.m.guarded(f)
	if !ok {
		b.cut(at)
		return false
	}
	n := len(b.Records)
	if n == 0 {
		return true
	}
	if last := b.Records[n-1].Data; b.m.has(b.m.offset(last) + len(last)) {
		return true
	}
	b.cut(len(b.m.data))
	return false
}

// cut takes the records off that lie at the offset in the file or behind it,
// or behind its end, and at least one.
func (b *Block) cut(off int) {
	why := "it could not be read to its end"
	if info, err := b.m.file.Stat(); err == nil && b.m.changed() {
		why = fmt.Sprintf("it was changed while it was read, and has %d bytes now", info.Size())
		off = min(off, int(info.Size()))
	}
	n := 0
	for n < len(b.Records) && b.m.offset(b.Records[n].Data)+len(b.Records[n].Data) <= off {
		n++
	}
	b.Records = b.Records[:min(n, max(len(b.Records)-1, 0))]
	packet := b.First + uint64(len(b.Records))
	g := &b.lane.st.source.gone
	g.Lock()
	defer g.Unlock()
	i := slices.IndexFunc(g.files, func(f goneFile) bool { return f.lane == b.lane })
	if i < 0 {
		i = len(g.files)
		g.files = append(g.files, goneFile{lane: b.lane, packet: packet})
	}
	if f := &g.files[i]; packet <= f.packet {
		f.packet = packet
		f.problem = Problem{File: b.Name, Err: fmt.Errorf("packet %d: %w: %s", packet, ErrTruncated, why)}
	}
}

// Load is b.Load.
func (s *Source) Load(b *Block) { b.Load() }

// Release lets go of the file.
func (s *Source) Release(b *Block) {
	if b.m == nil {
		return
	}
	b.m.passed(int(b.off) + b.size)
	b.m.release()
	b.m = nil
}

// Walk finds the records of b. It returns io.EOF at the end of all input. A
// Block without records is no end.
func (s *Source) Walk(b *Block) error {
	b.Batch, b.Shared = Batch{}, false
	switch {
	case b.lane != nil && !b.lane.left.Load():
		s.walkLane(b)
		return nil
	case s.inLane():
		return nil // b was claimed before the lane began: its blocks come next
	}
	b.Shared, b.mapped = true, false
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
func (s *Source) walkLane(b *Block) {
	l := b.lane
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
	if b.mapped {
		_, ok = b.m.guarded(func() { err = l.walk(b) })
		ok = ok && b.m.has(int(b.off)+b.size)
	} else {
		err = l.walk(b)
	}
	k := s.overlap(b.recs)
	if b.mapped && (!ok || k < len(b.recs)) {
		// The file was cut, or another input begins here and the stream needs
		// what stays when the lane goes.
		*r, b.mapped = before, false
		b.read()
		err = l.walk(b)
		k = s.overlap(b.recs)
	}
	l.rest, l.spare = l.spare, l.rest
	s.infos[st.info].Packets += uint64(len(b.recs))
	b.Batch = Batch{Name: st.name, First: st.base + 1, Records: b.recs}
	if len(b.recs) > 0 {
		l.near.Store(uint32(b.recs[len(b.recs)-1].Time / 1e9))
		l.mean.Store(int64(b.n / len(b.recs)))
	}
	st.passed(b.recs, k)
	if k == len(b.recs) {
		st.base += uint64(k)
		if err == errMore && b.n == b.size && b.off+int64(b.size) < l.end {
			return
		}
		// The last block, or the last that can be read: what there is behind it,
		// and what is wrong with it, is found by reading on in order.
	} else {
		// Another input begins inside this block: from there on the two are read
		// in the order of time, and the memory is the stream's.
		b.Records = b.recs[:k]
		st.recs, st.at = b.recs, k
		b.buf, b.recs = nil, nil
	}
	l.leave()
	r.buf = append(make([]byte, 0, bufSize), l.rest...)
	r.buf = r.buf[:cap(r.buf)]
	if r.blocks {
		r.blocks = false
		rest := io.NewSectionReader(st.file, b.off+int64(b.n), math.MaxInt64-b.off-int64(b.n))
		r.in = &counted{rest, &s.done}
		if s.follow != nil {
			st.tail = &tail{in: rest, f: s.follow, file: st.file, off: b.off + int64(b.n), head: st.tail.head}
			r.in = &counted{st.tail, &s.done}
		}
	}
	s.last = st
}

// walk finds the records of b. The error is errMore, or what ends the file.
func (l *lane) walk(b *Block) (err error) {
	r := l.st.r
	b.follow(r)
	b.recs = b.recs[:0]
	for err == nil {
		if len(b.recs) == cap(b.recs) {
			b.recs = slices.Grow(b.recs, batchSize)
		}
		var n int
		n, err = r.NextBatch(b.recs[len(b.recs):cap(b.recs)])
		b.recs = b.recs[:len(b.recs)+n]
	}
	// The memory of b is not there any more when the next block is walked.
	l.spare = append(l.spare[:0], r.buf[r.r:r.w]...)
	r.base += int64(r.r)
	r.buf, r.r, r.w = l.spare, 0, len(l.spare)
	return err
}

// overlap returns the index of the first record that does not come before the
// next input.
func (s *Source) overlap(recs []Record) int {
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
func (b *Block) follow(r *Reader) {
	rest := r.buf[r.r:r.w]
	start := r.base + int64(r.r) // offset in the file of rest
	r.blocks, r.eof, r.inErr = true, false, nil
	if b.mapped {
		r.buf = b.m.data[start : b.off+int64(b.n)]
		r.base, r.r, r.w = start, 0, len(r.buf)
		return
	}
	if len(rest) > headRoom {
		b.buf = append(append(make([]byte, 0, len(rest)+b.n), rest...), b.buf[headRoom:][:b.n]...)
		r.r, r.w = 0, len(b.buf)
	} else {
		r.r, r.w = headRoom-len(rest), headRoom+b.n
		copy(b.buf[r.r:], rest)
	}
	r.base = start - int64(r.r)
	r.buf = b.buf
	if b.n < b.size && b.err != nil && b.err != io.EOF {
		r.blocks, r.eof, r.inErr = false, true, b.err
	}
}
