package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// giveUpAfter is how long something outside the program, such as the reader of
// its standard output, may hold it up after SIGINT or SIGTERM. Then it ends
// without what was not written.
const giveUpAfter = time.Second

// A holdup tells since when a call waits for something outside the program.
// Several goroutines may use it.
type holdup struct {
	calls atomic.Int64
	since atomic.Int64 // when the last of calls began, nanoseconds of a clock that nobody sets
}

var clockStart = time.Now()

func (h *holdup) begin() {
	h.since.Store(int64(time.Since(clockStart)))
	h.calls.Add(1)
}

func (h *holdup) done() { h.calls.Add(-1) }

// longer reports whether a call has waited for d.
func (h *holdup) longer(d time.Duration) bool {
	return h.calls.Load() > 0 && time.Since(clockStart)-time.Duration(h.since.Load()) >= d
}

// A heldWriter is a writer whose reader may stop reading.
type heldWriter struct {
	w io.Writer
	h *holdup
}

func (w heldWriter) Write(p []byte) (int, error) {
	w.h.begin()
	defer w.h.done()
	return w.w.Write(p)
}

// A leave says that the program is to end whatever it waits for.
type leave struct {
	once sync.Once
	now  chan struct{} // closed then
	over chan struct{} // closed when the command has ended
}

func newLeave() *leave { return &leave{now: make(chan struct{}), over: make(chan struct{})} }

func (l *leave) end() { l.once.Do(func() { close(l.now) }) }

// result returns w, where a result goes, as a writer that may hold up the end
// of the program for giveUpAfter only.
func (a *app) result(w io.Writer) io.Writer { return heldWriter{w, &a.resultHold} }

// messageTo returns standard error as such a writer.
func (a *app) messageTo() io.Writer { return heldWriter{a.stderr, &a.messageHold} }

// held reports whether something has been holding up the program for
// giveUpAfter.
func (a *app) held() bool {
	return a.resultHold.longer(giveUpAfter) || a.messageHold.longer(giveUpAfter)
}

// onSignal has first called at SIGINT or SIGTERM, and second at the next one,
// after which the program has giveUpAfter to end. Where second is nil it ends
// at once then. From the first signal on nothing outside may hold it up for
// longer than giveUpAfter. What is returned ends that, if no signal came.
func (a *app) onSignal(first, second func()) (stop func()) {
	came := make(chan os.Signal, 2)
	done := make(chan struct{})
	signal.Notify(came, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-done:
			signal.Stop(came)
			return
		case <-came:
		}
		a.signalled.Store(true)
		first()
		look := time.NewTicker(giveUpAfter / 20)
		defer look.Stop()
		var end <-chan time.Time
		for {
			select {
			case <-a.leave.over:
				signal.Stop(came)
				return
			case <-came:
				if second == nil || end != nil {
					a.leave.end()
					return
				}
				second()
				end = time.After(giveUpAfter)
			case <-end:
				a.leave.end()
				return
			case <-look.C:
				if a.held() {
					a.leave.end()
					return
				}
			}
		}
	}()
	var once sync.Once
	return func() { once.Do(func() { close(done) }) }
}

// interruptible returns a context that SIGINT and SIGTERM end, those that came
// before included, and what ends that.
func (a *app) interruptible(ctx context.Context) (context.Context, func()) {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := a.onSignal(cancel, nil)
	if a.signalled.Load() {
		cancel()
	}
	return ctx, func() {
		stop()
		cancel()
	}
}
