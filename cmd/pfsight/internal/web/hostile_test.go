package web

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"pfsight/cmd/pfsight/internal/testutil"
)

// scrape asks for the metrics on a connection of its own, and reports how long
// that took.
func scrape(base string) (time.Duration, error) {
	start := time.Now()
	c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := c.Get(base + "/metrics")
	if err != nil {
		return 0, err
	}
	defer a.Body.Close()
	if _, err := io.Copy(io.Discard, a.Body); err != nil {
		return 0, err
	}
	if a.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d", a.StatusCode)
	}
	return time.Since(start), nil
}

// TestWebPlaces holds all connections in each way there is: a scrape is
// answered all the same.
func TestWebPlaces(t *testing.T) {
	st := fed(t)
	for name, c := range map[string]struct {
		send    string
		answers bool
		wait    time.Duration // before the scrape
	}{
		"idle after a request": {"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", true, 0},
		"without a request":    {"", false, patience + 100*time.Millisecond},
		"a begun request":      {"GET /healthz HT", false, patience + 100*time.Millisecond},
		"a begun header":       {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ", false, patience + 100*time.Millisecond},
	} {
		base := serve(t, st)
		for range 2 * maxConnections {
			conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, c.send); err != nil && c.answers {
				t.Fatal(err)
			}
			if c.answers {
				_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
				a, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil || a.StatusCode != 200 {
					t.Fatalf("%s: %v, %v", name, a, err)
				}
			}
		}
		time.Sleep(c.wait)
		for range 3 {
			if d, err := scrape(base); err != nil || d > 2*time.Second {
				t.Errorf("%s: a scrape took %v: %v", name, d, err)
			}
		}
	}
}

// TestGateShares fills a gate from one address: another address gets in at
// once, and the one that waits longest goes.
func TestGateShares(t *testing.T) {
	g := newGate(nil, 4)
	now := time.Now()
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	add := func(name string, n *guest) *guest {
		n.gate = g
		g.guests[n] = true
		return n
	}
	old := add("old", &guest{from: a, phase: phaseRequest, since: now.Add(-300 * time.Millisecond)})
	add("new", &guest{from: a, phase: phaseRequest, since: now})
	answering := add("answering", &guest{from: a, phase: phaseAnswer, since: now.Add(-time.Hour)})
	taking := add("taking", &guest{from: a, phase: phaseTaking, since: now.Add(-time.Hour)})
	if got := g.weakest(&guest{from: b, since: now}); got != old {
		t.Errorf("another address takes the place of %+v", got)
	}
	delete(g.guests, old)
	add("b", &guest{from: b, phase: phaseRequest, since: now})
	for n := range g.guests { // nothing of the same address is old enough but that which does not read
		if n.from == a && n.phase == phaseRequest {
			delete(g.guests, n)
		}
	}
	if got := g.weakest(&guest{from: b, since: now}); got != taking {
		t.Errorf("who does not read keeps its place, and this goes: %+v", got)
	}
	idle := add("idle", &guest{from: b, phase: phaseIdle, since: now})
	if got := g.weakest(&guest{from: b, since: now}); got != idle {
		t.Errorf("not the idle one: %+v", got)
	}
	g.guests = map[*guest]bool{answering: true}
	if got := g.weakest(&guest{from: b, since: now}); got != nil {
		t.Errorf("an answer that is being made is cut: %+v", got)
	}
}

// An intruder is a login with a clock and a costly check that the test looks at.
type intruder struct {
	*login
	checks atomic.Int64
	clock  atomic.Int64
	said   testutil.Buffer
}

func newIntruder(t *testing.T) *intruder {
	t.Helper()
	x := &intruder{}
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	s := &settings{users: map[string]string{"ops": string(hash)}, decoy: string(hash)}
	x.login = newLogin(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }),
		func() *settings { return s }, slog.New(slog.NewTextHandler(&x.said, nil)))
	x.clock.Store(time.Now().UnixNano())
	x.now = func() time.Time { return time.Unix(0, x.clock.Load()) }
	x.check = func(hash, password []byte) error {
		x.checks.Add(1)
		return bcrypt.CompareHashAndPassword(hash, password)
	}
	return x
}

