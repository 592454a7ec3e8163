package sink

import (
	"bytes"
	"errors"
	"sync"
	"time"

	"pfsight/cmd/pfsight/internal/confine"
	"pfsight/report/render"
)

// Limits of a Sink.
const (
	// MaxQueue is how many bytes of events wait at most for a destination that
	// is slow or away. Later ones are lost and counted.
	MaxQueue = 8 << 20
	// writeTimeout is how long one write to a socket may take. Then the
	// connection is dropped.
	writeTimeout = 10 * time.Second
	// CloseTimeout is how long Close waits for all sinks together. Events that
	// are not delivered by then are lost and counted.
	CloseTimeout = 3 * time.Second
	// retryAfter is the time before the second attempt. It doubles up to
	// retryMax.
	retryAfter = 200 * time.Millisecond
	retryMax   = 5 * time.Second
)

// An outlet is the destination of a sink. One goroutine uses it.
type outlet interface {
	// write writes lines and returns how many bytes of whole lines were
	// written; the rest is for another attempt. retry reports whether one may
	// succeed.
	write(lines []byte) (n int, retry bool, err error)
	// reopen opens the destination again, after SIGHUP.
	reopen() error
	close() error
	// needs adds the rights that the outlet needs while running.
	needs(n *confine.Needs)
}

// A lineError is an error of a write that the first line can never pass, such
// as a message too large for a datagram. The line is dropped and counted.
type lineError struct{ error }

func (e lineError) Unwrap() error { return e.error }

// A ticker is an outlet that is also called at least once a second.
type ticker interface{ tick() error }

// A Sink delivers events to one destination. It never blocks the capture. Open
// makes one; its exported fields are set before Start.
type Sink struct {
	Name string
	// Lost is called with the number of events that were not delivered.
	Lost func(n uint64)
	// Warn takes a message for the operator.
	Warn func(format string, args ...any)
	// Room is how many bytes of events wait at most.
	Room int
	// Gone is called when the destination will never accept anything again.
	// Default: no call.
	Gone func()

	out     outlet
	mu      sync.Mutex
	more    *sync.Cond
	queue   []byte // whole lines
	spare   []byte
	left    []byte // being written
	again   bool   // SIGHUP came
	ended   bool
	failed  bool // and reported, until it works again
	refused bool // a line was refused, and that was reported
	done    chan struct{}
}

func newSink(name string, out outlet) *Sink {
	k := &Sink{Name: name, Lost: func(uint64) {}, Warn: func(string, ...any) {}, Room: MaxQueue, out: out}
	k.more = sync.NewCond(&k.mu)
	return k
}

// Start starts the delivery.
func (k *Sink) Start() {
	k.done = make(chan struct{})
	go k.deliver()
	if _, ok := k.out.(ticker); ok {
		go k.clock()
	}
}

// Needs adds the rights that the destination needs while running to n.
func (k *Sink) Needs(n *confine.Needs) { k.out.needs(n) }

// SetOwner changes the owner of the sink's file, if it has a regular one.
func (k *Sink) SetOwner(uid, gid int) error {
	if f, ok := k.out.(*fileOutlet); ok && f.regular() {
		return f.f.Chown(uid, gid)
	}
	return nil
}

// CheckDir reports why no file can be made in the directory of the sink's file,
// if it has a regular one. Rotation needs that.
func (k *Sink) CheckDir() error {
	if f, ok := k.out.(*fileOutlet); ok && f.regular() {
		return f.checkDir()
	}
	return nil
}

// clock wakes the delivery once a second.
func (k *Sink) clock() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-k.done:
			return
		case <-t.C:
			k.more.Broadcast()
		}
	}
}

// Put queues n lines. It does not wait.
func (k *Sink) Put(lines []byte, n uint64) {
	if n > 1 && len(lines) > k.Room {
		// If one line is very long, the others are not lost with it.
		for line := range bytes.Lines(lines) {
			k.Put(line, 1)
		}
		return
	}
	k.mu.Lock()
	if k.ended || len(k.queue)+len(lines) > k.Room {
		k.mu.Unlock()
		k.Lost(n)
		return
	}
	k.queue = append(k.queue, lines...)
	k.mu.Unlock()
	k.more.Signal()
}

// Reopen opens the destination again before the next line.
func (k *Sink) Reopen() {
	k.mu.Lock()
	k.again = true
	k.mu.Unlock()
	k.more.Signal()
}

