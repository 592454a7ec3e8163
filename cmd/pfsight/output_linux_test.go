package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pfsight/cmd/pfsight/internal/demo"
	"pfsight/cmd/pfsight/internal/output"
	"pfsight/cmd/pfsight/internal/process"
	"pfsight/cmd/pfsight/internal/testutil"
)

// asked runs pfsight as a process and returns its exit code, standard output and
// standard error.
func asked(t *testing.T, with func(*exec.Cmd), args ...string) (int, string, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if with != nil {
		with(cmd)
	}
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// commands are the commands with -o, each with an input.
func commands() map[string][]string {
	return map[string][]string{
		"read":    {"--format", "html", rsa},
		"records": {"--format", "jsonl", rsa},
		"parquet": {"--format", "parquet", rsa},
		"impact":  {"impact", "--policy", "tls13-only", rsa},
		"diff":    {"diff", rsa, captures + "/ticket-ecdhe.pcap"},
	}
}

// TestOutputFullDisk fills a small file system. The old result stays, no other file
// is left, and the exit code reports the error.
func TestOutputFullDisk(t *testing.T) {
	runtime.LockOSThread() // the thread ends with the test
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		t.Skipf("no mount namespace: %v", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Skipf("no mount namespace: %v", err)
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no tmpfs: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	if err := os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 56<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "result")
	for name, args := range commands() {
		if name == "impact" || name == "diff" {
			args = append(args, "--format", "html")
		}
		const old = "the old result\n"
		if err := os.WriteFile(file, []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		if name == "records" { // more than one of them
			args = append(args, demo.Captures(t, captures)...)
		}
		if name == "parquet" {
			args = append(args, demo.Captures(t, captures)...)
		}
		code, out, stderr := asked(t, nil, append(args, "-o", file)...)
		if code != 2 || out != "" || !strings.Contains(stderr, "no space left") {
			t.Errorf("%s: exit %d: %s%s", name, code, out, stderr)
		}
		if b, _ := os.ReadFile(file); string(b) != old {
			t.Errorf("%s: the old result has %d bytes", name, len(b))
		}
		if got := names(t, dir); !slices.Equal(got, []string{"filler", "result"}) {
			t.Errorf("%s: left behind: %q", name, got)
		}
	}
}

// TestOutputFileLimit writes more than RLIMIT_FSIZE allows.
func TestOutputFileLimit(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "result.html")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := asked(t, func(c *exec.Cmd) {
		c.Args = append([]string{"prlimit", "--fsize=4096", os.Args[0]}, c.Args[1:]...)
		path, err := exec.LookPath("prlimit")
		if err != nil {
			t.Skip("prlimit is not installed")
		}
		c.Path = path
	}, "--format", "html", "-o", file, rsa)
	if code != 2 || out != "" || !strings.Contains(stderr, "file too large") {
		t.Errorf("exit %d: %s%s", code, out, stderr)
	}
	if b, _ := os.ReadFile(file); string(b) != "old" || len(names(t, dir)) != 1 {
		t.Errorf("%d bytes, %q", len(b), names(t, dir))
	}
}

// TestOutputKinds writes to existing files of every kind: each keeps its kind.
func TestOutputKinds(t *testing.T) {
	code, want, stderr := asked(t, nil, "--format", "jsonl", rsa)
	if code != 0 {
		t.Fatal(stderr)
	}
	jsonl := func(t *testing.T, with func(*exec.Cmd), file string) string {
		t.Helper()
		code, out, stderr := asked(t, with, "--format", "jsonl", "-o", file, rsa)
		if code != 0 || stderr != "" {
			t.Errorf("exit %d: %s", code, stderr)
		}
		return out
	}
	is := func(t *testing.T, file string) {
		t.Helper()
		if b, err := os.ReadFile(file); err != nil || string(b) != want {
			t.Errorf("%s: %v, %d bytes", file, err, len(b))
		}
	}
	t.Run("new", func(t *testing.T) {
		old := syscall.Umask(0o027)
		defer syscall.Umask(old)
		file := filepath.Join(t.TempDir(), "new")
		jsonl(t, nil, file)
		is(t, file)
		if st, _ := os.Stat(file); st.Mode().Perm() != 0o640 || len(names(t, filepath.Dir(file))) != 1 {
			t.Errorf("mode %v, %q", st.Mode(), names(t, filepath.Dir(file)))
		}
	})
	t.Run("mode and owner", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "old")
		if err := os.WriteFile(file, []byte("old"), 0o604); err != nil {
			t.Fatal(err)
		}
		root := os.Geteuid() == 0
		if root {
			if err := os.Chown(file, 12, 34); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(file, 0o604); err != nil {
			t.Fatal(err)
		}
		jsonl(t, nil, file)
		is(t, file)
		st, _ := os.Stat(file)
		if s := st.Sys().(*syscall.Stat_t); st.Mode().Perm() != 0o604 || root && (s.Uid != 12 || s.Gid != 34) {
			t.Errorf("mode %v, owner %d:%d", st.Mode(), s.Uid, s.Gid)
		}
	})
	t.Run("symbolic links", func(t *testing.T) {
		dir := t.TempDir()
		other := filepath.Join(dir, "other")
		if err := os.Mkdir(other, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, to := range map[string]string{"one": "two", "two": "other/file", "dangling": "other/not-yet"} {
			if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(other, "file"), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		for name, to := range map[string]string{"one": "file", "dangling": "not-yet"} {
			jsonl(t, nil, filepath.Join(dir, name))
			is(t, filepath.Join(other, to))
			if st, err := os.Lstat(filepath.Join(dir, name)); err != nil || st.Mode()&os.ModeSymlink == 0 {
				t.Errorf("%s is no link any more", name)
			}
		}
	})
	t.Run("standard output", func(t *testing.T) {
		for _, file := range []string{"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"} {
			if got := jsonl(t, nil, file); got != want { // a pipe
				t.Errorf("%s: %d bytes", file, len(got))
			}
		}
		f, err := os.OpenFile(filepath.Join(t.TempDir(), "f"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, _ = f.WriteString("before\n")
		jsonl(t, func(c *exec.Cmd) { c.Stdout = f }, "/dev/stdout")
		if b, _ := os.ReadFile(f.Name()); string(b) != "before\n"+want {
			t.Errorf("appended: %d bytes", len(b))
		}
	})
	t.Run("another open file", func(t *testing.T) {
		f, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		jsonl(t, func(c *exec.Cmd) { c.ExtraFiles = []*os.File{f} }, "/dev/fd/3")
		if b, _ := io.ReadAll(f); string(b) != want { // by the descriptor
			t.Errorf("%d bytes", len(b))
		}
	})
	t.Run("FIFO", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "fifo")
		if err := syscall.Mkfifo(file, 0o600); err != nil {
			t.Fatal(err)
		}
		got := make(chan string)
		go func() {
			b, _ := os.ReadFile(file)
			got <- string(b)
		}()
		jsonl(t, nil, file)
		select {
		case s := <-got:
			if s != want {
				t.Errorf("%d bytes", len(s))
			}
		case <-time.After(10 * time.Second):
			t.Error("nothing came")
		}
		if st, _ := os.Lstat(file); st.Mode()&os.ModeNamedPipe == 0 {
			t.Error("it is no FIFO any more")
		}
	})
	t.Run("device", func(t *testing.T) {
		jsonl(t, nil, "/dev/null")
		if code, _, stderr := asked(t, nil, "--format", "jsonl", "-o", "/dev/full", rsa); code != 2 || !strings.Contains(stderr, "no space left") {
			t.Errorf("exit %d: %s", code, stderr)
		}
		if st, _ := os.Stat("/dev/null"); st.Mode()&os.ModeCharDevice == 0 {
			t.Fatal("/dev/null is no device any more")
		}
	})
	t.Run("folder that takes no file", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("another user is needed")
		}
		dir := open(t)
		file := filepath.Join(dir, "f")
		if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(file, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
		self, capture := publicCopy(t, os.Args[0], 0o755), publicCopy(t, rsa, 0o644)
		nobody := func(c *exec.Cmd) {
			c.Path, c.Args[0] = self, self
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		code, _, stderr := asked(t, nobody, "--format", "jsonl", "-o", file, capture)
		if code != 0 || !strings.Contains(stderr, "written in place") {
			t.Errorf("exit %d: %s", code, stderr)
		}
		if b, _ := os.ReadFile(file); len(b) == 0 || b[0] != '{' {
			t.Errorf("%d bytes", len(b))
		}
		code, _, stderr = asked(t, nobody, "--format", "jsonl", "-o", filepath.Join(dir, "new"), capture)
		if code != 2 || !strings.Contains(stderr, "permission denied") {
			t.Errorf("a new file: exit %d: %s", code, stderr)
		}
		if err := os.Chown(file, 0, 0); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		code, _, stderr = asked(t, nobody, "--format", "jsonl", "-o", file, capture)
		if code != 2 || !strings.Contains(stderr, "permission denied") {
			t.Errorf("a file of another: exit %d: %s", code, stderr)
		}
	})
	t.Run("mounted file", func(t *testing.T) {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
			t.Skipf("no mount namespace: %v", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Skipf("no mount namespace: %v", err)
		}
		dir := t.TempDir()
		file, over := filepath.Join(dir, "f"), filepath.Join(dir, "over")
		for _, p := range []string{file, over} {
			if err := os.WriteFile(p, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Mount(over, file, "", unix.MS_BIND, ""); err != nil {
			t.Skipf("no mount: %v", err)
		}
		defer unix.Unmount(file, unix.MNT_DETACH)
		code, _, stderr := asked(t, nil, "--format", "jsonl", "-o", file, rsa)
		if code != 0 || !strings.Contains(stderr, "written in place") {
			t.Errorf("exit %d: %s", code, stderr)
		}
		is(t, over)
		if got := names(t, dir); len(got) != 2 {
			t.Errorf("left behind: %q", got)
		}
	})
}

// open returns a folder that every user may enter.
func open(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// publicCopy copies a file to where every user may read it.
func publicCopy(t *testing.T, path string, perm os.FileMode) string {
	t.Helper()
	to := filepath.Join(open(t), filepath.Base(path))
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(to, b, perm)
	}
	if err == nil {
		err = os.Chmod(to, perm)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// TestOutputFollow reads rows of a growing capture from the output file while it is
// written.
func TestOutputFollow(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.Mkdir(in, 0o700); err != nil {
		t.Fatal(err)
	}
	all := demo.Captures(t, captures)
	for i, name := range all { // later ones end a connection
		b, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(in, fmt.Sprintf("%03d.pcap", i)), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0], "--follow", "--format", "jsonl", "-o", out, in)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var stderr testutil.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	testutil.Eventually(t, "the row", func() bool { b, _ := os.ReadFile(out); return bytes.HasSuffix(b, []byte("\n")) })
	// A summary is written at the end.
	report := filepath.Join(in, "report.html")
	other := exec.Command(os.Args[0], "--follow", "--format", "html", "-o", report, in)
	other.Env, other.Stderr = cmd.Env, &stderr
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Process.Kill()
	time.Sleep(time.Second)
	if got := names(t, in); len(got) != len(all) {
		t.Errorf("there already: %d of %d", len(got), len(all))
	}
	for _, c := range []*exec.Cmd{cmd, other} {
		if err := c.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); c.ProcessState.ExitCode() != exitIncomplete {
			t.Errorf("%v: %s", err, &stderr)
		}
	}
	if b, _ := os.ReadFile(report); !bytes.Contains(b, []byte("</html>")) {
		t.Errorf("%d bytes: %s", len(b), fmt.Sprint(names(t, in)))
	}
}

// TestOutputGivenUp removes the temporary file while the result is written, as
// a second signal does.
func TestOutputGivenUp(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "result")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, begun := range []bool{true, false} {
		o, err := output.Open(process.New(nil, io.Discard, io.Discard), file, output.Options{Warn: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		if begun {
			if _, err := io.WriteString(o, "new"); err != nil || len(names(t, dir)) != 2 {
				t.Fatalf("%v, %q", err, names(t, dir))
			}
		}
		if err := o.Remove(); err != nil {
			t.Error(err)
		}
		if !begun {
			if _, err := io.WriteString(o, "new"); err == nil {
				t.Error("it is written all the same")
			}
		}
		if err := o.Finish(false); err == nil {
			t.Error("it has an end")
		}
		if b, _ := os.ReadFile(file); string(b) != "old" || len(names(t, dir)) != 1 {
			t.Errorf("%q, %q", b, names(t, dir))
		}
	}
}
