package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pfsight/capture/live/livetest"
	"pfsight/cmd/pfsight/internal/sink"
	"pfsight/cmd/pfsight/internal/testutil"
)

// TestLiveAllConfined runs live as root, confined, with all its features: rotation
// with a limit, signals, a TLS collector that restarts, syslog, the page with keys
// that are replaced, and an interface that is removed and added.
func TestLiveAllConfined(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	log := privateLog(t)
	livetest.Veth(t, "va", "vb")
	send := livetest.NewSender(t, "va")
	list := replayable(t) // one each time: a repeated capture would be retransmissions
	of := func(i int) int { return len(records(t, list[i])) }
	sum := of(0)
	l := newLogger(t, log)
	dir, keys := t.TempDir(), t.TempDir()
	config, roots := testutil.WriteWebConfig(t, keys, true, "secret")
	_, cert, ca := testutil.Authority(t, "127.0.0.1")
	caFile := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	const addr = "127.0.0.1:6514"
	var collected testutil.Buffer
	collector := func() io.Closer {
		l, err := tls.Listen("tcp", addr, &tls.Config{Certificates: []tls.Certificate{cert}})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					_, _ = io.Copy(&collected, c)
					c.Close()
				}()
			}
		}()
		return l
	}
	p := start(t, "-i", "vb", "-o", filepath.Join(dir, "events.jsonl"), "--events", "handshake", "--rotate-every", "1h", "--rotate-keep", "2",
		"-o", "tls:"+addr, "--sink-ca", caFile, "-o", "syslog", "--listen", "127.0.0.1:9477", "--web-config", config)
	for _, task := range tasks(t, p.cmd.Process.Pid) {
		if task["Seccomp"] != "2" || task["NoNewPrivs"] != "1" || task["CapEff"] != "0000000000002000" && task["CapEff"] != "0000000000000000" {
			t.Errorf("a thread has Seccomp %s, NoNewPrivs %s, CapEff %s", task["Seccomp"], task["NoNewPrivs"], task["CapEff"])
		}
	}
	for _, said := range []string{"gave up ", "(Landlock ", "system calls that it does not need (seccomp)"} {
		testutil.Eventually(t, said, func() bool { return strings.Contains(p.stderr.String(), said) })
	}
	scrape := func(roots *x509.CertPool) error {
		c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
		r, err := http.NewRequest("GET", "https://127.0.0.1:9477/metrics", nil)
		if err != nil {
			return err
		}
		r.SetBasicAuth("ops", "secret")
		a, err := c.Do(r)
		if err != nil {
			return err
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		if err == nil && (a.StatusCode != 200 || !bytes.Contains(b, []byte("process_start_time_seconds")) || !bytes.Contains(b, []byte("process_open_fds"))) {
			err = fmt.Errorf("status %d, %d bytes", a.StatusCode, len(b))
		}
		return err
	}
	if err := scrape(roots); err != nil {
		t.Error(err)
	}
	replay(t, send, list[0])
	testutil.Eventually(t, "the log", func() bool { return l.count() >= sum })
	c := collector()
	defer c.Close()
	testutil.Eventually(t, "the collector, that came late", func() bool { return strings.Count(collected.String(), "\n") == sum })
	for i := 1; i < 5; i++ { // five files, of which two complete ones are kept
		p.signal(syscall.SIGHUP)
		testutil.Eventually(t, "the reopened outputs", func() bool { return strings.Count(p.stderr.String(), "the outputs are reopened") == i })
		replay(t, send, list[i])
		sum += of(i)
		testutil.Eventually(t, "the part", func() bool {
			b, _ := os.ReadFile(filepath.Join(dir, "events.jsonl.part"))
			return bytes.Count(b, []byte("\n")) == of(i) && l.count() == sum
		})
	}
	if got := names(t, dir); len(got) != 4 || !slices.Contains(got, "events.jsonl.part") { // and the authority
		t.Errorf("%q", got)
	}
	roots = testutil.WriteWebKeys(t, keys)
	testutil.Eventually(t, "the new keys", func() bool { return scrape(roots) == nil })
	livetest.IP(t, "link", "del", "vb")
	testutil.Eventually(t, "the loss of the interface", func() bool { return strings.Contains(p.stderr.String(), "vb: the interface is gone") })
	livetest.Veth(t, "va", "vb")
	testutil.Eventually(t, "the interface", func() bool { return strings.Contains(p.stderr.String(), "vb: the interface is back") })
	replay(t, livetest.NewSender(t, "va"), list[5])
	sum += of(5)
	testutil.Eventually(t, "events of the interface that came back", func() bool { return l.count() == sum })
	p.signal(syscall.SIGUSR1)
	testutil.Eventually(t, "a summary", func() bool { return strings.Contains(p.stdout.String(), "Forward secrecy") })
	if code := p.end(); code != 0 {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
	if n := strings.Count(collected.String(), "\n"); n != sum {
		t.Errorf("the collector has %d of %d", n, sum)
	}
	_ = l.end(t)
}

// TestLiveHang lets syslog, a FIFO and standard output hang. The capture continues,
// and ends in time.
func TestLiveHang(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	log := privateLog(t)
	livetest.Veth(t, "va", "vb")
	send := livetest.NewSender(t, "va")
	defer newSilent(t, log).Close()
	dir := t.TempDir()
	fifo, events := filepath.Join(dir, "fifo"), filepath.Join(dir, "events.jsonl")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	hold, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	p := start(t, "-i", "vb", "-o", fifo, "-o", "syslog", "-o", events)
	want := 0
	for _, path := range replayable(t) {
		replay(t, send, path)
		want += len(records(t, path))
	}
	testutil.Eventually(t, "what is written to the file", func() bool {
		b, _ := os.ReadFile(events)
		return bytes.Count(b, []byte(`"event":"handshake"`)) >= want/2
	})
	start := time.Now()
	p.signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
	if d, code := time.Since(start), p.cmd.ProcessState.ExitCode(); d > sink.CloseTimeout+3*time.Second || code != exitIncomplete {
		t.Errorf("exit %d after %v: %s", code, d, &p.stderr)
	}
	if !strings.Contains(p.stderr.String(), "syslog: does not take what is left") {
		t.Errorf("it says: %s", &p.stderr)
	}
}

// TestLiveScreen runs the terminal view, confined, with keys and a change of size.
func TestLiveScreen(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not here")
	}
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	socket := filepath.Join(t.TempDir(), "tmux")
	tmux := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("tmux", append([]string{"-f", "/dev/null", "-S", socket}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	tmux("new-session", "-d", "-s", "t", "-x", "80", "-y", "24", "env", asProgram+"=1", "sh", "-c", os.Args[0]+" live -i vb; echo it ended with $?; sleep 60")
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", socket, "kill-server").Run() })
	shows := func(want string) {
		t.Helper()
		testutil.Eventually(t, want, func() bool { return strings.Contains(tmux("capture-pane", "-p", "-t", "t"), want) })
	}
	shows("pfsight live  vb")
	replay(t, livetest.NewSender(t, "va"), rsa)
	shows("rsa_key_transport")
	tmux("resize-window", "-t", "t", "-x", "100", "-y", "30")
	tmux("send-keys", "-t", "t", "?")
	shows("any key goes back")
	tmux("send-keys", "-t", "t", "x")
	tmux("send-keys", "-t", "t", "q")
	shows("it ended with 0")
	shows("(seccomp)") // a message from while the screen was shown
}