func (k *Sink) deliver() {
	defer close(k.done)
	defer k.close()
	delay := retryAfter
	for {
		k.mu.Lock()
		tick, isTicker := k.out.(ticker)
		if len(k.queue) == 0 && !k.ended && !k.again {
			k.more.Wait()
		}
		again, ended := k.again, k.ended
		k.again = false
		batch := k.queue
		k.queue = k.spare[:0]
		k.spare = nil
		k.mu.Unlock()
		if again {
			if err := k.out.reopen(); err != nil {
				k.report(err)
			}
		}
		if isTicker {
			if err := tick.tick(); err != nil {
				k.report(err)
			}
		}
		left := batch
		for len(left) > 0 {
			k.mu.Lock()
			k.left = left
			k.mu.Unlock()
			n, retry, err := k.out.write(left)
			left = left[n:]
			if line := (lineError{}); errors.As(err, &line) {
				left = k.refuseFirst(left, line)
				continue
			}
			k.report(err)
			if err == nil {
				delay = retryAfter
				continue
			}
			if n > 0 {
				continue
			}
			if !retry {
				if k.Gone != nil {
					k.Gone()
				}
				k.drop(left)
				break
			}
			if !k.pause(&delay) {
				k.drop(left)
				break
			}
		}
		k.mu.Lock()
		k.left = nil
		if cap(batch) <= 1<<20 {
			k.spare = batch[:0]
		}
		over := ended && len(k.queue) == 0
		k.mu.Unlock()
		if over {
			return
		}
	}
}

// pause waits before the next attempt. It reports whether there is one.
func (k *Sink) pause(delay *time.Duration) bool {
	end := time.Now().Add(*delay)
	*delay = min(*delay*2, retryMax)
	for time.Now().Before(end) {
		k.mu.Lock()
		stop, again := k.ended, k.again
		k.again = false
		k.mu.Unlock()
		if again {
			if err := k.out.reopen(); err != nil {
				k.report(err)
			}
			return true
		}
		if stop {
			return false // the last attempt was made
		}
		time.Sleep(min(50*time.Millisecond, time.Until(end)))
	}
	return true
}

// refuseFirst drops the first of the lines. Only the first refusal has a message:
// hostile traffic could otherwise fill a log.
func (k *Sink) refuseFirst(lines []byte, err error) []byte {
	n := bytes.IndexByte(lines, '\n') + 1
	if !k.refused {
		k.Warn("%s: an event of %s bytes is dropped, and others like it will be: %v", k.Name, render.Number(uint64(n)), err)
		k.refused = true
	}
	k.drop(lines[:n])
	return lines[n:]
}

// drop counts lines that are lost.
func (k *Sink) drop(lines []byte) {
	if n := count(lines); n > 0 {
		k.Lost(n)
	}
}

func count(lines []byte) uint64 { return uint64(bytes.Count(lines, []byte("\n"))) }

// report warns once that a sink fails, and once that it works again.
func (k *Sink) report(err error) {
	switch {
	case err != nil && !k.failed:
		k.Warn("%s: %v", k.Name, err)
		k.failed = true
	case err == nil && k.failed:
		k.Warn("%s: works again", k.Name)
		k.failed = false
	}
}

// close closes the outlet.
func (k *Sink) close() {
	if err := k.out.close(); err != nil {
		k.Warn("%s: %v", k.Name, err)
	}
}

// Close delivers what waits in the sinks and closes them, within CloseTimeout. A
// sink that blocks in a write or in closing is abandoned.
func Close(sinks []*Sink) {
	over := time.After(CloseTimeout)
	for _, k := range sinks {
		if k.done == nil { // not started
			k.done = make(chan struct{})
			go func() {
				defer close(k.done)
				k.close()
			}()
			continue
		}
		k.mu.Lock()
		k.ended = true
		k.mu.Unlock()
		k.more.Broadcast()
	}
	late := false
	for _, k := range sinks {
		if !late {
			select {
			case <-k.done:
				continue
			case <-over:
				late = true
			}
		}
		select {
		case <-k.done:
			continue
		default:
		}
		k.mu.Lock()
		n := count(k.left) + count(k.queue)
		k.mu.Unlock()
		if n > 0 {
			k.Lost(n)
		}
		k.Warn("%s: does not take what is left", k.Name)
	}
}
