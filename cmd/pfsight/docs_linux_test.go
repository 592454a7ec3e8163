package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A step is a command of a console block, and what it prints.
type step struct {
	command string
	output  []string
}

func steps(f fence) []step {
	var list []step
	for _, line := range f.lines {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			list = append(list, step{command: command})
			continue
		}
		if len(list) > 0 {
			list[len(list)-1].output = append(list[len(list)-1].output, line)
		}
	}
	return list
}

// TestDocs runs the commands of the console blocks in the README and the help
// topics, each document in a folder of its own, and compares what they print
// with what the document shows. With -update it writes the document instead.
// The blocks "sh needs ..." are skipped: the name says what they need.
func TestDocs(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("sh is not here")
	}
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := fmt.Sprintf("#!%s\n%s=1 exec %q \"$@\"\n", sh, asProgram, os.Args[0])
	if err := os.WriteFile(filepath.Join(bin, "pfsight"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, file := range documents(t) {
		_, all := fences(t, file)
		for _, f := range all {
			commands += len(steps(f))
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Symlink(filepath.Join(top, "testdata"), filepath.Join(dir, "testdata")); err != nil {
				t.Skip(err)
			}
			lines, blocks := fences(t, file)
			slices.Reverse(blocks) // so that a new output moves no block that is still to be written
			written := slices.Clone(lines)
			outputs := make([][]string, len(blocks))
			for i := len(blocks) - 1; i >= 0; i-- { // the order of the document
				f := blocks[i]
				if needs, ok := strings.CutPrefix(f.language, "sh needs "); ok {
					t.Run(fmt.Sprintf("line %d", f.line), func(t *testing.T) { t.Skip("it needs " + needs) })
					continue
				}
				if f.language != "console" {
					if f.language != "" {
						t.Errorf("%s:%d: a block is console, or sh with what it needs, not %q", file, f.line, f.language)
					}
					continue
				}
				for _, s := range steps(f) {
					got := runStep(t, sh, bin, dir, top, s.command)
					outputs[i] = append(append(outputs[i], "$ "+s.command), got...)
					if !*update && !slices.Equal(got, s.output) {
						t.Errorf("%s:%d: $ %s\ngot\n%s\nwant\n%s\n(-update writes what it prints)", file, f.line, s.command, strings.Join(got, "\n"), strings.Join(s.output, "\n"))
					}
				}
			}
			if !*update {
				return
			}
			for i, f := range blocks {
				if f.language == "console" {
					written = slices.Replace(written, f.first, f.last, outputs[i]...)
				}
			}
			if err := os.WriteFile(file, []byte(strings.Join(written, "\n")), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
	if commands < 20 {
		t.Errorf("the documents have only %d commands", commands)
	}
}

// runStep runs a command with pfsight from bin in its path, and returns the
// lines of its output, messages included. "go build" builds a package of the
// repository into the folder.
func runStep(t *testing.T, sh, bin, dir, top, command string) []string {
	t.Helper()
	cmd := exec.Command(sh, "-c", command)
	cmd.Dir = dir
	if pkg, ok := strings.CutPrefix(command, "go build "); ok {
		if _, err := exec.LookPath("go"); err != nil {
			t.Skip("go is not here")
		}
		cmd = exec.Command("go", "build", "-o", dir+"/", pkg)
		cmd.Dir = top
	}
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", command, err)
	}
	if len(out) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}
