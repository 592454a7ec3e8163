package sink

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pfsight/cmd/pfsight/internal/confine"
)

// datagrams listens at a Unix socket as the system's log does.
func datagrams(t *testing.T) (string, *net.UnixConn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return path, c
}

// TestSyslogTooLarge sends a message that is too large for the socket between
// others: they come.
func TestSyslogTooLarge(t *testing.T) {
	path, c := datagrams(t)
	k := newTested(&syslogOutlet{paths: []string{path}, pid: 1})
	large := `{"server_name":"` + strings.Repeat(`\u0001`, 60000) + "\"}\n"
	k.Put(numbered(0, 1), 1)
	k.Put([]byte(large), 1)
	k.Put(numbered(1, 3), 2)
	b := make([]byte, 1<<20)
	for i := range 3 {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if _, text, _ := strings.Cut(string(b[:n]), "]: "); text != string(numbered(i, i+1)) {
			t.Errorf("message %d: %.100q", i, text)
		}
	}
	k.end()
	if k.gaveUp.Load() != 1 || len(k.said) != 1 || !strings.Contains(k.said[0], "360,019 bytes is dropped") {
		t.Errorf("%d lost, said %q", k.gaveUp.Load(), k.said)
	}
}

// TestSinksHang gives events to destinations of every kind that take a
// connection, or are there, and then hang. Neither does put wait nor the end
// of them all together for longer than CloseTimeout.
func TestSinksHang(t *testing.T) {
	dir := t.TempDir()
	log, _ := datagrams(t) // nobody reads
	stream := filepath.Join(dir, "stream")
	unix, err := net.Listen("unix", stream)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	file := &fileOutlet{path: fifo, now: time.Now}
	if err := file.open(); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	hold := make(chan struct{})
	defer close(hold)
	var sinks []*Sink
	all := map[string]*tested{}
	for name, out := range map[string]outlet{
		"syslog":              &syslogOutlet{paths: []string{log}, pid: 1},
		"syslog, as a stream": &syslogOutlet{paths: []string{stream}, pid: 1},
		"TCP":                 &socketOutlet{network: "tcp", address: tcp.Addr().String()},
		"TLS":                 &socketOutlet{network: "tcp", address: tcp.Addr().String(), tls: clientTLS("127.0.0.1", nil)},
		"Unix socket":         &socketOutlet{network: "unix", address: stream},
		"FIFO":                file,
		"standard output":     streamOutlet{w},
		"a file on a server":  &hanging{write_: hold},
		"a file that closes":  &hanging{close_: hold},
	} {
		k := newTestedIn(out, 1<<20)
		all[name], sinks = k, append(sinks, k.Sink)
	}
	// More than the queue and the largest socket buffers hold together.
	const blocks = 1000
	block := numbered(0, 1000)
	start := time.Now()
	for _, k := range all {
		for range blocks {
			k.Put(block, 1000)
		}
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("the capture waited %v", d)
	}
	time.Sleep(300 * time.Millisecond)
	start = time.Now()
	Close(sinks)
	if d := time.Since(start); d > CloseTimeout+time.Second {
		t.Errorf("the end took %v", d)
	}
	for name, k := range all {
		if n := k.gaveUp.Load(); n == 0 && name != "a file that closes" {
			t.Errorf("%s: nothing is said to be lost: %q", name, k.said)
		}
	}
}

// hanging is an outlet that never comes back.
type hanging struct{ write_, close_ chan struct{} }

func (h *hanging) write(lines []byte) (int, bool, error) {
	if h.write_ != nil {
		<-h.write_
	}
	return len(lines), true, nil
}
func (h *hanging) reopen() error        { return nil }
func (h *hanging) needs(*confine.Needs) {}
func (h *hanging) close() error {
	if h.close_ != nil {
		<-h.close_
	}
	return nil
}

// TestSyslogStuckComesBack has a log that stops reading for a while: what it
// did not take comes later, once.
func TestSyslogStuckComesBack(t *testing.T) {
	path, c := datagrams(t)
	k := newTested(&syslogOutlet{paths: []string{path}, pid: 1})
	const n = 2000 // more than the socket's queue takes
	k.Put(numbered(0, n), n)
	time.Sleep(300 * time.Millisecond)
	b := make([]byte, 1<<16)
	for i := range n {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		m, err := c.Read(b)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		_, text, _ := strings.Cut(string(b[:m]), "]: ")
		var r struct{ N int }
		if err := json.Unmarshal([]byte(text), &r); err != nil || r.N != i {
			t.Fatalf("message %d: %q", i, text)
		}
	}
	k.end()
	if k.gaveUp.Load() != 0 {
		t.Errorf("%d lost, said %q", k.gaveUp.Load(), k.said)
	}
}
