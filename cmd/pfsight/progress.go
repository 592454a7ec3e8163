package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"pfsight/cmd/pfsight/internal/analyze"
	"pfsight/cmd/pfsight/internal/terminal"
)

const (
	progressAfter = time.Second            // short reads show none
	progressEvery = 100 * time.Millisecond // between two updates
)

// A progress shows on a terminal how much was read.
type progress struct {
	done chan struct{}
	wait sync.WaitGroup
}

func startProgress(a *app, o *inputOptions, run *analyze.Run) *progress {
	p := &progress{done: make(chan struct{})}
	if o.quiet || !terminal.Is(a.Stderr) {
		return p
	}
	p.wait.Go(func() {
		start := time.Now()
		select {
		case <-p.done:
			return
		case <-time.After(progressAfter):
		}
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			n, total := run.Progress()
			fmt.Fprintf(a.Messages(), "\r\x1b[K%s", progressLine(n, total, time.Since(start)))
			select {
			case <-p.done:
				fmt.Fprint(a.Messages(), "\r\x1b[K")
				return
			case <-tick.C:
			}
		}
	})
	return p
}

func (p *progress) stop() {
	close(p.done)
	p.wait.Wait()
}

func progressLine(n, total int64, d time.Duration) string {
	rate := float64(n) / 1e6 / max(d.Seconds(), 0.001)
	if total <= 0 {
		return fmt.Sprintf("read %.0f MB, %.0f MB/s", float64(n)/1e6, rate)
	}
	const width = 30
	full := min(int(n*width/total), width)
	left := time.Duration(float64(total-n) / max(float64(n), 1) * float64(d)).Round(time.Second)
	return fmt.Sprintf("[%s%s] %3d %%, %.0f MB/s, %v left", strings.Repeat("#", full), strings.Repeat(" ", width-full), n*100/total, rate, left)
}
