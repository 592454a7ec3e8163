package capture

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A turn admits the holders of tickets one at a time, in order.
type turn struct {
	now    atomic.Uint64
	mu     sync.Mutex
	cond   *sync.Cond
	asleep int // guarded by mu
	spins  int // how often a worker polls before it sleeps
}

// Numbers of polls of the worker whose turn is next before it sleeps. Turns
// are short, and most are cheaper than waking a goroutine. But walking may
// wait for a decompressor, which needs the core.
const (
	spins     = 3000
	walkSpins = 300
)

func (t *turn) wait(ticket uint64) {
	for spun := 0; ; spun++ {
		now := t.now.Load()
		if now == ticket {
			return
		}
		if now+1 == ticket && spun < t.spins {
			runtime.Gosched()
			continue
		}
		t.mu.Lock()
		t.asleep++
		for t.now.Load() == now {
			t.cond.Wait()
		}
		t.asleep--
		t.mu.Unlock()
	}
}

func (t *turn) pass() {
	t.now.Add(1)
	t.mu.Lock()
	if t.asleep > 0 {
		t.cond.Broadcast()
	}
	t.mu.Unlock()
}
