package main

import (
	"bytes"
	"context"
	"crypto/rand"
	cryptorsa "crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pfsight/capture/live/livetest"
	"pfsight/cmd/pfsight/internal/testutil"
)

// asProgram is an environment variable that makes the test binary run as pfsight.
const asProgram = "PFSIGHT_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(own(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	if attempts := os.Getenv(probed); attempts != "" {
		probe(os.Args[1:], attempts)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A program is a running pfsight process.
type program struct {
	t      testing.TB
	cmd    *exec.Cmd
	stderr testutil.Buffer
	stdout testutil.Buffer
}

// start starts it and waits until it captures.
func start(t testing.TB, args ...string) *program {
	t.Helper()
	return startProgram(t, os.Args[0], args...)
}

// startProgram starts a given binary.
func startProgram(t testing.TB, file string, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(file, append([]string{"live"}, args...)...)}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	testutil.Eventually(t, "the capture", func() bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
		return err != nil || bytes.Contains(b, []byte("Seccomp:\t2")) // the last step before
	})
	time.Sleep(50 * time.Millisecond)
	return p
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end ends it and returns the exit code.
func (p *program) end() int {
	p.t.Helper()
	time.Sleep(100 * time.Millisecond)
	p.signal(syscall.SIGTERM)
	start := time.Now()
	err := p.cmd.Wait()
	if d := time.Since(start); d > 8*time.Second {
		p.t.Errorf("the end took %v", d)
	}
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// lines reads records from a file.
func lines(t *testing.T, path string) []record {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []record
	for line := range bytes.Lines(b) {
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		out = append(out, r)
	}
	return out
}

// essence returns the parts of records that must be the same live and from a file:
// all but times, sources and packet numbers.
func essence(t *testing.T, list []record) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, r := range list {
		r = maps.Clone(r)
		for _, k := range []string{"event", "connection", "time", "last_time", "source", "client_hello_packet", "server_hello_packet", "session_time", "session_packet", "session_source"} {
			delete(r, k)
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		out[string(b)]++
	}
	return out
}

func compare(t *testing.T, got, want []record) {
	t.Helper()
	a, b := essence(t, got), essence(t, want)
	shown := 0
	for k, n := range b {
		if a[k] != n && shown < 3 {
			t.Errorf("%d of %d came live: %s", a[k], n, k)
			shown++
		}
	}
	for k, n := range a {
		if b[k] != n && shown < 6 {
			t.Errorf("%d live, %d in the file: %s", n, b[k], k)
			shown++
		}
	}
}

// link creates two namespaces: this one has 10.0.0.1 on va, the other one 10.0.0.2
// on vb.
func link(t *testing.T) *livetest.Peer {
	t.Helper()
	peer := livetest.NewPeer(t)
	livetest.IP(t, "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", peer.Path)
	livetest.IP(t, "addr", "add", "10.0.0.1/24", "dev", "va")
	livetest.IP(t, "link", "set", "va", "up")
	peer.Run(func() {
		livetest.IP(t, "addr", "add", "10.0.0.2/24", "dev", "vb")
		livetest.IP(t, "link", "set", "vb", "up")
		livetest.IP(t, "link", "set", "lo", "up")
	})
	livetest.Ready(t, "va")
	return peer
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := cryptorsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"live.test"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestLiveTLS makes real connections. Their verdicts are reported while they are
// open, their byte counts when they have ended.
func TestLiveTLS(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	peer := link(t)
	var l net.Listener
	config := &tls.Config{
		Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
	}
	peer.Run(func() {
		var err error
		if l, err = tls.Listen("tcp", "10.0.0.2:443", config); err != nil {
			t.Error(err)
		}
	})
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c) }()
		}
	}()
	dir := t.TempDir()
	events := filepath.Join(dir, "events.jsonl")
	all := filepath.Join(dir, "all")
	p := start(t, "-i", "va", "-o", events, "-o", all, "-o", "-", "-f", "tcp port 443", "--where", "server_port == 443")
	const payload = 100000
	var open []*tls.Conn
	for _, c := range []*tls.Config{
		{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
		{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}},
		{MinVersion: tls.VersionTLS13},
	} {
		c.InsecureSkipVerify, c.ServerName = true, "live.test"
		conn, err := tls.Dial("tcp", "10.0.0.2:443", c)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = conn.Write(make([]byte, payload)) }()
		if _, err := io.ReadFull(conn, make([]byte, payload)); err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	began := time.Now()
	testutil.Eventually(t, "three handshakes", func() bool { b, _ := os.ReadFile(events); return bytes.Count(b, []byte("\n")) >= 3 })
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("the verdicts took %v", d)
	}
	for i, r := range lines(t, events) {
		if want := []string{"no", "yes", "yes"}[i]; r["event"] != "handshake" || r["forward_secrecy"] != want || r["server_name"] != "live.test" || r["source"] != "va" || r["bytes_to_client"] != nil {
			t.Errorf("connection %d: %v", i, r)
		}
	}
	// openssl, if it is installed.
	n := 3
	if _, err := exec.LookPath("openssl"); err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		c := exec.CommandContext(ctx, "openssl", "s_client", "-connect", "10.0.0.2:443", "-tls1_2", "-cipher", "AES128-GCM-SHA256", "-servername", "openssl.test")
		c.Stdin = strings.NewReader("Q\n")
		if out, err := c.CombinedOutput(); err != nil {
			t.Logf("openssl: %v: %s", err, out)
		} else {
			n++
		}
	}
	for _, c := range open {
		c.Close()
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
	ended := 0
	for _, r := range lines(t, events) {
		if r["event"] != "end" {
			continue
		}
		ended++
		if r["server_name"] == "openssl.test" {
			if r["forward_secrecy"] != "no" {
				t.Errorf("openssl: %v", r)
			}
			continue
		}
		for _, k := range []string{"bytes_to_client", "bytes_to_server"} {
			if b, _ := r[k].(float64); b < payload || b > payload+20000 {
				t.Errorf("%s is %v", k, r[k])
			}
		}
	}
	if ended != n {
		t.Errorf("%d of %d ends came", ended, n)
	}
	a, _ := os.ReadFile(events)
	b, _ := os.ReadFile(all)
	if len(a) == 0 || !bytes.Equal(a, b) || p.stdout.String() != string(a) {
		t.Errorf("the outputs differ: %d, %d and %d bytes", len(a), len(b), len(p.stdout.String()))
	}
	for _, want := range []string{"not forward secret", "Only packets that match tcp port 443.", "events are written only where server_port == 443."} {
		if !strings.Contains(strings.Join(strings.Fields(p.stderr.String()), " "), want) {
			t.Errorf("the summary does not say %q: %s", want, &p.stderr)
		}
	}
}