// as tries to log in from an address and returns the status.
func (x *intruder) as(from, user, password string) int {
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.RemoteAddr = from
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	w := httptest.NewRecorder()
	x.ServeHTTP(w, r)
	return w.Code
}

// TestLoginFlood tries passwords from many addresses for ten minutes: checks and
// messages are few, whoever was let in before stays in, and another address
// gets in.
func TestLoginFlood(t *testing.T) {
	x := newIntruder(t)
	if got := x.as("192.0.2.1:1", "ops", "secret"); got != 200 {
		t.Fatal(got)
	}
	x.checks.Store(0)
	later, wrong := 0, 0
	const span = 600 // seconds that pass
	for second := range span {
		for i := range 20 {
			user := "ops"
			if i%2 == 0 {
				user = fmt.Sprintf("user%d\x1b[2J", second)
			}
			switch got := x.as(fmt.Sprintf("198.51.100.%d:%d", i%4, second+1), user, fmt.Sprintf("guess %d of %d", i, second)); got {
			case 401:
				wrong++
			case 429:
				later++
			default:
				t.Fatalf("a guess is answered with %d", got)
			}
		}
		if got := x.as("192.0.2.1:2", "ops", "secret"); got != 200 {
			t.Fatalf("who was let in is answered with %d", got)
		}
		x.clock.Add(int64(time.Second))
	}
	most := int64(4*(sourceBurst+span/int(sourceEvery/time.Second)) + 4)
	if n := x.checks.Load(); n > most || n < most/2 || later < 20*span*9/10 || wrong == 0 {
		t.Errorf("%d checks (at most %d), %d wrong, %d put off", n, most, wrong, later)
	}
	if got := x.as("203.0.113.9:1", "ops", "secret"); got != 200 {
		t.Errorf("another address is answered with %d", got)
	}
	lines := strings.Count(x.said.String(), "\n")
	if lines > failureBurst+span/int(failureEvery/time.Second)+1 || lines < 30 || strings.Contains(x.said.String(), "\x1b") {
		t.Errorf("%d messages", lines)
	}
	if s := x.said.String(); !strings.Contains(s, "failed login") || !strings.Contains(s, "198.51.100.") || !strings.Contains(s, "others_since_the_last_message=") {
		t.Errorf("%.500s", s)
	}
	// From more addresses than are told apart, all together are bounded.
	x.checks.Store(0)
	for i := range 3 * maxSources {
		x.as(fmt.Sprintf("10.%d.%d.1:1", i/250, i%250), "ops", fmt.Sprintf("guess %d", i))
	}
	if n := x.checks.Load(); n > loginBurst || len(x.sources) > maxSources || len(x.known) > maxLogins {
		t.Errorf("%d checks, %d addresses, %d logins", n, len(x.sources), len(x.known))
	}
	if got := x.as("192.0.2.1:3", "ops", "secret"); got != 200 { // still known among wrong ones
		t.Errorf("who was let in is answered with %d", got)
	}
}

// TestLoginCost has checks that take long: they come less often.
func TestLoginCost(t *testing.T) {
	x := newIntruder(t)
	x.check = func(_, _ []byte) error {
		x.checks.Add(1)
		time.Sleep(120 * time.Millisecond)
		return bcrypt.ErrMismatchedHashAndPassword
	}
	x.as("192.0.2.1:1", "ops", "x")
	if x.every < loginShare*120*time.Millisecond || x.every > loginShare*time.Second {
		t.Errorf("one check each %v", x.every)
	}
	// The same wrong password costs one check, at once too.
	x.checks.Store(0)
	var g sync.WaitGroup
	for range 4 {
		g.Go(func() { x.as("192.0.2.2:1", "ops", "y") })
	}
	g.Wait()
	for range 20 {
		x.as("192.0.2.2:1", "ops", "y")
	}
	if n := x.checks.Load(); n != 1 {
		t.Errorf("%d checks of one password", n)
	}
}

