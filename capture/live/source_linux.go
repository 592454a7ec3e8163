//go:build !pcap

package live

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"pfsight/capture/packet"
	"pfsight/capture/stream"
)

// maxRecords is the maximum number of records of a Block.
const maxRecords = 2048

// A Source captures from interfaces. It implements packet.Source. Frames are
// ordered by their time stamps across rings; within a ring the order is the
// kernel's.
type Source struct {
	opt   Options
	names []string // of opt.Interfaces
	began time.Time
	wake  int // eventfd

	// Used by Claim, by one worker at a time.
	ifaces  []*iface
	rings   []*ring // of all interfaces
	packets uint64
	poll    []unix.PollFd
	ticked  time.Duration
	came    time.Duration // when frames were last taken
	watched time.Duration
	clock   int64 // real time minus time since began, in nanoseconds
	step    int64 // clock change that is not yet reported, in nanoseconds
	ended   time.Duration
	thinned []pair // connections of which the kernel passes headers only

	stop  atomic.Bool
	lost  atomic.Uint64
	whole atomic.Bool
	mu    sync.Mutex // for the fields below
	stats []stream.InterfaceStats

	bulk sampler
}

// Open starts the capture.
func Open(opt Options) (*Source, error) {
	if err := opt.Check(); err != nil {
		return nil, err
	}
	s := &Source{opt: opt, names: opt.Interfaces, began: time.Now(), bulk: sampler{counts: map[pair]int{}}}
	s.whole.Store(true)
	var err error
	if s.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	s.stats = make([]stream.InterfaceStats, len(s.names))
	for i, name := range s.names {
		f := &iface{name: name, input: uint16(i)}
		s.ifaces = append(s.ifaces, f)
		s.stats[i].Name = name
		if err := f.open(s); err != nil {
			s.Close()
			return nil, fmt.Errorf("capturing on %s: %w", name, err)
		}
	}
	s.collect()
	s.clock = s.offset()
	s.watch()
	return s, nil
}

// now returns the monotonic time since the Source began.
func (s *Source) now() time.Duration { return time.Since(s.began) }

// offset returns the real time minus now.
func (s *Source) offset() int64 {
	t := time.Now()
	return t.UnixNano() - int64(t.Sub(s.began))
}

// Stop ends the capture: Walk returns the frames that the kernel has and then
// io.EOF. It may run concurrently with other calls.
func (s *Source) Stop() {
	s.stop.Store(true)
	one := [8]byte{1, 1, 1, 1, 1, 1, 1, 1}
	_, _ = unix.Write(s.wake, one[:]) // an error means that wake is set already
}

// Close unmaps the rings. The Run that uses the Source must have ended.
func (s *Source) Close() {
	for _, f := range s.ifaces {
		for _, r := range slices.Concat(f.rings, f.dead) {
			r.close()
		}
		f.rings, f.dead = nil, nil
	}
	if s.wake >= 0 {
		_ = unix.Close(s.wake)
		s.wake = -1
	}
}

// Lost implements packet.Source. It counts the frames dropped for full rings.
func (s *Source) Lost() uint64 { return s.lost.Load() }

// Judged reports whether the kernel evaluates the filter completely. If not,
// capture.Options.Filter must be set.
func (s *Source) Judged() bool { return s.whole.Load() }

// Interfaces returns the state of the interfaces; counts may be a second old.
// It may run concurrently with other calls.
func (s *Source) Interfaces() []stream.InterfaceStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stats)
}

// A claim holds frames in the order of time, and references to their blocks
// until it is released.
type claim struct {
	recs      []packet.Record
	held      []*block
	first     uint64
	now, step int64
	end       bool
}

// Walk implements packet.Source.
func (s *Source) Walk(b *packet.Block) error {
	c := b.Private.(*claim)
	if c.end {
		return io.EOF
	}
	b.Batch = packet.Batch{Name: s.names[0], Inputs: s.names, First: c.first, Records: c.recs, Now: c.now, Step: c.step}
	return nil
}

// Release implements packet.Source. It drops the references to the blocks.
func (s *Source) Release(b *packet.Block) {
	c := b.Private.(*claim)
	for _, h := range c.held {
		h.release()
	}
	c.held = c.held[:0]
}

