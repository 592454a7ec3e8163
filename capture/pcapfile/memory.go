package pcapfile

import (
	"fmt"
	"math"
)

// defaultMemory is what Options.Memory is by default, bytes.
const defaultMemory = 256 << 20

// streamCost is what an open input takes at least, bytes: its first buffer and
// its records.
const streamCost = leastBuf + 64*batchSize

// A budget is the memory that open inputs may take together: their buffers, and
// the windows of decompressors. Memory is counted by what is asked for, so what
// fits is the same in every run. One goroutine at a time uses it. A nil one has
// no limit.
type budget struct {
	limit, used int
}

func newBudget(memory int64) *budget {
	if memory <= 0 {
		memory = defaultMemory
	}
	return &budget{limit: int(min(memory, math.MaxInt32*64))}
}

// has reports whether there is room for n bytes.
func (m *budget) has(n int) bool { return m == nil || m.limit-m.used >= n }

// take takes n bytes and reports whether there was room.
func (m *budget) take(n int) bool {
	if !m.has(n) {
		return false
	}
	if m != nil {
		m.used += n
	}
	return true
}

// spend takes n bytes whether there is room or not.
func (m *budget) spend(n int) {
	if m != nil {
		m.used += n
	}
}

func (m *budget) give(n int) {
	if m != nil {
		m.used -= n
	}
}

// A RoomError says that an input wants more memory than Options.Memory leaves.
type RoomError struct {
	What  string // for what
	Need  int    // bytes
	Limit int    // bytes for all inputs
}

func (e *RoomError) Error() string {
	return fmt.Sprintf("%s takes %s, and there is room for %s: give more memory (--memory)", e.What, mib(e.Need), mib(e.Limit))
}

func mib(n int) string {
	if n < 10<<20 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// no returns the error that n bytes are not there.
func (m *budget) no(what string, n int) error { return &RoomError{what, n, m.limit} }
