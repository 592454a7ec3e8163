package tui

import (
	"strings"
	"testing"

	"pfsight/capture/stream"
	"pfsight/cmd/pfsight/internal/demo"
	"pfsight/report/secrecy"
)

// TestScreen draws the screen in several sizes, with hostile names, and checks its
// width, its height and its content.
func TestScreen(t *testing.T) {
	st, got := demo.State(t, "../../../../testdata/captures")
	evil := demo.Row(1<<40, secrecy.No)
	evil.ServerName = "\x1b]0;x\x07\u202e日本語の名前" + strings.Repeat("w", 300)
	st.Add(evil)
	st.SetCapture([]stream.InterfaceStats{{Name: "eth0", Drops: 1 << 40}, {Name: strings.Repeat("v", 60)}}, got)
	m := newModel(st)
	for _, size := range [][2]int{{80, 24}, {60, 16}, {200, 60}, {71, 30}, {20, 5}} {
		m.width, m.height = size[0], size[1]
		for _, k := range []string{"1", "2", "3", "end", "up", "pgdown", "home", "?", "x", "p", "tab", "left"} {
			m.key(k)
			lines := strings.Split(m.View().Content, "\n")
			if len(lines) > m.height {
				t.Errorf("%v %s: %d lines", size, k, len(lines))
			}
			for _, line := range lines {
				text := plainText(line)
				if n := width(text); n > max(m.width, 40) {
					t.Errorf("%v %s: %d columns: %q", size, k, n, text)
				}
				if strings.ContainsAny(text, "\x1b\x07\u202e") {
					t.Errorf("%v %s: %q", size, k, text)
				}
			}
		}
		m.paused = false
	}
	m.width, m.height = 80, 24
	m.key("1")
	m.key("home")
	screen := plainText(m.View().Content)
	for _, want := range []string{"pfsight live", "eth0", "The kernel dropped", "3 rows lost to kafka", "not forward secret", "rsa_key_transport", "q quit", `\x1b]0;x`} {
		if !strings.Contains(screen, want) {
			t.Errorf("it does not say %q:\n%s", want, screen)
		}
	}
	m.ascii, m.width = true, 130
	m.key("1")
	for _, r := range m.View().Content {
		if r > 0x7e && !strings.ContainsRune("日本語の名前", r) {
			t.Errorf("%q on a terminal of ASCII", r)
		}
	}
	if m.key("q") == nil || m.key("ctrl+c") == nil {
		t.Error("it does not quit")
	}
}

// plainText takes the colours out.
func plainText(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == 0x1b && i+1 < len(s) && s[i+1] == '[' {
			for i < len(s) && s[i] != 'm' {
				i++
			}
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
