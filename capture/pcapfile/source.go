package pcapfile

import (
	"container/heap"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"pfsight/capture/packet"
)

const (
	// batchSize is the maximum number of records in a Batch.
	batchSize = 512
	// maxOpen is how many overlapping files are merged at once. Further files are
	// read when one of them has ended.
	maxOpen = 200
)

// An InputInfo describes an input.
type InputInfo struct {
	Name    string
	Format  string // Reader.Format; "" if it is not a capture
	Packed  string // Reader.Packed
	Packets uint64 // read so far
	Drops   uint64 // lost before the capture; 0 before the end of the input
}

// A Source reads several inputs as one capture, in the order of time.
// Consecutive files are read one after the other, overlapping files are merged
// record by record. Within a file the order is the file's. One goroutine may
// use the methods for batches: Next, Problems, Inputs, OnlyCaptures. It
// implements packet.Source too, for concurrent workers. Progress and Lost may
// be called at any time.
type Source struct {
	opt      Options
	pending  []input // not yet open, sorted
	open     mergeHeap
	infos    []InputInfo
	problems []Problem
	done     atomic.Int64
	total    int64
	follow   *follower            // nil unless Options.Follow
	last     *stream              // owner of the last batch's records
	ended    []string             // for Batch.Ended
	lane     atomic.Pointer[lane] // nil before the first lane
	lost     atomic.Uint64
	full     bool     // no memory to open another input before one has ended
	late     *Problem // of the first input that had to wait for memory; nil: none
	gone     struct {
		sync.Mutex
		files []goneFile
	}
}

var _ packet.Source = (*Source)(nil)

// A goneFile describes a file that lost records after they were found.
type goneFile struct {
	lane    *lane
	packet  uint64 // number of the first lost record
	problem Problem
}

// Open collects the inputs that paths name. It returns an error if nothing can
// be read. Problems returns the errors of single inputs.
func Open(paths []string, opt Options) (*Source, error) {
	if opt.Stdin == nil {
		opt.Stdin = os.Stdin
	}
	opt.mem = newBudget(opt.Memory)
	s := &Source{opt: opt}
	if opt.Follow {
		s.follow, s.problems = newFollower(paths, opt)
		if len(s.follow.queue) == 0 && len(s.follow.dirs) == 0 {
			return nil, s.nothing()
		}
		return s, nil
	}
	s.pending, s.problems = collect(paths, opt)
	if len(s.pending) == 0 {
		return nil, s.nothing()
	}
	order(s.pending)
	for _, i := range s.pending {
		if i.size == 0 {
			s.total = 0
			break
		}
		s.total += i.size
	}
	return s, nil
}

// nothing returns the error if no input can be read.
func (s *Source) nothing() error {
	var errs []error
	for _, p := range s.problems {
		errs = append(errs, p)
	}
	if len(errs) == 0 {
		return errors.New("nothing to read")
	}
	return errors.Join(errs...)
}

// Next sets b to the next batch, which is valid until the next call. The only
// error is io.EOF. An error of an input ends that input and is in Problems.
func (s *Source) Next(b *packet.Batch) error {
	if s.last != nil {
		s.advance()
	}
	for {
		s.openDue()
		if len(s.open) == 0 {
			if len(s.pending) > 0 {
				continue
			}
			if s.follow != nil {
				if i, ok := s.follow.next(); ok {
					s.pending = append(s.pending, i)
					continue
				}
			}
			return io.EOF
		}
		st := s.open[0]
		recs := st.recs[st.at:]
		limit := int64(math.MaxInt64)
		if len(s.open) > 1 {
			limit = s.open[1].time
			if len(s.open) > 2 {
				limit = min(limit, s.open[2].time)
			}
		}
		if len(s.pending) > 0 && s.pending[0].first != 0 && len(s.open) < maxOpen && !s.full {
			limit = min(limit, s.pending[0].first-1)
		}
		n := len(recs)
		if limit != math.MaxInt64 {
			for n = 1; n < len(recs); n++ {
				if at := orderTime(recs, n, st.time); at > limit {
					break
				} else {
					st.time = at
				}
			}
		}
		*b = packet.Batch{Name: st.name, First: st.base + uint64(st.at) + 1, Records: recs[:n], Ended: s.ended}
		s.ended = nil
		st.given = n
		s.last = st
		return nil
	}
}

// openDue opens the inputs that may hold the next record.
func (s *Source) openDue() {
	for len(s.pending) > 0 && len(s.open) < maxOpen {
		next := s.pending[0]
		if len(s.open) > 0 && (next.first == 0 || s.open[0].time < next.first) {
			return
		}
		if len(s.open) > 0 && !s.full && !s.opt.mem.has(2*streamCost) {
			s.wait(next)
		}
		if s.full {
			return
		}
		s.pending = s.pending[1:]
		s.start(next)
	}
}

