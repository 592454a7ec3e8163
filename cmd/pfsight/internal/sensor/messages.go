package sensor

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

	"pfsight/cmd/pfsight/internal/process"
)

// maxMessages is how many bytes of messages wait for standard error. More are
// dropped, and their number is written later: a reader that stops must not block
// the capture.
const maxMessages = 64 << 10

// A messageQueue writes messages in a goroutine, so that Write never waits.
// newMessageQueue makes one.
type messageQueue struct {
	w io.Writer

	mu      sync.Mutex
	changed *sync.Cond // waiting or writing
	waiting []byte
	lost    int  // messages
	writing bool // a write is in progress
	over    bool
}

func newMessageQueue(w io.Writer) *messageQueue {
	q := &messageQueue{w: w}
	q.changed = sync.NewCond(&q.mu)
	go q.deliver()
	return q
}

// Write queues one message.
func (q *messageQueue) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting)+len(p) > maxMessages {
		q.lost++
		return len(p), nil
	}
	q.waiting = append(q.waiting, p...)
	q.changed.Broadcast()
	return len(p), nil
}

func (q *messageQueue) deliver() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for len(q.waiting) == 0 {
			if q.over {
				return
			}
			q.changed.Wait()
		}
		b := q.waiting
		if q.lost > 0 {
			b = fmt.Appendf(b, "pfsight: %d messages were dropped: standard error did not take them\n", q.lost)
		}
		q.waiting, q.lost, q.writing = nil, 0, true
		q.mu.Unlock()
		_, _ = q.w.Write(b) // no way to report an error
		q.mu.Lock()
		q.writing = false
		q.changed.Broadcast()
	}
}

// flush waits until all is written, but at most process.GiveUpAfter.
func (q *messageQueue) flush() {
	end := time.Now().Add(process.GiveUpAfter)
	wake := time.AfterFunc(process.GiveUpAfter, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.changed.Broadcast()
	})
	defer wake.Stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for (len(q.waiting) > 0 || q.writing) && time.Now().Before(end) {
		q.changed.Wait()
	}
}

// close flushes and ends the queue.
func (q *messageQueue) close() {
	q.flush()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
	q.changed.Broadcast()
}

// maxScreenMessages is how many bytes of messages are kept while the screen is
// shown. Beyond it the oldest are dropped.
const maxScreenMessages = 64 << 10

// A messageBuffer keeps messages while the screen is shown.
type messageBuffer struct {
	mu sync.Mutex
	b  []byte
}

// Write keeps one message.
func (h *messageBuffer) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b = append(h.b, p...)
	if n := len(h.b) - maxScreenMessages; n > 0 {
		h.b = append(h.b[:0], h.b[n:]...)
	}
	return len(p), nil
}

// take returns the messages and empties the buffer.
func (h *messageBuffer) take() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.b
	h.b = nil
	return b
}

// A logWriter writes the lines of a logger as messages.
type logWriter struct{ warn func(string, ...any) }

func (w logWriter) Write(p []byte) (int, error) {
	w.warn("%s", bytes.TrimRight(p, "\n"))
	return len(p), nil
}
