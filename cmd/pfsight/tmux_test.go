package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTmux drives the terminal view with keys, in a terminal of 80 columns and 24
// lines.
func TestTmux(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not here")
	}
	show := filepath.Join(t.TempDir(), "show")
	if out, err := exec.Command("go", "build", "-o", show, "./internal/demo/show").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	socket := fmt.Sprintf("pfsight-test-%d", os.Getpid())
	tmux := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("tmux", append([]string{"-f", "/dev/null", "-L", socket}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	tmux("new-session", "-d", "-s", "t", "-x", "80", "-y", "24", "sh", "-c",
		show+" -captures "+captures+"; echo it ended with $?; stty -a | grep -c ' echo '; sleep 60")
	t.Cleanup(func() { _ = exec.Command("tmux", "-L", socket, "kill-server").Run() })
	shows := func(want ...string) string {
		t.Helper()
		var screen string
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			screen = tmux("capture-pane", "-p", "-t", "t")
			found := 0
			for _, w := range want {
				if strings.Contains(screen, w) {
					found++
				}
			}
			if found == len(want) {
				return screen
			}
		}
		t.Fatalf("the screen does not show %q:\n%s", want, screen)
		return ""
	}
	shows("pfsight live  eth0, span1", "The kernel dropped", "in the last minute", "rsa_key_transport", "q quit")
	tmux("send-keys", "-t", "t", "Tab")
	shows("cond.", "why", "127.0.0.1:")
	tmux("send-keys", "-t", "t", "p")
	paused := shows(" paused ")
	time.Sleep(1500 * time.Millisecond)
	if now := shows(" paused "); now != paused {
		t.Errorf("it goes on:\n%s\n%s", paused, now)
	}
	tmux("send-keys", "-t", "t", "?")
	shows("what is shown", "any key goes back")
	tmux("send-keys", "-t", "t", "x")
	tmux("send-keys", "-t", "t", "q")
	shows("it ended with 0", "\n1\n") // the terminal echoes again
}
