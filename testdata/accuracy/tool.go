package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A tool is a program that reads a capture and reports its TLS connections.
type tool struct {
	name    string
	program string   // looked up in PATH
	version []string // arguments that print its version
	reports [numFields]bool
	// reportsGroups means that the tool reports the groups of TLS 1.3.
	reportsGroups bool
	// ownVerdict means that the tool reports a verdict.
	ownVerdict bool
	note       string
	// args returns the arguments for a capture. The tool writes to standard
	// output or to dir.
	args func(capture, dir string, k *kind) []string
	// read parses the output.
	read func(stdout io.Reader, dir string) ([]entry, error)
}

// peers are the tools that pfsight is compared with.
var peers = []*tool{&tshark, &zeek, &suricata, &mercury, &ndpi, &ssldump}

// limit is the time that a tool may take for one capture.
const limit = 10 * time.Minute

// run runs the tool over a capture.
func (t *tool) run(capture string, k *kind) ([]entry, error) {
	dir, err := os.MkdirTemp("", "accuracy")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.program, t.args(capture, dir, k)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	var errs tail
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	all, readErr := t.read(out, dir)
	_, _ = io.Copy(io.Discard, out)
	waitErr := cmd.Wait()
	var code *exec.ExitError
	switch {
	case readErr != nil:
		return nil, fmt.Errorf("%s: %w", t.name, readErr)
	case errors.As(waitErr, &code) && code.ExitCode() > 0 && len(all) > 0:
		// Some tools exit so if packets are truncated or malformed.
	case waitErr != nil && len(all) == 0:
		return nil, fmt.Errorf("%s: %w: %s", t.name, waitErr, errs.text())
	}
	for i := range all {
		a := &all[i].answer
		if !t.ownVerdict {
			a[verdict] = a.judge(t.reportsGroups)
		}
	}
	return all, nil
}

// A tail keeps the last 500 bytes written to it.
type tail struct{ b []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.b = append(t.b, b...)
	t.b = t.b[max(0, len(t.b)-500):]
	return len(b), nil
}

func (t *tail) text() string { return strings.TrimSpace(string(t.b)) }

// versionLine returns the line of the tool's output with its version.
func (t *tool) versionLine() string {
	out, _ := exec.Command(t.program, t.version...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); strings.ContainsAny(line, "0123456789") && !strings.HasPrefix(line, "Running as") {
			return strings.TrimSuffix(line, ".")
		}
	}
	return t.name
}

// after returns a read function for a file that the tool wrote to its directory.
// It waits until the tool exits. A missing file counts as empty.
func after(name string, read func(io.Reader) ([]entry, error)) func(io.Reader, string) ([]entry, error) {
	return func(stdout io.Reader, dir string) ([]entry, error) {
		if _, err := io.Copy(io.Discard, stdout); err != nil {
			return nil, err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		return read(bytes.NewReader(b))
	}
}

// eachJSON calls f for each line, parsed as JSON.
func eachJSON[T any](r io.Reader, f func(*T) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	for n := 1; s.Scan(); n++ {
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		var v T
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if err := f(&v); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return s.Err()
}

// endpoints returns the key of two addresses and ports, or nil if an address is
// invalid.
func endpoints(ip1 string, port1 uint16, ip2 string, port2 uint16) []string {
	a, err1 := netip.ParseAddr(ip1)
	b, err2 := netip.ParseAddr(ip2)
	if err1 != nil || err2 != nil {
		return nil
	}
	return []string{tupleKey(netip.AddrPortFrom(a, port1), netip.AddrPortFrom(b, port2))}
}

// seconds parses a decimal number of seconds since 1970 and returns nanoseconds,
// without the rounding of a float.
func seconds(s string) int64 {
	whole, part, _ := strings.Cut(s, ".")
	var w, p int64
	if _, err := fmt.Sscan(whole, &w); err != nil {
		return 0
	}
	part = (part + "000000000")[:9]
	_, _ = fmt.Sscanf(part, "%d", &p)
	return w*1e9 + p
}

// A pfsightRecord holds the compared fields of pfsight's record.
type pfsightRecord struct {
	Time           time.Time `json:"time"`
	ClientIP       string    `json:"client_ip"`
	ClientPort     uint16    `json:"client_port"`
	ServerIP       string    `json:"server_ip"`
	ServerPort     uint16    `json:"server_port"`
	ClientMAC      string    `json:"client_mac"`
	ServerMAC      string    `json:"server_mac"`
	Version        string    `json:"version"`
	Suite          string    `json:"cipher_suite"`
	Group          string    `json:"group"`
	ServerName     string    `json:"server_name"`
	Resumed        *bool     `json:"resumed"`
	ForwardSecrecy string    `json:"forward_secrecy"`
}

var pfsight = tool{
	name: "pfsight", version: []string{"--version"}, ownVerdict: true,
	reports: [numFields]bool{true, true, true, true, true, true},
	args: func(capture, _ string, _ *kind) []string {
		return []string{"--format", "jsonl", capture}
	},
	read: func(r io.Reader, _ string) (all []entry, err error) {
		err = eachJSON(r, func(x *pfsightRecord) error {
			f := entry{keys: endpoints(x.ClientIP, x.ClientPort, x.ServerIP, x.ServerPort), at: x.Time.UnixNano()}
			if x.ClientMAC != "" && f.keys == nil {
				f.keys = []string{x.ClientMAC, x.ServerMAC}
			}
			f.answer = answer{version: x.Version, suite: x.Suite, group: x.Group, sni: x.ServerName, verdict: x.ForwardSecrecy}
			if x.ForwardSecrecy == "unknown" {
				f.answer[verdict] = ""
			}
			if x.Resumed != nil {
				f.answer[resumption] = fmt.Sprint(*x.Resumed)
			}
			all = append(all, f)
			return nil
		})
		return all, err
	},
}
