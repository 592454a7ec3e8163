// Package livetest gives tests their own network namespaces, in which they may
// send any frames. It is for tests only.
package livetest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// isolated marks an isolated process in its environment.
const isolated = "PFSIGHT_TEST_ISOLATED"

// Isolate runs the calling test again as a process in its own network
// namespace, and returns true there. In the calling process it returns false
// afterwards, and the test must return. It skips the test without the right to
// do so or without ip(8).
func Isolate(t testing.TB) bool {
	t.Helper()
	if os.Getenv(isolated) != "" {
		IP(t, "link", "set", "lo", "up")
		return true
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("ip(8) is not installed")
	}
	which := []string{"-test.run=^" + t.Name() + "$"}
	if _, ok := t.(*testing.B); ok {
		which = []string{"-test.run=^$", "-test.bench=^" + t.Name() + "$", "-test.benchtime=1x"}
	}
	c := exec.Command(os.Args[0], append(which, "-test.v", "-test.timeout=0")...) // ends with this process
	c.Env = append(os.Environ(), isolated+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	runtime.LockOSThread() // Pdeathsig applies to the thread
	defer runtime.UnlockOSThread()
	err := c.Run()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, syscall.EPERM):
		t.Skip("no right to make a network namespace")
	case errors.As(err, &exit):
		t.Fatalf("%v\n%s", err, &out)
	case err != nil:
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "--- SKIP") {
		t.Skip(out.String())
	}
	if testing.Verbose() {
		t.Log(out.String())
	}
	return false
}

// IP runs ip(8).
func IP(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// Veth creates a pair of virtual interfaces that are up and send nothing by
// themselves.
func Veth(t testing.TB, a, b string) {
	t.Helper()
	IP(t, "link", "add", a, "type", "veth", "peer", "name", b)
	for _, name := range []string{a, b} {
		Quiet(t, name)
		IP(t, "link", "set", name, "mtu", "9000", "up")
	}
	Ready(t, a, b)
}

// Ready waits until the interfaces carry frames. Frames sent earlier are lost.
func Ready(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		for n := 0; ; n++ {
			if i, err := net.InterfaceByName(name); err == nil && i.Flags&net.FlagRunning != 0 {
				break
			}
			if n == 1000 {
				t.Fatalf("%s does not come up", name)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// Quiet stops the kernel from sending on an interface by itself.
func Quiet(t testing.TB, name string) {
	t.Helper()
	err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	IP(t, "link", "set", name, "arp", "off")
}

// A Sender sends frames on an interface.
type Sender struct {
	t    testing.TB
	fd   int
	addr unix.SockaddrLinklayer
}

// NewSender returns a Sender on an interface.
func NewSender(t testing.TB, name string) *Sender {
	t.Helper()
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &Sender{t, fd, unix.SockaddrLinklayer{Ifindex: i.Index}}
}

// Send sends one frame. It waits while the queue is full.
func (s *Sender) Send(frame []byte) {
	for {
		err := unix.Sendto(s.fd, frame, 0, &s.addr)
		if errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EAGAIN) {
			runtime.Gosched()
			continue
		}
		if err != nil {
			s.t.Fatalf("sending %d bytes: %v", len(frame), err)
		}
		return
	}
}

// A Peer is another network namespace, for the other end of a link.
type Peer struct {
	do   chan func()
	Path string // path of the namespace, for ip(8)
}

// NewPeer creates a namespace that lives as long as the test.
func NewPeer(t testing.TB) *Peer {
	t.Helper()
	p := &Peer{do: make(chan func())}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		p.Path = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
		made <- err
		if err != nil {
			return
		}
		for f := range p.do {
			f()
		}
	}()
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(p.do) })
	return p
}

// Run runs f in the namespace. Sockets and programs that f opens or starts
// belong to it.
func (p *Peer) Run(f func()) {
	done := make(chan struct{})
	p.do <- func() {
		defer close(done)
		f()
	}
	<-done
}
