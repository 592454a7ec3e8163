package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"pfsight/cmd/pfsight/internal/confine"
	"pfsight/cmd/pfsight/internal/sensor"
	"pfsight/cmd/pfsight/internal/testutil"
)

// probed is an environment variable. It makes the test binary give up rights as a
// command does, and then make the attempts in its value.
const probed = "PFSIGHT_TEST_PROBE"

// tryAll makes the named attempts and writes the result of each.
func tryAll(attempts string) {
	for what := range strings.SplitSeq(attempts, "\n") {
		verb, arg, _ := strings.Cut(what, " ")
		fmt.Printf("%s: %v\n", what, attempt(verb, arg))
	}
}

// attempt makes one attempt and returns its error.
func attempt(verb, arg string) error {
	call := func(number uintptr, args ...uintptr) error {
		args = append(args, make([]uintptr, 6)...)
		_, _, e := unix.Syscall6(number, args[0], args[1], args[2], args[3], args[4], args[5])
		if e != 0 {
			return e
		}
		return nil
	}
	text := append([]byte(arg), 0)
	p := uintptr(unsafe.Pointer(&text[0]))
	defer runtime.KeepAlive(text)
	switch verb {
	case "read":
		_, err := os.ReadFile(arg)
		return err
	case "list":
		_, err := os.ReadDir(arg)
		return err
	case "write":
		f, err := os.OpenFile(arg, os.O_WRONLY, 0)
		if err == nil {
			f.Close()
		}
		return err
	case "create":
		f, err := os.OpenFile(arg, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			f.Close()
			err = os.Remove(arg)
		}
		return err
	case "run":
		return exec.Command(arg).Run()
	case "execve":
		return call(unix.SYS_EXECVE, p, 0, 0)
	case "fork":
		return call(unix.SYS_CLONE, uintptr(unix.SIGCHLD))
	case "namespace":
		return call(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	case "setns":
		return call(unix.SYS_SETNS, 0, 0)
	case "ptrace":
		return call(unix.SYS_PTRACE, unix.PTRACE_ATTACH, uintptr(os.Getppid()))
	case "peek":
		return call(unix.SYS_PROCESS_VM_READV, uintptr(os.Getppid()), 0, 0, 0, 0)
	case "mount":
		return call(unix.SYS_MOUNT, p, p, p, unix.MS_BIND, 0)
	case "chroot":
		return call(unix.SYS_CHROOT, p)
	case "module":
		return call(unix.SYS_INIT_MODULE, p, 0, p)
	case "bpf":
		return call(unix.SYS_BPF, 0, p, 0)
	case "keyctl":
		return call(unix.SYS_KEYCTL, 0, 0)
	case "userfaultfd":
		return call(unix.SYS_USERFAULTFD, 0)
	case "perf":
		return call(unix.SYS_PERF_EVENT_OPEN, p, 0, 0, 0, 0)
	case "reboot":
		return call(unix.SYS_REBOOT, 0, 0, 0)
	case "uring":
		return call(unix.SYS_IO_URING_SETUP, 1, p)
	case "clock":
		return call(unix.SYS_CLOCK_SETTIME, 0, 0)
	case "setuid":
		return call(unix.SYS_SETUID, 0)
	case "clone3":
		return call(unix.SYS_CLONE3, p, 0)
	case "newer":
		return call(5000)
	case "kill":
		return syscall.Kill(os.Getppid(), 0)
	case "signal":
		return call(unix.SYS_TGKILL, uintptr(os.Getppid()), uintptr(os.Getppid()), 0)
	case "executable":
		b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err == nil {
			_ = unix.Munmap(b)
		}
		return err
	case "socket":
		var family, kind, protocol int
		_, _ = fmt.Sscan(arg, &family, &kind, &protocol)
		fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
		if err == nil {
			unix.Close(fd)
		}
		return err
	case "tcp", "unix":
		c, err := net.DialTimeout(verb, arg, 5*time.Second)
		if err == nil {
			c.Close()
		}
		return err
	case "listen":
		l, err := net.Listen("tcp", arg)
		if err == nil {
			l.Close()
		}
		return err
	case "work": // what the Go runtime needs: threads, memory, files, time
		var g sync.WaitGroup
		for range 20 {
			g.Go(func() {
				runtime.LockOSThread() // each goroutine has a thread, which ends with it
				b := make([]byte, 1<<20)
				b[0] = byte(len(arg))
				time.Sleep(time.Millisecond)
				runtime.GC()
			})
		}
		g.Wait()
		return nil
	}
	return errors.New("no such attempt")
}

// tried runs the test binary, which gives up rights as how says, and returns the
// results of the attempts.
func tried(t *testing.T, how []string, attempts ...string) map[string]string {
	t.Helper()
	cmd := exec.Command(os.Args[0], how...)
	cmd.Env = append(os.Environ(), probed+"="+strings.Join(attempts, "\n"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s%s", err, out, &stderr)
	}
	got := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if i := strings.LastIndex(line, ": <nil>"); i >= 0 {
			got[line[:i]] = ""
			continue
		}
		for _, a := range attempts {
			if rest, ok := strings.CutPrefix(line, a+": "); ok {
				got[a] = strings.TrimSpace(rest)
			}
		}
	}
	for _, a := range attempts {
		if _, ok := got[a]; !ok {
			t.Fatalf("%q is not answered: %s%s", a, out, &stderr)
		}
	}
	return got
}

// probe is what the test binary runs instead of tests. The first argument is the
// command whose rights it keeps.
func probe(args []string, attempts string) {
	a := newApp(os.Stdin, os.Stdout, os.Stderr)
	a.own = true
	switch args[0] {
	case "read":
		a.confineReading(args[1], false)
	case "live":
		var f liveFlags
		set := pflag.NewFlagSet("live", pflag.ContinueOnError)
		f.register(set)
		flags := []string{"-i", "lo", "--rotate-every", "1h"}
		for dest := range strings.SplitSeq(args[1], ",") {
			flags = append(flags, "-o", dest)
		}
		if len(args) > 2 {
			flags = append(flags, "--listen", "127.0.0.1:0", "--web-config", args[2])
		}
		if err := set.Parse(flags); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		o, err := f.options(a, nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if err := sensor.Confine(a.Process, o); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	tryAll(attempts)
}

// dangerous lists attempts that must fail for every command.
var dangerous = []string{
	"run /bin/true", "execve /bin/true", "fork", "namespace", "setns", "ptrace", "peek", "mount /tmp", "chroot /", "module", "bpf", "keyctl", "userfaultfd",
	"perf", "reboot", "uring", "clock", "setuid", "kill", "signal", "executable", "write /etc/hostname", "create /tmp/pfsight-probe",
	"socket 2 1 262", "socket 16 3 16", "listen 127.0.0.1:0", "listen [::1]:0", "write /proc/self/mem", "create /dev/shm/pfsight-probe",
}

// forbidden checks that attempts failed with a permission error.
func forbidden(t *testing.T, got map[string]string, attempts ...string) {
	t.Helper()
	for _, a := range attempts {
		if !strings.Contains(got[a], "permission denied") && !strings.Contains(got[a], "operation not permitted") {
			t.Errorf("%s: %q", a, got[a])
		}
	}
}

func works(t *testing.T, got map[string]string, attempts ...string) {
	t.Helper()
	for _, a := range attempts {
		if got[a] != "" {
			t.Errorf("%s: %s", a, got[a])
		}
	}
}

// needsLandlock skips the test if the kernel lacks Landlock.
func needsLandlock(t *testing.T, abi int) {
	t.Helper()
	if v, err := confine.Landlock(); err != nil || v < abi {
		t.Skipf("Landlock %d: %v", v, err)
	}
}

// abstract listens on an abstract Unix socket.
func abstract(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("@pfsight-test-%d", os.Getpid())
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return name
}

// TestReadConfined makes the dangerous attempts with the rights of read.
func TestReadConfined(t *testing.T) {
	needsLandlock(t, 4)
	dir := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret") // readable by another user only
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(secret, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	more := []string{"tcp " + l.Addr().String(), "unix " + abstract(t), "socket 1 1 0", "socket 17 3 0", "socket 2 2 0"}
	good := []string{"read " + secret, "read /etc/hostname", "list /", "create " + filepath.Join(dir, "x"), "work"}
	got := tried(t, []string{"read", filepath.Join(dir, "out.html")}, slices.Concat(dangerous, more, good, []string{"clone3", "newer"})...)
	forbidden(t, got, slices.Concat(dangerous, more)...)
	works(t, got, good...)
	for _, a := range []string{"clone3", "newer"} {
		if !strings.Contains(got[a], "not implemented") {
			t.Errorf("%s: %s", a, got[a])
		}
	}
	// Without -o nothing is written.
	got = tried(t, []string{"read", ""}, "create "+filepath.Join(dir, "x"), "read "+secret)
	forbidden(t, got, "create "+filepath.Join(dir, "x"))
	works(t, got, "read "+secret)
}

// TestReadCapabilities checks which capabilities read keeps as root.
func TestReadCapabilities(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("root is needed")
	}
	// Every user may write here, but only root could replace a file of another.
	sticky, foreign := filepath.Join(open(t), "sticky"), filepath.Join(open(t), "foreign")
	for dir, mode := range map[string]os.FileMode{sticky: 0o777 | os.ModeSticky, foreign: 0o755} {
		if err := errors.Join(os.Mkdir(dir, 0o755), os.Chmod(dir, mode)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(foreign, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(sticky, "theirs")
	if err := errors.Join(os.WriteFile(theirs, []byte("old"), 0o600), os.Chown(theirs, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	read := uint64(1 << unix.CAP_DAC_READ_SEARCH)
	for _, c := range []struct {
		args []string
		want uint64
	}{
		{nil, read},
		{[]string{"-o", filepath.Join(t.TempDir(), "new")}, read},
		{[]string{"-o", filepath.Join(foreign, "new")}, read | 1<<unix.CAP_DAC_OVERRIDE},
		{[]string{"-o", theirs}, read | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER | 1<<unix.CAP_CHOWN},
	} {
		// It is inspected while it waits for its input.
		cmd := exec.Command(os.Args[0], append([]string{"--format", "jsonl", "-"}, c.args...)...)
		cmd.Env = append(os.Environ(), asProgram+"=1")
		var stderr testutil.Buffer
		cmd.Stderr = &stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		testutil.Eventually(t, "its start", func() bool { return status(t, cmd.Process.Pid)["Seccomp"] == "2" })
		for _, task := range tasks(t, cmd.Process.Pid) {
			for k, want := range map[string]string{"CapPrm": fmt.Sprintf("%016x", c.want), "CapEff": fmt.Sprintf("%016x", c.want), "CapAmb": fmt.Sprintf("%016x", 0), "NoNewPrivs": "1", "Seccomp": "2"} {
				if task[k] != want {
					t.Errorf("%v: %s is %s, want %s", c.args, k, task[k], want)
				}
			}
		}
		b, err := os.ReadFile(rsa)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(b); err != nil {
			t.Error(err)
		}
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v: %s", c.args, err, &stderr)
		}
		if len(c.args) > 0 {
			st, err := os.Stat(c.args[1])
			if err != nil || st.Size() < 100 {
				t.Errorf("%v: %v", c.args, err)
			} else if c.args[1] == theirs && st.Sys().(*syscall.Stat_t).Uid != 65534 {
				t.Error("it has another owner now")
			}
		}
	}
}

// status returns the kernel's status of a process or thread, proc_pid_status(5).
func status(t *testing.T, pid int) map[string]string {
	t.Helper()
	return statusFile(fmt.Sprintf("/proc/%d/status", pid))
}

func statusFile(path string) map[string]string {
	b, _ := os.ReadFile(path)
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		k, v, _ := strings.Cut(line, ":")
		out[k] = strings.TrimSpace(v)
	}
	return out
}

// tasks returns the status of all threads.
func tasks(t *testing.T, pid int) (out []map[string]string) {
	t.Helper()
	list, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(list) < 2 {
		t.Fatalf("%d threads, %v", len(list), err)
	}
	for _, path := range list {
		if s := statusFile(path); len(s) > 0 { // it may have ended
			out = append(out, s)
		}
	}
	return out
}

// TestLiveReach makes the dangerous attempts with the rights of live as root.
func TestLiveReach(t *testing.T) {
	needsLandlock(t, 6)
	dir, keys := t.TempDir(), t.TempDir()
	collector, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	socket := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config, users := testutil.WriteWebConfig(t, keys, true, "secret")
	_ = users
	files := filepath.Join(dir, "events.jsonl")
	event := filepath.Join(dir, "x")
	key := filepath.Join(keys, "key.pem")
	never := append(slices.Clone(dangerous), "read /etc/passwd", "read /etc/shadow", "list /", "list /etc", "read "+os.Args[0], "list /proc", "unix "+abstract(t), "socket 16 3 12", "socket 40 1 0")

	// With a file output only: no sockets but those of the capture.
	got := tried(t, []string{"live", files}, append(never, "create "+event, "list "+dir, "work", "socket 17 3 0", "socket 2 1 0", "tcp "+other.Addr().String(), "unix "+socket, "read "+key, "read /proc/self/status", "read /etc/hosts")...)
	forbidden(t, got, append(never, "socket 2 1 0", "tcp "+other.Addr().String(), "unix "+socket, "read "+key, "read /proc/self/status", "read /etc/hosts")...)
	works(t, got, "create "+event, "list "+dir, "work")
	if os.Geteuid() == 0 {
		works(t, got, "socket 17 3 0")
	}

	// With a collector and a socket: only those two.
	got = tried(t, []string{"live", files + ",tcp:" + collector.Addr().String() + ",unix:" + socket}, append(never, "create "+event, "tcp "+collector.Addr().String(), "tcp "+other.Addr().String(), "unix "+socket, "read /etc/hosts")...)
	forbidden(t, got, append(never, "tcp "+other.Addr().String(), "read /etc/hosts")...)
	works(t, got, "create "+event, "tcp "+collector.Addr().String(), "unix "+socket)

	// With a host name: name lookup, and no other file of /etc.
	_, port, _ := net.SplitHostPort(collector.Addr().String())
	got = tried(t, []string{"live", "tcp:localhost:" + port}, append(never, "create "+event, "tcp localhost:"+port, "read /etc/hosts")...)
	forbidden(t, got, append(never, "create "+event)...)
	works(t, got, "tcp localhost:"+port, "read /etc/hosts")

	// With TLS: the keys, and keys that replace them.
	replaced := filepath.Join(keys, "key.pem")
	got = tried(t, []string{"live", files, config}, append(never, "read "+config, "read "+replaced, "write "+replaced, "create "+filepath.Join(keys, "x"), "read /proc/self/status", "read /proc/stat")...)
	forbidden(t, got, append(never, "write "+replaced, "create "+filepath.Join(keys, "x"))...)
	works(t, got, "read "+config, "read "+replaced, "read /proc/self/status", "read /proc/stat")
}
