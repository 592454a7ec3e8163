package web

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pfsight/cmd/pfsight/internal/demo"
	"pfsight/report/render"
	"pfsight/report/secrecy"
)

// browse lets Chromium load a URL and returns the document as its scripts
// left it, and what the browser had to say.
func browse(t *testing.T, url string) (dom, console string) {
	t.Helper()
	bin, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not here")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(), "--enable-logging=stderr", "--v=0", "--window-size=1280,900",
		"--virtual-time-budget=12000", "--dump-dom", url)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, stderr.String())
	}
	var lines []string
	for line := range strings.Lines(stderr.String()) {
		if strings.Contains(line, "CONSOLE") {
			lines = append(lines, line)
		}
	}
	return out.String(), strings.Join(lines, "")
}

// TestBrowser looks at the page with a browser: nothing breaks its own
// policy, and it comes again by itself.
func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	st := fed(t)
	evil := demo.Row(1<<40, secrecy.No)
	evil.ServerName = "<img src=x onerror=alert(1)><script>alert(2)</script>"
	st.Add(evil)
	var asked atomic.Int64
	web := newHandler(st, true, func(h http.Handler) http.Handler { return h })
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			asked.Add(1)
		}
		web.ServeHTTP(w, r)
	}))
	defer s.Close()
	dom, console := browse(t, s.URL+"/?verdict=no")
	if console != "" {
		t.Errorf("the browser complains:\n%s", console)
	}
	if n := asked.Load(); n < 2 {
		t.Errorf("the page was asked for %d times", n)
	}
	for _, want := range []string{`aria-pressed="false"`, "Pause</button>", "&lt;img src=x onerror=alert", "rsa_<wbr>key_<wbr>transport", `id="newest"`} {
		if !strings.Contains(dom, want) {
			t.Errorf("the document does not hold %q", want)
		}
	}
	if n := strings.Count(dom, `id="servers"`); n != 1 {
		t.Errorf("the servers are there %d times", n)
	}
}

// TestBrowserFile opens a saved report, which runs no script.
func TestBrowserFile(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	file := filepath.Join(t.TempDir(), "report.html")
	st := fed(t)
	summary, _ := st.Look()
	var page bytes.Buffer
	if err := render.SummaryHTML(&page, summary, render.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, page.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	dom, console := browse(t, "file://"+file)
	if console != "" {
		t.Errorf("the browser complains:\n%s", console)
	}
	if !strings.Contains(dom, "Servers without forward secrecy") {
		t.Error("it shows nothing")
	}
	// The same file with something that runs: the browser must complain, or
	// its silence above says nothing.
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Replace(b, []byte("<main>"), []byte("<main><script>document.title = 'owned'</script>"), 1)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if dom, console := browse(t, "file://"+file); !strings.Contains(console, "Content Security Policy") || strings.Contains(dom, "<title>owned") {
		t.Errorf("a script in the file is not refused: %s", console)
	}
}
