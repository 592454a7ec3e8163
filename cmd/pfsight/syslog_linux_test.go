package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pfsight/capture/live/livetest"
	"pfsight/cmd/pfsight/internal/testutil"
)

// privateLog gives this thread, and its children, a private place for the socket of
// the system's log, and returns its path.
func privateLog(t *testing.T) string {
	t.Helper()
	runtime.LockOSThread() // never undone
	err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err != nil {
		t.Skipf("no mount namespace: %v", err)
	}
	if path, err := os.Readlink("/dev/log"); err == nil {
		// With systemd, /dev/log is a symbolic link.
		if err := unix.Mount("tmpfs", filepath.Dir(path), "tmpfs", 0, ""); err != nil {
			t.Skipf("no %s of its own: %v", path, err)
		}
		return path
	}
	if _, err := os.Stat("/dev/log"); err == nil {
		// Otherwise a file is mounted over the path.
		t.Skip("/dev/log is no link")
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		t.Skipf("no /run of its own: %v", err)
	}
	return "/run/log" // the same as /var/run/log, the last path tried
}

// A logger listens instead of the system's log.
type logger struct {
	conn *net.UnixConn
	done chan struct{}
	mu   sync.Mutex
	got  []string
}

func newLogger(t *testing.T, path string) *logger {
	t.Helper()
	c := newSilent(t, path)
	l := &logger{conn: c, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for b := make([]byte, 1<<16); ; {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			l.mu.Lock()
			l.got = append(l.got, string(b[:n]))
			l.mu.Unlock()
		}
	}()
	return l
}

// newSilent listens and reads nothing.
func newSilent(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	_ = os.Remove(path)
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (l *logger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.got)
}

// end closes the logger and returns the records that it received.
func (l *logger) end(t *testing.T) (out []record) {
	t.Helper()
	l.conn.Close()
	<-l.done
	form := regexp.MustCompile(`^<30>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d pfsight\[\d+\]: (\{.*\})\n$`) // daemon.info, RFC 3164
	for _, s := range l.got {
		m := form.FindStringSubmatch(s)
		if m == nil {
			t.Fatalf("not a message: %q", s)
		}
		var r record
		if err := json.Unmarshal([]byte(m[1]), &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// TestLiveSyslog sends events to the system's log, which stops and starts again.
func TestLiveSyslog(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	path := privateLog(t)
	livetest.Veth(t, "va", "vb")
	send := livetest.NewSender(t, "va")
	list := replayable(t)
	l := newLogger(t, path)
	p := start(t, "-i", "vb", "-o", "syslog", "--events", "handshake")
	want := records(t, list[0])
	replay(t, send, list[0])
	testutil.Eventually(t, "the messages", func() bool { return l.count() >= len(want) })
	// Ends are not sent: without them a record has no counts.
	if got := l.end(t); len(got) != len(want) || got[0]["forward_secrecy"] != want[0]["forward_secrecy"] || got[0]["source"] != "vb" {
		t.Errorf("%d of %d came: %v", len(got), len(want), got)
	}
	time.Sleep(100 * time.Millisecond)
	want = records(t, list[1])
	replay(t, send, list[1])
	time.Sleep(300 * time.Millisecond) // a send is tried and fails
	l = newLogger(t, path)
	testutil.Eventually(t, "the messages, later", func() bool { return l.count() >= len(want) })
	if got := l.end(t); len(got) != len(want) {
		t.Errorf("%d of %d came after the log was back", len(got), len(want))
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
}
