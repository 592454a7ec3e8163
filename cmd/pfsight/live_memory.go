package main

import (
	"context"
	"runtime"
	"runtime/debug"

	"pfsight/capture/live"
	"pfsight/report"
)

// leastMemory is the least that --memory of live may say: less has no room
// for the rings and for what the program needs in any case.
const leastMemory = 32 << 20

// A budget divides --memory: all of what the process holds but its own code.
type budget struct {
	runtime  int64 // all that Go's runtime holds: what is used, and what waits to be collected
	tables   int64 // of connections that live
	sessions int64 // of what tells apart that which shares one pair of endpoints
	open     int64 // of handshakes that are not complete; of tables
	sums     int64 // of what is remembered of connections that ended
	queue    int64 // of events that wait for all sinks
	pending  int   // changes that wait to be summed up
	heap     int64 // what the heap may grow to in any case before it is collected
}

// divide makes the budget for so many bytes.
func divide(memory int64, o *liveOptions) budget {
	var b budget
	b.runtime = max(memory-ringsTake(&o.capture), leastMemory/2)
	// A third is left for garbage: with less the collector would take more
	// time than it saves memory.
	const always = 8 << 20 // what the program takes without any traffic
	used := (b.runtime - always) * 2 / 3
	b.tables = used * 7 / 16
	b.open = used / 20
	b.sums = used / 4
	b.sessions = used / 16
	b.queue = used / 8
	b.pending = int(min(used/16/changeCost, maxPending))
	b.heap = min(used*6/5, maxEase)
	return b
}

// ringsTake returns how many bytes the rings take.
func ringsTake(o *live.Options) int64 {
	return int64(o.Blocks) * int64(o.BlockSize) * int64(o.Rings*len(o.Interfaces))
}

// changeCost is what a pending change costs, about: there may be as many
// again that are being summed up.
const changeCost = 2 << 10

// blocks returns how many blocks a ring has where it was not asked for: the
// default, or as many as leave the most of memory for the rest.
func blocks(memory int64, o *live.Options) int {
	n := memory / 4 / int64(max(o.BlockSize, live.MinBlock)*max(o.Rings*len(o.Interfaces), 1))
	return int(min(max(n, leastBlocks), live.DefaultBlocks))
}

// leastBlocks is how many blocks a ring has in any case.
const leastBlocks = 4

// rings returns how many rings an interface may have where it was not asked
// for: as many as leave the most of memory for the rest.
func rings(memory int64, o *live.Options) int {
	return int(max(memory/4/int64(max(o.BlockSize, live.MinBlock)*leastBlocks*max(len(o.Interfaces), 1)), 1))
}

// maxEase is how large the heap may be, at most, before the collector is as
// eager as the default, which lets it double. So tables that fill up change
// little of what the process takes, and the collector has less to do.
const maxEase = 64 << 20

// touchStep is how much of the heap is touched at once: so much is never on a
// stack.
const touchStep = 1 << 20

// govern keeps the runtime within the budget, until ctx ends.
func (b *budget) govern(ctx context.Context) {
	limit, percent := debug.SetMemoryLimit(b.runtime), debug.SetGCPercent(-1)
	if limit < b.runtime {
		debug.SetMemoryLimit(limit) // by GOMEMLIMIT
	}
	defer func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}()
	// What the heap will grow to in any case it takes now, so that it shows
	// at once whether there is room.
	for size := int64(0); size < b.heap; size += touchStep {
		touched := make([]byte, touchStep)
		for i := 0; i < touchStep; i += 4096 {
			touched[i] = 1
		}
		runtime.KeepAlive(touched)
	}
	ease(ctx, b.heap, 100)
}

// remember bounds what is remembered of connections that ended, before the
// first comes.
func (b *budget) remember(r *report.Report, h *report.History, builders []*report.Builder) {
	sums, history, builder := report.ReportShare(b.sums, len(builders))
	r.Within(sums)
	h.Within(history)
	for _, x := range builders {
		x.Within(builder)
	}
}
