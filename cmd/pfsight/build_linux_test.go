package main

import (
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pfsight/capture/live/livetest"
	"pfsight/cmd/pfsight/internal/confine"
	"pfsight/cmd/pfsight/internal/testutil"
)

// built builds the program with the README's command and returns its path.
func built(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds the program")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("go is not here")
	}
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile("`(CGO_ENABLED=0 go build) (\\./cmd/pfsight)`").FindStringSubmatch(string(b))
	if line == nil {
		t.Fatal("the README does not say how to build one static program")
	}
	file := filepath.Join(open(t), "pfsight")
	cmd := exec.Command("sh", "-c", fmt.Sprintf("%s -o %s %s", line[1], file, line[2]))
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

// TestStatic checks that the README's build command makes a static program.
func TestStatic(t *testing.T) {
	file := built(t)
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it has %v", p.Type)
		}
	}
	if libs, err := f.ImportedLibraries(); err == nil && len(libs) > 0 {
		t.Errorf("it needs %q", libs)
	}
	// The notices name every module linked in.
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) < 30 {
		t.Fatalf("%d modules", len(info.Deps))
	}
	for _, args := range [][]string{{"licenses"}, {"help", "licenses"}} {
		out, err := exec.Command(file, args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Split(string(out), "\n")
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			if !slices.Contains(text, m.Path+" "+m.Version) {
				t.Errorf("%v: no notice of %s %s: run go generate ./cmd/pfsight", args, m.Path, m.Version)
			}
		}
		if !slices.Contains(text, "the Go standard library and runtime") {
			t.Errorf("%v: no notice of Go", args)
		}
	}
}

// TestStaticLive runs the static program as another user, confined.
func TestStaticLive(t *testing.T) {
	file := os.Getenv("PFSIGHT_TEST_STATIC") // built by the parent: this namespace has no network
	if file == "" {
		file = built(t)
		t.Setenv("PFSIGHT_TEST_STATIC", file)
	}
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	dir := open(t)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	path := replayable(t)[0]
	p := startProgram(t, file, "-i", "vb", "-o", filepath.Join(dir, "events.jsonl"), "--user", "nobody", "--rotate-every", "1h")
	if s := status(t, p.cmd.Process.Pid); s["CapEff"] != "0000000000002000" || strings.HasPrefix(s["Uid"], "0\t") || s["Seccomp"] != "2" {
		t.Errorf("%v", s)
	}
	replay(t, livetest.NewSender(t, "va"), path)
	testutil.Eventually(t, "events", func() bool {
		b, _ := os.ReadFile(filepath.Join(dir, "events.jsonl.part"))
		return strings.Count(string(b), "\n") >= len(records(t, path))
	})
	if code := p.end(); code != 0 {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "events-*.jsonl"))
	if len(files) != 1 || len(lines(t, files[0])) != 2*len(records(t, path)) {
		t.Errorf("%q: %s", files, &p.stderr)
	}
	for _, task := range []string{"nobody", "65534"} { // by name and by number
		if _, err := confine.LookupUser(task); err != nil {
			t.Errorf("%s: %v", task, err)
		}
	}
}
