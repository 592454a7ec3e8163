package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pfsight/capture/live/livetest"
	"pfsight/cmd/pfsight/internal/sink"
	"pfsight/cmd/pfsight/internal/testutil"
)

// fullPipe returns the write end of a full pipe.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := unix.Write(fds[1], make([]byte, 4096)); err != nil {
			break
		}
	}
	if err := unix.SetNonblock(fds[1], false); err != nil {
		t.Fatal(err)
	}
	w := os.NewFile(uintptr(fds[1]), "full")
	t.Cleanup(func() { unix.Close(fds[0]); w.Close() })
	return w
}

// fifo returns a named pipe without readers and writers.
func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// endsBySignal starts the program and sends it a signal when ready returns true. The
// program must end soon, with the exit code for incomplete input.
func endsBySignal(t *testing.T, c *exec.Cmd, s syscall.Signal, ready func() bool) {
	t.Helper()
	c.Env = append(os.Environ(), asProgram+"=1")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill() }()
	testutil.Eventually(t, "the program waiting", ready)
	settled(t, c.Process.Pid)
	began := time.Now()
	if err := c.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatalf("it does not end")
	}
	limit := 3 * time.Second
	if slices.Contains(c.Args, "live") {
		limit += sink.CloseTimeout
	}
	if d := time.Since(began); d > limit {
		t.Errorf("the end took %v", d)
	}
	st := c.ProcessState.Sys().(syscall.WaitStatus)
	if !st.Exited() || st.ExitStatus() != exitIncomplete {
		t.Errorf("it ended with %v", c.ProcessState)
	}
}

// settled waits until all threads of a process have been idle for a while.
func settled(t *testing.T, pid int) {
	t.Helper()
	const enough = 6
	last, same := "", 0
	testutil.Eventually(t, "the program waiting", func() bool {
		now := ""
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		for _, path := range threads {
			b, err := os.ReadFile(path)
			_, after, ok := strings.Cut(string(b), ") ")
			f := strings.Fields(after)
			if err != nil || !ok || len(f) < 13 || f[0] == "R" {
				same = 0
				return false
			}
			now += f[11] + "," + f[12] + " " // time in user and system mode
		}
		if now != last || len(threads) < 3 {
			last, same = now, 0
			return false
		}
		same++
		time.Sleep(60 * time.Millisecond)
		return same >= enough
	})
}

// TestSignals lets each command wait for input or output that never comes, and ends
// it with a signal.
func TestSignals(t *testing.T) {
	capture, err := os.ReadFile(captures + "/ecdhe-p256.pcap")
	if err != nil {
		t.Fatal(err)
	}
	always := func() bool { return true }
	policy := []string{"impact", "--policy", "mozilla-modern-6-0"}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, args := range [][]string{{"read", "-"}, {"read", "--follow", "-"}, {"-"}, append(policy, "-"), {"diff", captures + "/rsa.pcap", "-"}, {"diff", "-", captures + "/rsa.pcap"}} {
			t.Run(s.String()+"/idle standard input/"+strings.Join(args, " "), func(t *testing.T) {
				t.Parallel()
				// After nothing, a part of the header, whole packets, and a part of a packet.
				for _, n := range []int{0, 10, len(capture), len(capture) - 30} {
					r, w, err := os.Pipe()
					if err != nil {
						t.Fatal(err)
					}
					defer r.Close()
					defer w.Close()
					if _, err := w.Write(capture[:n]); err != nil {
						t.Fatal(err)
					}
					var out, said strings.Builder
					c := exec.Command(os.Args[0], args...)
					c.Stdin, c.Stdout, c.Stderr = r, &out, &said
					endsBySignal(t, c, s, always)
					if !strings.Contains(said.String(), "interrupted") || strings.Contains(said.String(), "middle of a record") {
						t.Errorf("%d bytes: it said %s", n, said.String())
					}
					if n == len(capture) && args[0] != "diff" && !strings.Contains(out.String(), "1") {
						t.Errorf("what was read is not reported: %s", out.String())
					}
				}
			})
		}
		for _, args := range [][]string{{"read"}, {"read", "--follow"}, policy, {"diff", captures + "/rsa.pcap"}} {
			t.Run(s.String()+"/a named pipe/"+args[0], func(t *testing.T) {
				t.Parallel()
				path := fifo(t)
				c := exec.Command(os.Args[0], append(append([]string{}, args...), path)...)
				endsBySignal(t, c, s, always)
				path = fifo(t)
				c = exec.Command(os.Args[0], append(append([]string{}, args...), path)...)
				opened := make(chan *os.File, 1)
				go func() {
					w, _ := os.OpenFile(path, os.O_WRONLY, 0)
					opened <- w
				}()
				endsBySignal(t, c, s, func() bool { return len(opened) > 0 })
				(<-opened).Close()
			})
		}
		for _, args := range [][]string{{"read", captures + "/rsa.pcap"}, {"read", "--format", "jsonl", captures}} {
			t.Run(s.String()+"/standard output/"+args[1], func(t *testing.T) {
				t.Parallel()
				c := exec.Command(os.Args[0], args...)
				c.Stdout = fullPipe(t)
				endsBySignal(t, c, s, always)
			})
		}
		t.Run(s.String()+"/standard error", func(t *testing.T) {
			t.Parallel()
			c := exec.Command(os.Args[0], "read", captures+"/bad", captures+"/rsa.pcap")
			c.Stderr = fullPipe(t)
			endsBySignal(t, c, s, always)
		})
		t.Run(s.String()+"/the output", func(t *testing.T) {
			t.Parallel()
			c := exec.Command(os.Args[0], "read", "--format", "jsonl", "-o", fifo(t), captures)
			endsBySignal(t, c, s, always)
		})
	}
}

// TestLiveHeldUp stops reading the output of live, or its messages. The capture
// continues, and a signal ends it.
func TestLiveHeldUp(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	send := livetest.NewSender(t, "va")
	for _, x := range []struct {
		name   string
		args   []string
		signal syscall.Signal
	}{
		{"events", []string{"-o", "-"}, syscall.SIGINT},
		{"lines", []string{"--plain"}, syscall.SIGTERM},
		{"results", []string{"-o", "/dev/null", "--interval", "1s"}, syscall.SIGINT},
		{"messages", []string{"-o", "/dev/null"}, syscall.SIGTERM},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := exec.Command(os.Args[0], append([]string{"live", "-i", "vb"}, x.args...)...)
			if x.name == "messages" {
				c.Stderr = fullPipe(t)
			} else {
				c.Stdout = fullPipe(t)
			}
			began := time.Now()
			endsBySignal(t, c, x.signal, func() bool {
				if time.Since(began) < 500*time.Millisecond {
					return false
				}
				replay(t, send, captures+"/ecdhe-p256.pcap")
				return time.Since(began) > 1500*time.Millisecond
			})
		})
	}
}
