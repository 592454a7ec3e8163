package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// gcPercent makes the collector a little more eager than by default where
	// captures are read: of what hostile traffic makes most is garbage at once.
	gcPercent = 70
	// readHeap is what the heap may grow to in any case, bytes, where captures
	// are read: few connections are not worth a collection.
	readHeap = 64 << 20
	// easeEvery is how often it is looked whether the heap is still small.
	easeEvery = 50 * time.Millisecond
)

// eased has the collector leave heaps of up to so many bytes alone while captures are read, but
// for a user who said what it is to do. It returns what ends that.
func eased(heap int64) (end func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var g sync.WaitGroup
	g.Go(func() { ease(ctx, heap, gcPercent) })
	return func() {
		cancel()
		g.Wait()
	}
}

// ease lets the heap grow to so many bytes before it is collected, and from
// there on by percent of what is in use, until ctx ends.
func ease(ctx context.Context, heap int64, percent int) {
	const most = 1000
	now := most
	defer debug.SetGCPercent(debug.SetGCPercent(now))
	t := time.NewTicker(easeEvery)
	defer t.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for {
		metrics.Read(live)
		if used := int64(live[0].Value.Uint64()); used > 0 {
			want := int(min(max(100*heap/used-100, int64(percent)), most))
			if d := want - now; d > now/8 || d < -now/8 {
				debug.SetGCPercent(want)
				now = want
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}