// TestLiveSignals sends each signal that live handles.
func TestLiveSignals(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	send := livetest.NewSender(t, "va")
	path := replayable(t)[0]
	want := len(records(t, path))
	events := filepath.Join(t.TempDir(), "events.jsonl")
	p := start(t, "-i", "vb", "-o", events, "--events", "handshake", "--interval", "1s")
	replay(t, send, path)
	testutil.Eventually(t, "the events", func() bool { b, _ := os.ReadFile(events); return bytes.Count(b, []byte("\n")) == want })
	if err := os.Rename(events, events+".1"); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	testutil.Eventually(t, "the new file", func() bool { _, err := os.Stat(events); return err == nil })
	p.signal(syscall.SIGUSR1)
	testutil.Eventually(t, "a summary", func() bool { return strings.Contains(p.stdout.String(), "Forward secrecy") })
	had := strings.Count(p.stdout.String(), "Forward secrecy")
	testutil.Eventually(t, "another, by --interval", func() bool { return strings.Count(p.stdout.String(), "Forward secrecy") > had })
	if code := p.end(); code != 0 {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
	if b, _ := os.ReadFile(events); len(b) > 0 {
		t.Errorf("records of no connection: %s", b)
	}
}

// TestLiveLoss uses rings that are too small and stops the program for a while.
// The losses are reported.
func TestLiveLoss(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	send := livetest.NewSender(t, "va")
	p := start(t, "-i", "vb", "--block-size", "64K", "--blocks", "4", "--rings", "1", "-o", "/dev/null")
	p.signal(syscall.SIGSTOP)
	const n = 3000
	for range n {
		send.Send(make([]byte, 1400))
	}
	p.signal(syscall.SIGCONT)
	code := p.end()
	var packets, drops int
	for line := range strings.Lines(strings.ReplaceAll(p.stderr.String(), ",", "")) {
		_, _ = fmt.Sscanf(line, "pfsight: vb: %d packets %d dropped", &packets, &drops)
	}
	if code != exitIncomplete || packets != n || drops == 0 || !strings.Contains(p.stdout.String(), "dropped before the capture") {
		t.Errorf("exit %d, %d packets, %d dropped: %s%s", code, packets, drops, &p.stdout, &p.stderr)
	}
}

// TestLiveConfined checks the rights of the process, and removes and adds its
// interface: it can still capture.
func TestLiveConfined(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	dir := t.TempDir()
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, "-i", "vb", "-o", filepath.Join(dir, "events.jsonl"), "--user", "nobody", "--rotate-every", "1h")
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	status := map[string]string{}
	for line := range strings.Lines(string(b)) {
		k, v, _ := strings.Cut(line, ":")
		status[k] = strings.TrimSpace(v)
	}
	for k, want := range map[string]string{"CapPrm": "0000000000002000", "CapEff": "0000000000002000", "CapBnd": "0000000000002000", "CapAmb": "0000000000000000", "CapInh": "0000000000000000", "NoNewPrivs": "1"} {
		if status[k] != want {
			t.Errorf("%s is %s, want %s", k, status[k], want)
		}
	}
	if strings.HasPrefix(status["Uid"], "0\t") || status["Uid"] == "" {
		t.Errorf("Uid is %s", status["Uid"])
	}
	livetest.IP(t, "link", "del", "vb")
	testutil.Eventually(t, "the loss of the interface", func() bool { return strings.Contains(p.stderr.String(), "vb: the interface is gone") })
	livetest.Veth(t, "va", "vb")
	testutil.Eventually(t, "the interface", func() bool { return strings.Contains(p.stderr.String(), "vb: the interface is back") })
	path := replayable(t)[0]
	replay(t, livetest.NewSender(t, "va"), path)
	time.Sleep(200 * time.Millisecond)
	if code := p.end(); code != 0 {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "events-*.jsonl"))
	if len(files) != 1 || len(lines(t, files[0])) != 2*len(records(t, path)) {
		t.Errorf("%q: %s", files, &p.stderr)
	}
}

func TestLiveUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "pfsight interfaces"},
		{[]string{"eth0"}, "use -i eth0"},
		{[]string{"-i", "lo", "-f", "tcp port"}, "-f:"},
		{[]string{"-i", "lo", "--where", "nonsense ="}, "--where:"},
		{[]string{"-i", "lo", "--events", "some"}, "choose handshake"},
		{[]string{"-i", "lo", "--interval", "1ms"}, "1s"},
		{[]string{"-i", "lo", "--rotate-size", "x"}, "512M"},
		{[]string{"-i", "lo", "--web-config", "x"}, "--listen"},
		{[]string{"-i", "lo", "--block-size", "100K"}, "power of two"},
		{[]string{"-i", "lo", "--memory", "16M"}, "use 32M or more"},
		{[]string{"-i", "lo", "--memory", "64M", "--rings", "8", "--blocks", "64"}, "take 256M of --memory 64M: leave 16M"},
		{[]string{"-i", "lo", "--user", "no-such-user-"}, "--user"},
		{[]string{"-i", "lo", "--plain", "-o", "-"}, "both want"},
		{[]string{"-i", "no-such-one", "-o", "-"}, "no-such-one"},
	} {
		if slices.Contains(c.args, "no-such-one") && os.Geteuid() != 0 {
			continue
		}
		code, out, stderr := pfsight(t, "", append([]string{"live"}, c.args...)...)
		if code != 2 || out != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit %d\n%s\n%s", c.args, code, out, stderr)
		}
	}
}

func TestInterfaces(t *testing.T) {
	code, out, stderr := pfsight(t, "", "interfaces")
	if code != 0 || stderr != "" || !strings.Contains(out, "any ") || !strings.Contains(out, "lo ") || !strings.Contains(out, "Ethernet") {
		t.Errorf("exit %d: %s%s", code, out, stderr)
	}
	code, out, _ = pfsight(t, "", "interfaces", "--format", "json")
	var list []record
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 || len(list) == 0 {
		t.Errorf("exit %d, %v: %s", code, err, out)
	}
}
