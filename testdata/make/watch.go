package main

import (
	"bytes"
	"log"
	"sync"
	"time"
)

// A watched collects the output of a program. Its method wait waits for want.
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
	log.Fatalf("%s: %q did not appear in the output:\n%s", who, w.want, w.buf.String())
}

// output returns the output so far.
func (w *watched) output() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}
