package sensor

import (
	"context"
	"runtime"
	"runtime/debug"

	"pfsight/capture/live"
	"pfsight/cmd/pfsight/internal/livestate"
	"pfsight/cmd/pfsight/internal/memory"
	"pfsight/report"
)

// A budget divides the limit of --memory: all that the process holds except its
// own code.
type budget struct {
	runtime  int64 // Go's runtime: live objects and garbage
	tables   int64 // connections that are open
	sessions int64 // what tells apart connections that share one pair of endpoints
	open     int64 // handshakes that are not complete; part of tables
	sums     int64 // what is kept of connections that have ended
	queue    int64 // events that wait for all sinks
	pending  int   // changes that wait to be summed up
	heap     int64 // size of the heap before its first collection
}

// divide makes the budget for a limit of so many bytes.
func divide(limit int64, o *live.Options) budget {
	var b budget
	b.runtime = max(limit-ringBytes(o), memory.Least/2)
	// A third is left for garbage: with less, the collector would cost more time
	// than the memory is worth.
	used := (b.runtime - memory.Code) * 2 / 3
	b.tables = used * 7 / 16
	b.open = used / 20
	b.sums = used / 4
	b.sessions = used / 16
	b.queue = used / 8
	b.pending = int(min(used/16/changeCost, livestate.MaxPending))
	b.heap = min(used*6/5, maxDeferredHeap)
	return b
}

const (
	// changeCost is about what a pending change takes, bytes, including another
	// that is being summed up.
	changeCost = 2 << 10
	// minBlocks is the minimum number of blocks of a ring.
	minBlocks = 4
	// maxAutoRings is how many rings an interface gets by default at most.
	maxAutoRings = 8
	// maxDeferredHeap bounds budget.heap. Below it, tables that fill up change
	// little of what the process takes, and the collector has less to do.
	maxDeferredHeap = 64 << 20
	// touchStep is how much of the heap is touched at once: too much for a
	// stack.
	touchStep = 1 << 20
)

// FitRings sets the number of rings and blocks of o where they are 0, so that the
// rings take at most a quarter of limit bytes.
func FitRings(o *live.Options, limit int64, workers int) {
	if o.Rings == 0 {
		o.Rings = min(workers, maxAutoRings, rings(limit, o))
	}
	if o.Blocks == 0 {
		o.Blocks = blocks(limit, o)
	}
}

// RingsFit reports whether the rings leave enough of limit bytes for the rest,
// how many bytes they take, and how many must be left.
func RingsFit(o *live.Options, limit int64) (ok bool, take, leave int64) {
	take, leave = ringBytes(o), memory.Least/2
	return take <= limit-leave, take, leave
}

// ringBytes returns how many bytes the rings take.
func ringBytes(o *live.Options) int64 {
	return int64(o.Blocks) * int64(o.BlockSize) * int64(o.Rings*len(o.Interfaces))
}

// blocks returns the default number of blocks of a ring.
func blocks(limit int64, o *live.Options) int {
	n := limit / 4 / int64(max(o.BlockSize, live.MinBlock)*max(o.Rings*len(o.Interfaces), 1))
	return int(min(max(n, minBlocks), live.DefaultBlocks))
}

// rings returns the default number of rings of an interface.
func rings(limit int64, o *live.Options) int {
	return int(max(limit/4/int64(max(o.BlockSize, live.MinBlock)*minBlocks*max(len(o.Interfaces), 1)), 1))
}

// govern keeps Go's runtime within the budget until ctx ends.
func (b *budget) govern(ctx context.Context) {
	limit, percent := debug.SetMemoryLimit(b.runtime), debug.SetGCPercent(-1)
	if limit < b.runtime {
		debug.SetMemoryLimit(limit) // by GOMEMLIMIT
	}
	defer func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}()
	// The heap takes now what it will take in any case: a lack of memory shows at
	// once.
	for size := int64(0); size < b.heap; size += touchStep {
		touched := make([]byte, touchStep)
		for i := 0; i < touchStep; i += 4096 {
			touched[i] = 1
		}
		runtime.KeepAlive(touched)
	}
	memory.Collect(ctx, b.heap, 100)
}

// share bounds what is kept of connections that have ended, before the first
// comes.
func (b *budget) share(r *report.Report, h *report.History, builders []*report.Builder) {
	sums, history, builder := report.ReportShare(b.sums, len(builders))
	r.Within(sums)
	h.Within(history)
	for _, x := range builders {
		x.Within(builder)
	}
}
