package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"pfsight/capture/live/livetest"
	"pfsight/cmd/pfsight/internal/testutil"
)

// unit returns the settings of the unit file. Values of repeated settings are
// joined.
func unit(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("dist/pfsight.service")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(k, "#") {
			out[k] = strings.TrimSpace(out[k] + " " + v)
		}
	}
	return out
}

// TestUnitExposure checks the unit's exposure score of systemd-analyze.
func TestUnitExposure(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--threshold=18", "dist/pfsight.service").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// allowed returns the system calls that the unit allows.
func allowed(t *testing.T, filter string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		if !strings.HasPrefix(name, "@") {
			out[name] = true
			return
		}
		b, err := exec.Command("systemd-analyze", "syscall-filter", name).Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for line := range strings.Lines(string(b)) {
			if s := strings.TrimSpace(line); strings.HasPrefix(line, "    ") && !strings.HasPrefix(s, "#") && s != "" {
				add(s)
			}
		}
	}
	for _, name := range strings.Fields(filter) {
		add(name)
	}
	return out
}

var (
	traced   = regexp.MustCompile(`^\d+\s+([a-z0-9_]+)\(`)
	families = regexp.MustCompile(`socket(?:pair)?\((AF_[A-Z0-9]+),`)
	writable = regexp.MustCompile(`(mmap|mprotect|pkey_mprotect)\(.*PROT_WRITE\|PROT_EXEC`)
)

// TestUnitLimits runs the unit's command with those of its limits that work without
// systemd: another user, CAP_NET_RAW alone, no new privileges, and a read-only
// system except for the log folder. Its system calls are compared with the unit's
// other limits.
func TestUnitLimits(t *testing.T) {
	for _, name := range []string{"setpriv", "strace", "unshare", "mount", "systemd-analyze"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	if !livetest.Isolate(t) {
		return
	}
	u := unit(t)
	for k, want := range map[string]string{"AmbientCapabilities": "CAP_NET_RAW", "CapabilityBoundingSet": "CAP_NET_RAW", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "DynamicUser": "yes", "MemoryDenyWriteExecute": "yes"} {
		if u[k] != want {
			t.Errorf("%s is %q", k, u[k])
		}
	}
	livetest.Veth(t, "va", "vb")
	root := t.TempDir()
	for d := root; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	logs, trace := filepath.Join(root, "logs"), filepath.Join(root, "trace")
	if err := os.Mkdir(logs, 0o750); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	if err := os.Chown(logs, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	// A copy that the user can execute.
	self := filepath.Join(root, "pfsight")
	b, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(self, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	line := strings.NewReplacer("/usr/local/bin/pfsight", self, "${PFSIGHT_INTERFACE}", "vb", "/var/log/pfsight", logs).Replace(u["ExecStart"])
	args := []string{"-m", "sh", "-ec", `mount --bind "$1" "$1"; mount -o remount,ro,bind /; shift; exec "$@"`, "sh", root,
		"strace", "-f", "-qq", "-o", trace,
		"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw", "--bounding-set=-all,+net_raw", "--no-new-privs"}
	p := &program{t: t, cmd: exec.Command("unshare", append(args, strings.Fields(line)...)...)}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }()
	testutil.Eventually(t, "the capture", func() bool { return strings.Contains(p.stderr.String(), "gave up") || p.cmd.ProcessState != nil })
	path := replayable(t)[0]
	n := replay(t, livetest.NewSender(t, "va"), path)
	events := filepath.Join(logs, "events.jsonl.part")
	testutil.Eventually(t, "events", func() bool { b, _ := os.ReadFile(events); return bytes.Contains(b, []byte(`"event":"handshake"`)) })
	// strace is the process that was started; what it traces is its child.
	if out, err := exec.Command("pkill", "-TERM", "-P", strconv.Itoa(p.cmd.Process.Pid)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, &p.stderr)
	}
	files, _ := filepath.Glob(filepath.Join(logs, "events-*.jsonl"))
	if len(files) != 1 || len(lines(t, files[0])) != 2*len(records(t, path)) {
		t.Errorf("%d frames were sent; %q: %s", n, files, &p.stderr)
	}

	b, err = os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	begin := bytes.Index(b, []byte(`execve("`+self+`"`))
	if begin < 0 {
		t.Fatal("the trace does not show the program's start")
	}
	may := allowed(t, u["SystemCallFilter"])
	sockets := strings.Fields(u["RestrictAddressFamilies"])
	calls := map[string]bool{}
	for in := bufio.NewScanner(bytes.NewReader(b[begin:])); in.Scan(); {
		s := in.Text()
		if m := traced.FindStringSubmatch(s); m != nil && !calls[m[1]] {
			calls[m[1]] = true
			if !may[m[1]] {
				t.Errorf("the unit does not allow: %s", s)
			}
		}
		if m := families.FindStringSubmatch(s); m != nil && !slices.Contains(sockets, m[1]) {
			t.Errorf("the unit does not allow this family: %s", s)
		}
		if writable.MatchString(s) {
			t.Errorf("memory that is written and executed: %s", s)
		}
	}
	if len(calls) < 30 || !calls["landlock_restrict_self"] || !calls["capset"] {
		t.Errorf("only %d system calls were seen: %v", len(calls), calls)
	}
}
