package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// maxMessages is how many bytes of messages wait for standard error. More are
// dropped, and their number is told when it takes some again: whoever does not
// read it must not hold up the capture.
const maxMessages = 64 << 10

// A messageQueue writes messages in its own goroutine, so that Write never
// waits. newMessageQueue makes one.
type messageQueue struct {
	w io.Writer

	mu      sync.Mutex
	changed *sync.Cond // what waits, or what is written
	waiting []byte
	lost    int  // messages
	writing bool // something is on its way
	over    bool
}

func newMessageQueue(w io.Writer) *messageQueue {
	q := &messageQueue{w: w}
	q.changed = sync.NewCond(&q.mu)
	go q.deliver()
	return q
}

// Write takes one message.
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
		_, _ = q.w.Write(b) // there is nobody to tell
		q.mu.Lock()
		q.writing = false
		q.changed.Broadcast()
	}
}

// flush waits until all is written, but no longer than giveUpAfter.
func (q *messageQueue) flush() {
	end := time.Now().Add(giveUpAfter)
	wake := time.AfterFunc(giveUpAfter, func() {
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