func (s *Source) start(i input) {
	st := &stream{name: i.name, buf: make([]packet.Record, batchSize), source: s}
	in := s.opt.Stdin
	if i.name != "-" {
		f, err := openWaiting(i.name, s.opt.Stop)
		if errors.Is(err, errStopped) {
			return
		}
		if err != nil {
			s.problems = append(s.problems, Problem{i.name, cause(err), true})
			return
		}
		st.file, in = f, f
	} else {
		st.name = "standard input"
	}
	if s.opt.Stop != nil && !regular(in) {
		st.wait = newWaiting(in, s.opt.Stop)
		in = st.wait
	}
	if s.follow != nil && i.name != "-" {
		st.tail = &tail{in: in, f: s.follow}
		if st.wait == nil {
			st.tail.file = st.file
		}
		in = st.tail
	}
	r, err := newReader(&counted{in, &s.done}, s.opt.mem)
	if errors.Is(err, ErrNotCapture) && s.follow == nil && s.opt.Other.takes(r) {
		s.other(st, r)
		return
	}
	if err != nil {
		if r != nil {
			r.Close()
		}
		if errors.As(err, new(*roomError)) && len(s.open) > 0 && st.wait == nil {
			st.closeInput()
			s.pending = append([]input{i}, s.pending...)
			s.wait(i)
			return
		}
		if st.tail != nil && st.tail.rewritten() {
			s.rewritten(st)
		} else if !errors.Is(err, errStopped) && (!i.found || !errors.Is(err, ErrNotCapture) && !errors.Is(err, ErrEmpty)) {
			s.problems = append(s.problems, Problem{st.name, err, true})
		}
		st.closeInput()
		return
	}
	if len(s.open) >= fewOpen {
		r.most = sharedBuf
	}
	r.last = i.first // used by packets before the first with a time
	st.r = r
	st.info = len(s.infos)
	s.infos = append(s.infos, InputInfo{Name: st.name, Format: r.Format, Packed: r.Packed})
	st.order = st.info
	if st.fill() {
		heap.Push(&s.open, st)
	}
}

// wait keeps the due inputs, of which i is the first, from being opened before
// an open input has ended.
func (s *Source) wait(i input) {
	s.full = true
	if s.late == nil {
		s.late = &Problem{File: i.name, Err: errors.New("read out of order, and other files may be too: there is too little memory to read so many files at once (--memory); connections that span several files may be split")}
	}
}

// rewritten queues a rewritten followed file again, and notes the Problem once
// for each file.
func (s *Source) rewritten(st *stream) {
	if !slices.ContainsFunc(s.problems, func(p Problem) bool { return p.File == st.name && errors.Is(p.Err, errRewritten) }) {
		err := errRewritten
		if st.r != nil {
			err = fmt.Errorf("after packet %d: %w", st.r.Packets(), errRewritten)
		}
		s.problems = append(s.problems, Problem{File: st.name, Err: err})
	}
	s.follow.again(st.name)
}

// other lets Options.Other read an input that is not a capture.
func (s *Source) other(st *stream, r *Reader) {
	s.infos = append(s.infos, InputInfo{Name: st.name, Packed: r.Packed})
	if err := s.opt.Other.Read(st.name, r.content()); err != nil && !errors.Is(err, errStopped) {
		s.problems = append(s.problems, Problem{File: st.name, Err: err})
	}
	st.r = r
	st.close()
}

// advance skips the records of the last batch.
func (s *Source) advance() {
	st := s.last
	s.last = nil
	st.at += st.given
	st.passed(st.recs, st.at)
	if st.at == len(st.recs) && !st.fill() {
		s.full = false
		heap.Pop(&s.open) // st is still the first: nothing was pushed since
		return
	}
	st.settle()
	if len(s.open) > 1 {
		heap.Fix(&s.open, 0)
	}
}

// Problems returns the errors of inputs so far.
func (s *Source) Problems() []Problem {
	s.gone.Lock()
	defer s.gone.Unlock()
	out := slices.Clone(s.problems)
	for _, f := range s.gone.files {
		// Later reads find the end of the file too; that adds nothing.
		out = slices.DeleteFunc(out, func(p Problem) bool { return p.File == f.problem.File && errors.Is(p.Err, ErrTruncated) })
		out = append(out, f.problem)
	}
	if s.late != nil {
		out = append(out, *s.late)
	}
	return out
}

// Inputs describes the inputs opened so far.
func (s *Source) Inputs() []InputInfo { return s.infos }

