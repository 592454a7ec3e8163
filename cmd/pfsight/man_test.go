package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pfsight/cmd/pfsight/docs"
)

// TestManual writes the manual pages. There is one for each command and topic,
// no text in them is a request, and mandoc finds no fault.
func TestManual(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1795889044")
	dir := filepath.Join(t.TempDir(), "man")
	if code, out, stderr := pfsight(t, "", "man", dir); code != 0 || out != "" || stderr != "" {
		t.Fatalf("exit %d, %q, %q", code, out, stderr)
	}
	request := regexp.MustCompile(`^\.(TH|SH|SS|PP|IP|TP|BR|RS|RE|nf|fi|nh|ad|br|\\")( |$)`)
	pages, err := filepath.Glob(dir + "/*")
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), ` "2026-11-28" "pfsight `) {
			t.Errorf("%s: not the date of SOURCE_DATE_EPOCH: %.200s", page, b)
		}
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "'") || strings.HasPrefix(line, ".") && !request.MatchString(line) {
				t.Errorf("%s: text that is a request: %s", page, line)
			}
		}
	}
	for _, topic := range docs.Topics() {
		if _, err := os.Stat(filepath.Join(dir, "pfsight-"+topic.Name+".7")); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"pfsight", "pfsight-read", "pfsight-live", "pfsight-policies-show", "pfsight-completion-bash"} {
		if _, err := os.Stat(filepath.Join(dir, name+".1")); err != nil {
			t.Error(err)
		}
	}
	if _, out, _ := pfsight(t, "", "--help"); strings.Contains(out, "\n  man ") {
		t.Error("the help lists the command that packagers use")
	}

	lint, err := exec.LookPath("mandoc")
	if err != nil {
		t.Skip("mandoc is not here")
	}
	if out, _ := exec.Command(lint, append([]string{"-Tlint", "-Wwarning"}, pages...)...).CombinedOutput(); len(out) > 0 {
		t.Errorf("mandoc: %s", out)
	}
}

// TestManualDate refuses a date that is none.
func TestManualDate(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if code, _, stderr := pfsight(t, "", "man", t.TempDir()); code != exitFailed || !strings.Contains(stderr, "not a number of seconds") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

// TestTopicsOf holds the topics that commands refer to.
func TestTopicsOf(t *testing.T) {
	top := newRoot(newApp(nil, nil, nil))
	for path, topics := range topicsOf {
		if cmd, rest, err := top.Find(strings.Fields(path)[1:]); err != nil || len(rest) > 0 || cmd.CommandPath() != path {
			t.Errorf("%s: no such command", path)
		}
		for _, name := range topics {
			if _, ok := docs.Lookup(name); !ok {
				t.Errorf("%s: no topic %s", path, name)
			}
		}
	}
	for _, topic := range docs.Topics() {
		if cmd, _, err := top.Find([]string{topic.Name}); err == nil && cmd != top {
			t.Errorf("%s is a command too", topic.Name)
		}
	}
}

// TestReleaseScripts checks the syntax of the scripts of a release.
func TestReleaseScripts(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("sh is not here")
	}
	scripts := []string{"dist/release.sh", "dist/debian/postinst", "dist/debian/prerm", "dist/debian/postrm", "docs/picture.sh"}
	for _, script := range scripts {
		if out, err := exec.Command(sh, "-n", script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
	if check, err := exec.LookPath("shellcheck"); err == nil {
		if out, err := exec.Command(check, scripts...).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// TestRelease builds the release files for this platform twice and compares
// them. It takes minutes: PFSIGHT_RELEASE=1 runs it.
func TestRelease(t *testing.T) {
	if os.Getenv("PFSIGHT_RELEASE") == "" {
		t.Skip("it builds the program several times; PFSIGHT_RELEASE=1 runs it")
	}
	dir := t.TempDir()
	cmd := exec.Command("dist/release.sh", "--verify", dir)
	if os.Getenv("PLATFORMS") == "" {
		cmd.Env = append(os.Environ(), "PLATFORMS=linux-amd64")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(sums), "-linux-amd64.tar.gz") && os.Getenv("PLATFORMS") == "" {
		t.Errorf("SHA256SUMS has no archive: %s", sums)
	}
}
