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
	// batchSize is how many records are handed over at once.
	batchSize = 512
	// maxOpen is how many files that overlap in time are read at once; more
	// than that are read one after the other.
	maxOpen = 200
)

// An InputInfo tells of an input what was found in it.
type InputInfo struct {
	Name    string
	Format  string
	Packed  string
	Packets uint64
	Drops   uint64
}

// A Source reads several inputs as one capture, in capture-time order: files
// that follow each other one after the other, files that overlap record by
// record. Inside one file the order is the file's own. It is used by one
// goroutine; Progress may be called by any.
type Source struct {
	opt      Options
	pending  []input // not yet open, in order
	open     mergeHeap
	infos    []InputInfo
	problems []Problem
	done     atomic.Int64
	total    int64
	follow   *follower            // nil unless files are followed
	last     *stream              // whose records the last batch was
	ended    []string             // see Batch.Ended
	lane     atomic.Pointer[lane] // nil before the first
	lost     atomic.Uint64
	full     bool     // there is no room to open another input before one has ended
	late     *Problem // of the first input that had to wait for that; nil: none
	gone     struct {
		sync.Mutex
		files []goneFile
	}
}

// A goneFile is one of which records that were found could not be used.
type goneFile struct {
	lane    *lane
	packet  uint64 // the first of them
	problem Problem
}

// Open collects the inputs that paths name. The error says that nothing at
// all can be read; what is wrong with some of them is told by Problems.
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

// nothing is the error of inputs of which none can be read.
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

// Next returns the next batch, valid until the next call, or io.EOF. Nothing
// else is an error: what goes wrong with an input ends that input and is told
// by Problems.
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
		if errors.As(err, new(*RoomError)) && len(s.open) > 0 && st.wait == nil {
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
	r.last = i.first // for packets before the first that has a time
	st.r = r
	st.info = len(s.infos)
	s.infos = append(s.infos, InputInfo{Name: st.name, Format: r.Format, Packed: r.Packed})
	st.order = st.info
	if st.fill() {
		heap.Push(&s.open, st)
	}
}

// wait has the inputs that are due, i the first of them, wait until one of those
// that are open has ended.
func (s *Source) wait(i input) {
	s.full = true
	if s.late == nil {
		s.late = &Problem{File: i.name, Err: errors.New("it was read later than its time, as others may have been: there is too little memory to read so many files side by side (--memory), and connections that go over several of them may be told apart")}
	}
}

// rewritten has a file that is followed read again from its beginning, and tells
// of the first time that it happens to it.
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

// other has an input read that is no capture.
func (s *Source) other(st *stream, r *Reader) {
	s.infos = append(s.infos, InputInfo{Name: st.name, Packed: r.Packed})
	if err := s.opt.Other.Read(st.name, r.content()); err != nil && !errors.Is(err, errStopped) {
		s.problems = append(s.problems, Problem{File: st.name, Err: err})
	}
	st.r = r
	st.close()
}

// advance passes over what the last batch gave away.
func (s *Source) advance() {
	st := s.last
	s.last = nil
	st.at += st.given
	st.passed(st.recs, st.at)
	if st.at == len(st.recs) && !st.fill() {
		s.full = false
		heap.Pop(&s.open) // it is the first: nothing came between
		return
	}
	st.settle()
	if len(s.open) > 1 {
		heap.Fix(&s.open, 0)
	}
}

// Problems returns what was wrong with inputs so far.
func (s *Source) Problems() []Problem {
	s.gone.Lock()
	defer s.gone.Unlock()
	out := slices.Clone(s.problems)
	for _, f := range s.gone.files {
		// Where it ended for those that came later says nothing more.
		out = slices.DeleteFunc(out, func(p Problem) bool { return p.File == f.problem.File && errors.Is(p.Err, ErrTruncated) })
		out = append(out, f.problem)
	}
	if s.late != nil {
		out = append(out, *s.late)
	}
	return out
}

// Inputs returns what was found in the inputs opened so far.
func (s *Source) Inputs() []InputInfo { return s.infos }

// OnlyCaptures reports whether it is certain that Options.Other is given
// nothing. It is to be asked before the first batch.
func (s *Source) OnlyCaptures() bool {
	return s.follow != nil || !slices.ContainsFunc(s.pending, func(i input) bool { return i.other || i.first == 0 && !i.empty })
}

// Progress returns how many bytes of the inputs, as they lie on disk, were
// read, and how many there are; 0 where that cannot be known.
func (s *Source) Progress() (done, total int64) { return s.done.Load(), s.total }

// Lost returns how many packets the inputs that were read to their ends say
// were lost before the capture. It may be called beside all else.
func (s *Source) Lost() uint64 { return s.lost.Load() }

// Close ends the reading.
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
	tail   *tail    // what follows file; or nil
	wait   *waiting // what reads file or standard input where that may wait; or nil
	r      *Reader
	buf    []packet.Record
	recs   []packet.Record
	at     int    // first record not yet given away
	given  int    // records of the batch given away last
	base   uint64 // records before recs
	time   int64  // by which the next record is put in order, see orderTime
	info   int
	order  int
}

// passed takes recs[n-1], the last record that was given away, as the one that
// the next is compared with.
func (st *stream) passed(recs []packet.Record, n int) {
	switch {
	case n > 1:
		st.time = orderTime(recs[:n], n-1, recs[n-2].Time)
	case n == 1:
		st.time = orderTime(recs[:n], 0, st.time)
	}
}

// settle finds the time by which the next record is put in order.
func (st *stream) settle() { st.time = orderTime(st.recs, st.at, st.time) }

// oddTime is how far the time of one record alone may be from those of its
// neighbours in the file for files to be put in order by it, nanoseconds. One
// packet with a time decades ahead would keep the rest of its file back until
// all other files are read.
const oddTime = 60e9

// orderTime returns the time by which record i is put in order among files:
// its own, or that of the record before it, prev, where it has none or one that
// is far from both its neighbours'. prev is 0 for the first record of a file.
func orderTime(recs []packet.Record, i int, prev int64) int64 {
	far := func(a, b int64) bool { return a-b > oddTime || b-a > oddTime }
	time := recs[i].Time
	switch {
	case prev == 0:
		if i+2 < len(recs) && far(time, recs[i+1].Time) && !far(recs[i+1].Time, recs[i+2].Time) {
			return recs[i+1].Time
		}
		return time
	case time == 0, far(time, prev) && (i+1 == len(recs) || !far(recs[i+1].Time, prev)):
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

// counted counts what passes.
type counted struct {
	in io.Reader
	n  *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n.Add(int64(n))
	return n, err
}
