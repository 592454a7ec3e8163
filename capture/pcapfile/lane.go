package pcapfile

import (
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"sync/atomic"
)

const (
	// blockSize is how much of a file one worker takes at once: enough that
	// handing the turns on costs little beside the work on it.
	blockSize = 512 << 10
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
	// Kept is for other sources than this package's to use.
	Kept any

	buf  []byte
	recs []Record
	lane *lane
	off  int64 // in the file
	n    int   // bytes loaded at buf[headRoom:]
	err  error // what ended the loading
}

// A lane is a file that is read in blocks: a plain one that no other input
// overlaps in time, as far as is known.
type lane struct {
	st   *stream
	file *os.File    // of st, which may be closed before the last Load
	next int64       // offset of the next block to be claimed; of Claim
	end  int64       // the file's size when the lane began
	left atomic.Bool // the lane ended; what was claimed of it is void
	rest []byte      // of the last block: the beginning of a record; of Walk
}

// Claim reserves the next piece of the input for b. Calls are made one at a
// time, and Walk of the same blocks in the same order.
func (s *Source) Claim(b *Block) {
	b.lane = nil
	if l := s.lane.Load(); l != nil && !l.left.Load() && l.next < l.end {
		b.lane, b.off = l, l.next
		l.next += blockSize
	}
}

// Load reads the piece that was claimed. It may run beside other calls.
func (b *Block) Load() {
	if b.lane == nil {
		return
	}
	if cap(b.buf) < headRoom+blockSize {
		b.buf = make([]byte, headRoom+blockSize)
	}
	b.buf = b.buf[:headRoom+blockSize]
	b.n, b.err = b.lane.file.ReadAt(b.buf[headRoom:][:min(blockSize, int(b.lane.end-b.off))], b.off)
	b.lane.st.source.done.Add(int64(b.n))
}

// Load is b.Load.
func (s *Source) Load(b *Block) { b.Load() }

// Release does nothing: the memory is the Block's own.
func (s *Source) Release(*Block) {}

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
	b.Shared = true
	if err := s.Next(&b.Batch); err != nil {
		return err
	}
	if s.opt.Lanes {
		s.enter()
	}
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
	s.lane.Store(&lane{st: st, file: st.file, next: off, end: info.Size()})
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
	r := st.r
	b.follow(r)
	b.recs = b.recs[:0]
	var err error
	for err == nil {
		if len(b.recs) == cap(b.recs) {
			b.recs = slices.Grow(b.recs, batchSize)
		}
		var n int
		n, err = r.NextBatch(b.recs[len(b.recs):cap(b.recs)])
		b.recs = b.recs[:len(b.recs)+n]
	}
	s.infos[st.info].Packets += uint64(len(b.recs))
	b.Batch = Batch{Name: st.name, First: st.base + 1, Records: b.recs}
	k := s.overlap(b.recs)
	if k == len(b.recs) {
		st.base += uint64(k)
		if err == errMore && b.off+blockSize < l.end {
			// b's buffer is written anew before the next block is walked.
			l.rest = append(l.rest[:0], r.buf[r.r:r.w]...)
			r.base += int64(r.r)
			r.buf, r.r, r.w = l.rest, 0, len(l.rest)
			return
		}
		// The last block, or the last that can be read: what there is behind it,
		// and what is wrong with it, is found by reading on in order.
		r.buf = append(make([]byte, 0, bufSize), r.buf[r.r:r.w]...)
		r.buf = r.buf[:cap(r.buf)]
		r.base += int64(r.r)
		r.r, r.w = 0, r.w-r.r
	} else {
		// Another input begins inside this block: from there on the two are read
		// in the order of time, and the buffer is the stream's.
		b.Records = b.recs[:k]
		st.recs, st.at = b.recs, k
		b.buf, b.recs = nil, nil
	}
	l.left.Store(true)
	if r.blocks {
		r.blocks = false
		r.in = &counted{io.NewSectionReader(st.file, b.off+int64(b.n), math.MaxInt64-b.off-int64(b.n)), &s.done}
	}
	s.last = st
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
	if len(rest) > headRoom {
		b.buf = append(append(make([]byte, 0, len(rest)+b.n), rest...), b.buf[headRoom:][:b.n]...)
		r.r, r.w = 0, len(b.buf)
	} else {
		r.r, r.w = headRoom-len(rest), headRoom+b.n
		copy(b.buf[r.r:], rest)
	}
	r.base = start - int64(r.r)
	r.buf = b.buf
	r.blocks, r.eof, r.inErr = true, false, nil
	if b.n < blockSize && b.err != nil && b.err != io.EOF {
		r.blocks, r.eof, r.inErr = false, true, b.err
	}
}
