package process

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

// GiveUpAfter is how long something outside the program, such as the reader of
// its standard output, can block it after SIGINT or SIGTERM. Then the program
// ends, and what is not written is lost.
const GiveUpAfter = time.Second

// A blockage records since when calls wait for something outside the program.
// It is safe for concurrent use.
type blockage struct {
	calls atomic.Int64
	since atomic.Int64 // start of the latest call, nanoseconds since clockStart
}

// clockStart is the origin of a monotonic clock.
var clockStart = time.Now()

func (b *blockage) begin() {
	b.since.Store(int64(time.Since(clockStart)))
	b.calls.Add(1)
}

func (b *blockage) end() { b.calls.Add(-1) }

// longer reports whether a call has waited for d.
func (b *blockage) longer(d time.Duration) bool {
	return b.calls.Load() > 0 && time.Since(clockStart)-time.Duration(b.since.Load()) >= d
}

// A watchedWriter is a writer whose reader may stop reading.
type watchedWriter struct {
	w io.Writer
	b *blockage
}

func (w watchedWriter) Write(p []byte) (int, error) {
	w.b.begin()
	defer w.b.end()
	return w.w.Write(p)
}

// Result returns a writer to w, the destination of a result. After a signal a
// write to it can block the end of the program for GiveUpAfter only.
func (p *Process) Result(w io.Writer) io.Writer { return watchedWriter{w, &p.results} }

// Messages returns a writer to standard error with the same limit.
func (p *Process) Messages() io.Writer { return watchedWriter{p.Stderr, &p.messages} }

// Blocking calls f, which may wait for something outside the program: opening a
// named pipe waits for its reader. After a signal f can block the end of the
// program for GiveUpAfter only.
func (p *Process) Blocking(f func()) {
	p.results.begin()
	defer p.results.end()
	f()
}

// blocked reports whether a call has been blocking for GiveUpAfter.
func (p *Process) blocked() bool {
	return p.results.longer(GiveUpAfter) || p.messages.longer(GiveUpAfter)
}

func (p *Process) giveUp() {
	if !p.aborting.Swap(true) {
		close(p.abort)
	}
}

// OnSignal calls first at the first SIGINT or SIGTERM, and second at the next,
// after which the program has GiveUpAfter to end. If second is nil, the second
// signal ends the program at once. From the first signal on, a blocked writer
// ends the program after GiveUpAfter. stop ends the handling of signals, unless
// one came.
func (p *Process) OnSignal(first, second func()) (stop func()) {
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
		p.signalled.Store(true)
		first()
		check := time.NewTicker(GiveUpAfter / 20)
		defer check.Stop()
		var end <-chan time.Time
		for {
			select {
			case <-p.over:
				signal.Stop(came)
				return
			case <-came:
				if second == nil || end != nil {
					p.giveUp()
					return
				}
				second()
				end = time.After(GiveUpAfter)
			case <-end:
				p.giveUp()
				return
			case <-check.C:
				if p.blocked() {
					p.giveUp()
					return
				}
			}
		}
	}()
	var once sync.Once
	return func() { once.Do(func() { close(done) }) }
}

// Interruptible returns a context that SIGINT and SIGTERM cancel. It is
// canceled from the beginning if a signal came before. stop releases it.
func (p *Process) Interruptible(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	end := p.OnSignal(cancel, nil)
	if p.signalled.Load() {
		cancel()
	}
	return ctx, func() {
		end()
		cancel()
	}
}