// TestWebReload changes the configuration and the keys of a server under way.
func TestWebReload(t *testing.T) {
	dir := t.TempDir()
	file, roots := testutil.WriteWebConfig(t, dir, true, "first")
	var said testutil.Buffer
	s, err := Start(context.Background(), fed(t), "127.0.0.1:0", file, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	ask := func(roots *x509.CertPool, password string) (int, string, error) {
		c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
		r, err := http.NewRequest("GET", "https://"+s.addr.String()+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("ops", password)
		a, err := c.Do(r)
		if err != nil {
			return 0, "", err
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		if err == nil && a.StatusCode == 200 && !bytes.Contains(b, []byte("pfsight_build_info")) {
			t.Errorf("%d bytes", len(b))
		}
		return a.StatusCode, a.Proto, err
	}
	if code, proto, err := ask(roots, "first"); code != 200 || proto != "HTTP/2.0" || err != nil {
		t.Fatalf("%d %s, %v", code, proto, err)
	}
	// New keys take the place of the old.
	other := testutil.WriteWebKeys(t, dir)
	testutil.Eventually(t, "the new key", func() bool { code, _, _ := ask(other, "first"); return code == 200 })
	if _, _, err := ask(roots, "first"); err == nil {
		t.Error("the old key is still there")
	}
	// Another password, and a header.
	file2, other := testutil.WriteWebConfig(t, dir, true, "second")
	if file2 != file {
		t.Fatal(file2)
	}
	testutil.Eventually(t, "the new password", func() bool { code, _, _ := ask(other, "second"); return code == 200 })
	if code, _, _ := ask(other, "first"); code != 401 {
		t.Errorf("the old password is answered with %d", code)
	}
	// What is wrong is told, and nothing changes.
	if err := os.WriteFile(file, []byte("nonsense: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(reloadEvery)
	testutil.Eventually(t, "a complaint", func() bool { _, _, _ = ask(other, "second"); return strings.Contains(said.String(), "stays as it was") })
	if code, _, err := ask(other, "second"); code != 200 || err != nil {
		t.Errorf("after a wrong configuration: %d, %v", code, err)
	}
	if err := os.Remove(filepath.Join(dir, "key.pem")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(reloadEvery)
	if code, _, err := ask(other, "second"); code != 200 || err != nil {
		t.Errorf("without a key: %d, %v", code, err)
	}
}

// TestWebConfigForms reads settings in the forms that the toolkit documents.
func TestWebConfigForms(t *testing.T) {
	dir := t.TempDir()
	file, _ := testutil.WriteWebConfig(t, dir, true, "secret")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), "tls_server_config:\n", `rate_limit:
  interval: 1s
  burst: 3
http_server_config:
  http2: no
  headers:
    X-XSS-Protection: "0"
tls_server_config:
  client_auth_type: RequireAnyClientCert
  min_version: TLS13
  curve_preferences: [X25519, CurveP256]
  cipher_suites: [TLS_AES_128_GCM_SHA256]
`, 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := readSettings(file)
	if err != nil {
		t.Fatal(err)
	}
	if s.http2 || !s.clients || s.limitEvery != time.Second || s.limitBurst != 3 || s.headers["X-XSS-Protection"] != "0" || len(s.users) != 1 ||
		s.tls.MinVersion != tls.VersionTLS13 || s.tls.MaxVersion != tls.VersionTLS13 || len(s.tls.CurvePreferences) != 2 || len(s.tls.CipherSuites) != 1 ||
		len(s.tls.Certificates) != 1 || fmt.Sprint(s.tls.NextProtos) != "[http/1.1]" {
		t.Errorf("%+v, %+v", s, s.tls)
	}
	if cost, err := bcrypt.Cost([]byte(s.decoy)); err != nil || cost != bcrypt.MinCost {
		t.Errorf("the decoy costs %d, %v", cost, err)
	}
	files, err := ConfigFiles(file)
	if err != nil || len(files) != 3 || files[2] != filepath.Join(dir, "key.pem") {
		t.Errorf("%q, %v", files, err)
	}
}
