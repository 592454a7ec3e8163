// Package testutil holds helpers that the tests of several rooms share.
package testutil

import (
	"bytes"
	"sync"
	"testing"
	"time"
)

// Eventually waits up to ten seconds for what other goroutines or processes do. ok
// reports whether it has happened; what describes it.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("timeout: %s", what)
}

// A Buffer is a bytes.Buffer for concurrent use. The zero value is empty.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends p.
func (s *Buffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// String returns what was written.
func (s *Buffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
