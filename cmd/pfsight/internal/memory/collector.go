package memory

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// gcPercent makes the collector a little more eager than by default while
	// captures are read: hostile traffic mostly makes garbage.
	gcPercent = 70
	// ReadHeap is how large the heap may be before the first collection while
	// captures are read, bytes: few connections are not worth a collection.
	ReadHeap = 64 << 20
	// checkEvery is the time between two checks of the heap's size.
	checkEvery = 50 * time.Millisecond
)

// Hold keeps Go's runtime within limit bytes, unless GOMEMLIMIT is lower, and
// defers garbage collection as DeferGC does. end restores the settings.
func Hold(limit int64) (end func()) {
	old := debug.SetMemoryLimit(limit)
	if old < limit {
		debug.SetMemoryLimit(old)
	}
	collect := DeferGC(min(ReadHeap, limit/2))
	return func() {
		collect()
		debug.SetMemoryLimit(old)
	}
}

// DeferGC lets the heap grow to so many bytes before garbage is collected. If
// the user set GOGC, it does nothing. end restores the settings.
func DeferGC(heap int64) (end func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var g sync.WaitGroup
	g.Go(func() { Collect(ctx, heap, gcPercent) })
	return func() {
		cancel()
		g.Wait()
	}
}

// Collect lets the heap grow to so many bytes before garbage is collected, and
// from there on by percent of the live heap, until ctx ends.
func Collect(ctx context.Context, heap int64, percent int) {
	const most = 1000
	now := most
	defer debug.SetGCPercent(debug.SetGCPercent(now))
	t := time.NewTicker(checkEvery)
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