// OnlyCaptures reports whether Options.Other certainly reads nothing. Call it
// before the first batch.
func (s *Source) OnlyCaptures() bool {
	return s.follow != nil || !slices.ContainsFunc(s.pending, func(i input) bool { return i.other || i.first == 0 && !i.empty })
}

// Progress returns how many bytes of the inputs were read, as they are on
// disk, and how many there are. total is 0 if it is undetermined.
func (s *Source) Progress() (done, total int64) { return s.done.Load(), s.total }

// Lost implements packet.Source. It counts the inputs that were read to their
// ends.
func (s *Source) Lost() uint64 { return s.lost.Load() }

// Close ends the reading and closes the open files.
func (s *Source) Close() {
	if l := s.lane.Load(); l != nil {
		l.leave()
	}
	for _, st := range s.open {
		st.close()
	}
	s.open, s.pending = nil, nil
}

// A stream is an input being read.
type stream struct {
	name   string
	source *Source
	file   *os.File
	tail   *tail    // reader of a followed file; or nil
	wait   *waiting // reader of an input that may block; or nil
	r      *Reader
	buf    []packet.Record
	recs   []packet.Record
	at     int    // first record not yet returned
	given  int    // number of records in the last batch
	base   uint64 // number of records before recs
	time   int64  // sort key of the next record, see orderTime
	info   int
	order  int
}

// passed notes that recs[n-1] was the last record returned. The time of the
// next one is compared with it.
func (st *stream) passed(recs []packet.Record, n int) {
	switch {
	case n > 1:
		st.time = orderTime(recs[:n], n-1, recs[n-2].Time)
	case n == 1:
		st.time = orderTime(recs[:n], 0, st.time)
	}
}

// settle sets the sort key of the next record.
func (st *stream) settle() { st.time = orderTime(st.recs, st.at, st.time) }

// oddTime is how far the time of a single record may deviate from its
// neighbours', in nanoseconds, to be used for merging. Otherwise one packet
// with a time decades ahead would delay the rest of its file until all other
// files are read.
const oddTime = 60e9

// oddLastTime is oddTime for a record without a next one to compare with, the
// last of a file or a batch. It is longer: sparse captures are more common than
// such a record with a wrong time, and only a wrong date can be recognised.
const oddLastTime = 24 * 3600e9

// orderTime returns the sort key of record i for merging files. It is the
// record's time, or prev, the time of the record before it, if the record has
// no time or one that is far from both neighbours'. prev is 0 for the first
// record of a file.
func orderTime(recs []packet.Record, i int, prev int64) int64 {
	differ := func(a, b, limit int64) bool { return a-b > limit || b-a > limit }
	far := func(a, b int64) bool { return differ(a, b, oddTime) }
	time := recs[i].Time
	switch {
	case prev == 0:
		if i+2 < len(recs) && far(time, recs[i+1].Time) && !far(recs[i+1].Time, recs[i+2].Time) {
			return recs[i+1].Time
		}
		return time
	case time == 0,
		i+1 == len(recs) && differ(time, prev, oddLastTime),
		i+1 < len(recs) && far(time, prev) && !far(recs[i+1].Time, prev):
		return prev
	}
	return time
}

// fill reads the next records and reports whether there are any.
func (st *stream) fill() bool {
	st.base += uint64(len(st.recs))
	n, err := st.r.NextBatch(st.buf)
	st.recs, st.at = st.buf[:n], 0
	info := &st.source.infos[st.info]
	info.Packets += uint64(n)
	if n > 0 {
		if st.base == 0 {
			st.settle()
		}
		return true
	}
	if st.tail != nil && err != nil && err != io.EOF && st.tail.rewritten() {
		st.source.rewritten(st)
	} else if err != nil && err != io.EOF && !errors.Is(err, errStopped) {
		st.source.problems = append(st.source.problems, Problem{File: st.name, Err: err})
	}
	info.Drops = st.r.Drops()
	st.source.ended = append(st.source.ended, st.name)
	st.source.lost.Add(info.Drops)
	st.close()
	return false
}

func (st *stream) close() {
	st.r.Close()
	st.closeInput()
}

func (st *stream) closeInput() {
	if st.wait != nil {
		st.wait.close()
	}
	if st.file != nil {
		st.file.Close()
		st.file = nil
	}
}

type mergeHeap []*stream

func (h mergeHeap) Len() int { return len(h) }
func (h mergeHeap) Less(i, j int) bool {
	if a, b := h[i].time, h[j].time; a != b {
		return a < b
	}
	return h[i].order < h[j].order
}
func (h mergeHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *mergeHeap) Push(x any)   { *h = append(*h, x.(*stream)) }
func (h *mergeHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// A counted counts the bytes read from in.
type counted struct {
	in io.Reader
	n  *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n.Add(int64(n))
	return n, err
}
