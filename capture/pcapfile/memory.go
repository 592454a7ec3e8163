package pcapfile

import (
	"fmt"
	"math"
)

// defaultMemory is the default of Options.Memory, in bytes.
const defaultMemory = 256 << 20

// streamCost is the minimum memory of an open input in bytes: its first buffer
// and its records.
const streamCost = leastBuf + 64*batchSize

// A budget limits the memory of all open inputs together: their buffers and
// the windows of decompressors. It counts requested sizes, so that every run
// fits the same inputs. It is used by one goroutine at a time. A nil budget
// has no limit.
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

// spend takes n bytes even if there is no room.
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

// A roomError says that an input needs more memory than Options.Memory allows.
type roomError struct {
	What  string // what needs it
	Need  int    // bytes
	Limit int    // limit for all inputs, in bytes
}

func (e *roomError) Error() string {
	return fmt.Sprintf("%s needs %s, and the limit is %s: raise it with --memory", e.What, mib(e.Need), mib(e.Limit))
}

func mib(n int) string {
	if n < 10<<20 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// no returns the error that there is no room for n bytes.
func (m *budget) no(what string, n int) error { return &roomError{what, n, m.limit} }
