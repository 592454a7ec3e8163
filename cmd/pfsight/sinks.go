package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"pfsight/report/render"
)

// Limits of a sink.
const (
	// sinkQueue is how many bytes of events wait at most for a sink that is
	// slow or away; what comes then is lost and counted.
	sinkQueue = 8 << 20
	// sinkWait is how long one write to a socket may take before it is taken
	// for dead.
	sinkWait = 10 * time.Second
	// sinkClose is how long the end waits for all sinks together. Events that
	// are not delivered by then are lost and counted.
	sinkClose = 3 * time.Second
	// sinkRetry is the time between two attempts, and how far it grows.
	sinkRetry    = 200 * time.Millisecond
	sinkRetryMax = 5 * time.Second
)

// An outlet is where a sink writes to. One goroutine uses it.
type outlet interface {
	// write writes lines and returns how many bytes of whole lines are
	// written; the rest is for another attempt. retry says that one may help.
	write(lines []byte) (n int, retry bool, err error)
	// reopen makes the place anew: SIGHUP.
	reopen() error
	close() error
}

// A lineError is an error of a write that the first line can never pass, such
// as a message too large for a datagram. The line is dropped and counted.
type lineError struct{ error }

func (e lineError) Unwrap() error { return e.error }

// A ticker is an outlet that wants to be called at times without lines.
type ticker interface{ tick() error }

// A sink delivers events to one outlet, without ever holding up the capture.
type sink struct {
	name string
	out  outlet
	lost func(n uint64) // events that were not delivered
	warn func(format string, args ...any)
	room int    // bytes of events that wait at most
	gone func() // the outlet will never take anything again; nil: it does not matter

	mu     sync.Mutex
	more   *sync.Cond
	queue  []byte // whole lines
	spare  []byte
	left   []byte // being written
	again  bool   // SIGHUP came
	ended  bool
	failed bool // told of, until it works again
	refuse bool // a line was refused, and that was told
	done   chan struct{}
}

// start begins the delivery.
func (k *sink) start() {
	k.more = sync.NewCond(&k.mu)
	k.done = make(chan struct{})
	go k.deliver()
	if _, ok := k.out.(ticker); ok {
		go k.clock()
	}
}

// clock wakes the delivery once a second.
func (k *sink) clock() {
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

// put takes n lines. It does not wait.
func (k *sink) put(lines []byte, n uint64) {
	if n > 1 && len(lines) > k.room {
		// One of them is very long: the others are not lost with it.
		for line := range bytes.Lines(lines) {
			k.put(line, 1)
		}
		return
	}
	k.mu.Lock()
	if k.ended || len(k.queue)+len(lines) > k.room {
		k.mu.Unlock()
		k.lost(n)
		return
	}
	k.queue = append(k.queue, lines...)
	k.mu.Unlock()
	k.more.Signal()
}

// reopen makes the outlet anew before the next line.
func (k *sink) reopen() {
	k.mu.Lock()
	k.again = true
	k.mu.Unlock()
	k.more.Signal()
}

func (k *sink) deliver() {
	defer close(k.done)
	defer k.close()
	delay := sinkRetry
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
				left = k.refused(left, line)
				continue
			}
			k.report(err)
			if err == nil {
				delay = sinkRetry
				continue
			}
			if n > 0 {
				continue
			}
			if !retry {
				if k.gone != nil {
					k.gone()
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

// pause waits before another attempt and reports whether there is to be one.
func (k *sink) pause(delay *time.Duration) bool {
	end := time.Now().Add(*delay)
	*delay = min(*delay*2, sinkRetryMax)
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

// refused drops the first of the lines, and tells of the first time that it
// happens: whoever makes such records could fill a log with messages.
func (k *sink) refused(lines []byte, err error) []byte {
	n := bytes.IndexByte(lines, '\n') + 1
	if !k.refuse {
		k.warn("%s: an event of %s bytes is dropped, and others like it will be: %v", k.name, render.Number(uint64(n)), err)
		k.refuse = true
	}
	k.drop(lines[:n])
	return lines[n:]
}

// drop counts lines that are given up.
func (k *sink) drop(lines []byte) {
	if n := count(lines); n > 0 {
		k.lost(n)
	}
}

func count(lines []byte) uint64 { return uint64(bytes.Count(lines, []byte("\n"))) }

// report tells the operator once that a sink fails, and once that it works.
func (k *sink) report(err error) {
	switch {
	case err != nil && !k.failed:
		k.warn("%s: %v", k.name, err)
		k.failed = true
	case err == nil && k.failed:
		k.warn("%s: works again", k.name)
		k.failed = false
	}
}

// close closes the outlet.
func (k *sink) close() {
	if err := k.out.close(); err != nil {
		k.warn("%s: %v", k.name, err)
	}
}

// endSinks has all sinks deliver what waits, and ends them, within sinkClose.
// A sink that hangs, in a write or in closing, is left behind.
func endSinks(sinks []*sink) {
	over := time.After(sinkClose)
	for _, k := range sinks {
		if k.done == nil { // it was not started
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
			k.lost(n)
		}
		k.warn("%s: does not take what is left", k.name)
	}
}

// A streamOutlet is an outlet for a writer that is there from the beginning, such
// as standard output.
type streamOutlet struct{ w io.Writer }

func (s streamOutlet) write(lines []byte) (int, bool, error) {
	n, err := s.w.Write(lines)
	return wholeLines(lines, n), false, err
}
func (s streamOutlet) reopen() error { return nil }
func (s streamOutlet) close() error  { return nil }

// wholeLines returns how many of the first n bytes are whole lines.
func wholeLines(lines []byte, n int) int {
	n = min(max(n, 0), len(lines))
	for n > 0 && lines[n-1] != '\n' {
		n--
	}
	return n
}

// newOutlet makes the outlet that -o names.
func newOutlet(a *app, dest string, o *liveOptions, warn func(string, ...any)) (outlet, error) {
	kind, rest, ok := strings.Cut(dest, ":")
	switch {
	case dest == "-":
		return streamOutlet{a.stdout}, nil
	case dest == "syslog":
		return newSyslog()
	case ok && kind == "unix" && rest != "":
		return &socketOutlet{network: kind, address: rest}, nil
	case ok && (kind == "tcp" || kind == "tls") && rest != "":
		host, _, err := net.SplitHostPort(rest)
		if err != nil {
			return nil, usagef("-o %s: name a host and a port, such as %s:collector.example:6514: %w", dest, kind, err)
		}
		s := &socketOutlet{network: "tcp", address: rest}
		if kind == "tls" {
			s.tls = sinkTLS(host, o.sinkRoots)
		}
		return s, nil
	case dest == "":
		return nil, usagef("-o: name a file, - for standard output, syslog, unix:PATH, tcp:HOST:PORT or tls:HOST:PORT")
	}
	limitedFiles()
	f := &fileOutlet{path: dest, maxSize: o.rotateSize, maxAge: o.rotateEvery, keep: o.keep, now: time.Now, warn: warn}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("writing events: %w", err)
	}
	return f, nil
}
