package capture

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A turn lets the holders of tickets through one after the other.
type turn struct {
	now    atomic.Uint64
	mu     sync.Mutex
	cond   *sync.Cond
	asleep int // under mu
	spins  int // how often a worker looks before it sleeps
}

// How often a worker whose turn is the next looks again before it sleeps.
// Turns are short, and waking up costs more than most of them. But the turn of
// walking may hang on a decompressor, which wants the core.
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