// Claim implements packet.Source. It waits for frames, at most 250 ms.
func (s *Source) Claim(to *packet.Block) {
	c, ok := to.Private.(*claim)
	if !ok {
		c = &claim{recs: make([]packet.Record, 0, maxRecords)}
		to.Private = c
	}
	*c = claim{recs: c.recs[:0], held: c.held[:0], first: s.packets + 1}
	for {
		now := s.now()
		s.pace(now)
		for _, r := range s.rings {
			r.note(now)
		}
		wait := s.take(c, now)
		if len(c.recs) > 0 {
			s.packets += uint64(len(c.recs))
			s.ticked, s.came = now, now
			c.step, s.step = s.step, 0
			return
		}
		if s.stop.Load() {
			if s.ended == 0 {
				// Frames that arrive later are neither read nor counted.
				for _, r := range s.rings {
					_ = r.attach(nil)
				}
				s.ended = now
			}
			// The kernel hands over its last block within this time.
			if now-s.ended > 2*hold {
				s.watch()
				c.end = true
				return
			}
			wait = min(wait, retire)
		} else if now-s.ticked >= tickEvery {
			s.ticked = now
			// Frames not yet handed over by the kernel are not older than this.
			c.now, c.step, s.step = int64(now-hold)+s.clock, s.step, 0
			return
		}
		if now-s.came < busy && s.came > 0 {
			time.Sleep(min(max(wait, time.Millisecond), rest))
			continue
		}
		s.wait(min(wait, tickEvery-(now-s.ticked)))
	}
}

// take moves due frames into c, oldest first. If none is due, it returns for
// how long that stays so unless frames arrive.
func (s *Source) take(c *claim, now time.Duration) time.Duration {
	for len(c.recs) < maxRecords {
		// Find the ring with the oldest frame, and the time of the oldest frame of
		// the other rings.
		var r *ring
		other, empty := int64(0), false
		for _, q := range s.rings {
			switch {
			case !q.ready():
				empty = empty || !q.dead
			case r == nil:
				r = q
			case q.head < r.head:
				other, r = r.head, q
			case other == 0 || q.head < other:
				other = q.head
			}
		}
		if r == nil {
			return tickEvery
		}
		if empty && !s.stop.Load() {
			if wait := s.ripe(r, now); wait > 0 {
				return wait
			}
		}
		cur := r.cur
		if len(c.held) == 0 || c.held[len(c.held)-1] != cur {
			cur.refs.Add(1)
			c.held = append(c.held, cur)
		}
		for len(c.recs) < maxRecords && r.cur == cur && (other == 0 || r.head <= other) {
			c.recs = c.recs[:len(c.recs)+1]
			if !r.read(&c.recs[len(c.recs)-1]) {
				c.recs = c.recs[:len(c.recs)-1]
			}
		}
	}
	return 0
}

// ripe returns how long the current block must still wait for older frames of
// empty rings.
func (s *Source) ripe(r *ring, now time.Duration) time.Duration {
	if r.full() {
		return 0 // losing frames is worse than a wrong order
	}
	last := int64(r.cur.desc.Ts_last_pkt.Sec)*1e9 + int64(r.cur.desc.Ts_last_pkt.Usec)
	age := max(now-r.cur.seen, min(time.Duration(int64(now)+s.clock-last), hold))
	return max(hold-age, 0)
}

// wait sleeps until an empty ring gets frames, at most for d.
func (s *Source) wait(d time.Duration) {
	s.poll = append(s.poll[:0], unix.PollFd{Fd: int32(s.wake), Events: unix.POLLIN})
	if s.stop.Load() {
		s.poll = s.poll[:0]
	}
	for _, r := range s.rings {
		if r.cur == nil && !r.dead {
			s.poll = append(s.poll, unix.PollFd{Fd: int32(r.fd), Events: unix.POLLIN})
		}
	}
	ms := int((d + time.Millisecond - 1) / time.Millisecond)
	if n, err := unix.Poll(s.poll, max(ms, 1)); err != nil || n <= 0 {
		return
	}
	for _, p := range s.poll {
		if p.Revents&unix.POLLERR != 0 {
			// The interface went down. Reading the error clears it.
			_, _ = unix.GetsockoptInt(int(p.Fd), unix.SOL_SOCKET, unix.SO_ERROR)
			s.watched = 0
		}
	}
}

// pace does the periodic work.
func (s *Source) pace(now time.Duration) {
	if off := s.offset(); off-s.clock >= int64(clockStep) || s.clock-off >= int64(clockStep) {
		d := off - s.clock
		s.step += d
		s.clock = off
		s.opt.Log("the clock was set by %+.1f s; packet times jump by that", float64(d)/1e9)
	} else {
		s.clock = off
	}
	if s.watched == 0 || now-s.watched >= watchEvery {
		s.watch()
	}
}

// collect sets rings to those of all interfaces.
func (s *Source) collect() {
	s.rings = s.rings[:0]
	whole := true
	for _, f := range s.ifaces {
		s.rings = append(append(s.rings, f.rings...), f.dead...)
		whole = whole && f.whole
	}
	s.whole.Store(whole)
}
