package main

import (
	"bytes"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// An interrupter is a capture of which a part is read before SIGINT arrives.
type interrupter struct {
	first io.Reader
	sent  bool
	stop  chan struct{}
}

func (i *interrupter) Read(p []byte) (int, error) {
	if n, err := i.first.Read(p); err == nil {
		return n, nil
	}
	if !i.sent {
		i.sent = true
		_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
	}
	<-i.stop // no more data, as from an idle pipe
	return 0, io.EOF
}

// TestLawsInterrupted interrupts the reading of standard input by SIGINT, in
// every format. Each must say so, and must not speak of the whole capture.
func TestLawsInterrupted(t *testing.T) {
	came := make(chan os.Signal, 8)
	signal.Notify(came, syscall.SIGINT) // it must not end the test
	defer signal.Stop(came)
	whole, err := os.ReadFile(captures + "/session-id-ecdhe.pcap")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"table", "markdown", "html", "json", "jsonl", "csv"} {
		stop := make(chan struct{})
		in := &interrupter{first: bytes.NewReader(whole), stop: stop}
		var out, stderr bytes.Buffer
		code := run([]string{"--format", format, "--width", "200", "-"}, in, &out, &stderr)
		close(stop)
		if code != exitIncomplete || !strings.Contains(stderr.String(), "interrupted") {
			t.Errorf("%s: exit %d, standard error %q", format, code, stderr.String())
		}
		switch format {
		case "table", "markdown", "html":
			text := claimText(format, out.String())
			if !strings.Contains(text, "Interrupted:") || strings.Contains(text, "whole capture") {
				t.Errorf("%s does not say that it was interrupted: %s", format, text)
			}
		}
	}
}
