package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"pfsight/cmd/pfsight/internal/process"
	"pfsight/report/render"
	"pfsight/report/where"
)

// TestMessageLines passes file names and arguments that would forge a message line
// to every command.
func TestMessageLines(t *testing.T) {
	const forged = "pfsight: all is well"
	dir := t.TempDir()
	evil := filepath.Join(dir, "a\n"+forged+"\u202e\u3164\x1b[2J\xff.pcap")
	for _, file := range []string{evil, evil + ".gone"} {
		if file == evil {
			if err := os.WriteFile(file, []byte("no capture"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{
			{file}, {"read", file, file}, {file, rsa}, {"diff", file, file}, {"impact", "--policy", "tls13-only", file}, {"impact", "--policy", file, rsa}, {"policies", "show", file},
			{"policies", file}, {"read", "--format", file, rsa}, {"--where", file, rsa}, {"-f", file, rsa}, {"explain", file}, {"read", "-o", file + "/x", rsa}, {"--" + file, rsa},
			{"help", file}, {"completion", file}, {"live", file}, {"live", "-i", file}, {"live", "-i", "lo", "-o", file + "/x"}, {"live", "-i", "lo", "--listen", file}, {"live", "-i", "lo", "--listen", "127.0.0.1:0", "--web-config", file},
			{"impact", "--policy", "tls13-only", "--certificate", file, rsa}, {"impact", "--policy", "tls13-only", "--fail-on", file, rsa},
		} {
			_, _, stderr := pfsight(t, "", args...)
			if !utf8.ValidString(stderr) || strings.ContainsAny(stderr, "\u202e\u3164\x1b") {
				t.Errorf("%q: %q", args, stderr)
			}
			for line := range strings.SplitSeq(stderr, "\n") {
				if strings.HasPrefix(line, forged) {
					t.Errorf("%q: a forged line: %q", args, stderr)
				}
			}
		}
	}
}

// TestMessages checks the message lines of errors.
func TestMessages(t *testing.T) {
	a, b := errors.New("a"), errors.New("b\nforged")
	_, place := where.Compile("nonsense")
	for _, c := range []struct {
		err  error
		want int
	}{
		{a, 1}, {b, 1}, {errors.Join(a, b), 2}, {process.Usage(errors.Join(a, b)), 2}, {errors.Join(errors.Join(a, a), errors.Join(b)), 3},
		{fmt.Errorf("%w and %w", a, b), 1}, {fmt.Errorf("x: %w", errors.Join(a, b)), 1}, {usagef("--where: %w", place), 3},
	} {
		if got := messages(c.err); len(got) != c.want {
			t.Errorf("%v: %q, want %d lines", c.err, got, c.want)
		}
	}
}

// failing is a standard output that cannot be written to.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestOutputFails runs every command with a standard output that is full, and with
// one whose reader has closed it.
func TestOutputFails(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(policy, []byte("name: x\nversions: [TLS 1.2]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var commands [][]string
	for _, f := range formats {
		commands = append(commands, []string{"read", "--format", f, "-o", "-", rsa})
	}
	for _, f := range render.DiffFormats {
		commands = append(commands, []string{"diff", "--format", f, rsa, rsa})
	}
	for _, f := range render.ImpactFormats {
		commands = append(commands, []string{"impact", "--policy", "tls13-only", "--format", f, rsa})
	}
	commands = append(commands, [][]string{
		{"--connections", rsa}, {"--help"}, {"read", "--help"}, {"help", "read"}, {"--version"}, {"completion", "bash"}, {"policies"}, {"policies", "--markdown"}, {"policies", "format"},
		{"policies", "show", "tls13-only"}, {"policies", "show", "tls13-only", "tls13-only"}, {"policies", "show", "--yaml", policy}, {"policies", "show", "--config", "nginx", "mozilla-intermediate-6-0"},
		{"explain", "reasons"}, {"explain", "filter"}, {"explain", "where"}, {"explain", "fields"}, {"explain", "weak_dh"}, {"explain", "x25519"}, {"explain", "0xfffe"}, {"explain", "handshake_failure"},
		{"interfaces"}, {"interfaces", "--format", "json"}, {"__complete", "explain", ""},
	}...)
	for _, args := range commands {
		var stderr strings.Builder
		if code := run(args, strings.NewReader(""), failing{syscall.ENOSPC}, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("%v: a full output: exit %d: %s", args, code, stderr.String())
		}
		stderr.Reset()
		if code := run(args, strings.NewReader(""), failing{syscall.EPIPE}, &stderr); code != exitDone || strings.Contains(stderr.String(), "broken") {
			t.Errorf("%v: a closed output: exit %d: %s", args, code, stderr.String())
		}
		if code := run(args, strings.NewReader(""), io.Discard, io.Discard); code != exitDone {
			t.Errorf("%v: exit %d", args, code)
		}
	}
}
