package sensor

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"pfsight/cmd/pfsight/internal/process"
)

// TestMessageQueue fills a queue whose writer blocks: Write does not wait, and the
// number of dropped messages is written.
func TestMessageQueue(t *testing.T) {
	r, w := io.Pipe()
	q := newMessageQueue(w)
	const n = 3000
	for range n {
		if _, err := q.Write([]byte(strings.Repeat("x", 99) + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	q.flush()
	if d := time.Since(began); d < process.GiveUpAfter/2 || d > 3*process.GiveUpAfter {
		t.Errorf("it waited %v", d)
	}
	got := make(chan string)
	go func() {
		b, err := io.ReadAll(r)
		if err != nil && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		got <- string(b)
	}()
	q.close()
	w.Close()
	text := <-got
	if lines := strings.Count(text, "x\n"); lines == n || lines < maxMessages/100 || !strings.Contains(text, "messages were dropped") {
		t.Errorf("%d lines of %d; %s", lines, n, text[max(0, len(text)-100):])
	}
}
