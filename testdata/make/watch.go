package main

import (
	"bytes"
	"log"
	"sync"
	"time"
)

// A watched collects what a program says, and knows when it said something.
type watched struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	want string
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *watched) wait(who string) {
	for range 500 {
		w.mu.Lock()
		ok := bytes.Contains(w.buf.Bytes(), []byte(w.want))
		w.mu.Unlock()
		if ok {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	log.Fatalf("%s: never said %q but %q", who, w.want, w.buf.String())
}

// said returns all that was said so far.
func (w *watched) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}
