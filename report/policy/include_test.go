package policy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestGlob compares glob with filepath.Glob.
func TestGlob(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/x.conf", "a/y.conf", "b/x.conf", "b/z[1].conf", "c/d/x.conf", "x.conf"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, pattern := range []string{"*", "*.conf", "*/*.conf", "?/x.conf", "[a-b]/*", "a/x.conf", "gone/*", "x.conf/*", "*/d/*", "a//x.conf", "a/../b/x.conf", `b/z\[1\].conf`, "", "["} {
		in := &includes{}
		got, err := in.glob(filepath.Join(dir, pattern))
		want, wantErr := filepath.Glob(filepath.Join(dir, pattern))
		slices.Sort(want)
		if !slices.Equal(got, want) || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: %q, %v; want %q, %v", pattern, got, err, want, wantErr)
		}
	}
}

// TestIncludeLimits exceeds every limit of includes.
func TestIncludeLimits(t *testing.T) {
	const tls = "server { listen 443 ssl; ssl_ciphers AES128-SHA; }\n"
	for name, c := range map[string]struct {
		want string // "": no error
		make func(write func(name, text string))
	}{
		"within": {"", func(write func(name, text string)) {
			write("main", tls+"include conf.d/*;\n")
			for i := range 100 {
				write(fmt.Sprintf("conf.d/%d", i), "# nothing\n")
			}
		}},
		"files": {"files", func(write func(name, text string)) {
			write("main", tls+"include conf.d/*;\n")
			for i := range maxIncludes + 1 {
				write(fmt.Sprintf("conf.d/%d", i), "")
			}
		}},
		"bytes": {"bytes", func(write func(name, text string)) {
			write("main", tls+"include conf.d/*;\n")
			for i := range 9 {
				write(fmt.Sprintf("conf.d/%d", i), strings.Repeat("#\n", maxFile/2))
			}
		}},
		"one file twice": {"bytes", func(write func(name, text string)) {
			write("main", tls+strings.Repeat("include big;\n", 20))
			write("big", strings.Repeat("#\n", maxFile/2))
		}},
		"a cycle of two": {"deeper", func(write func(name, text string)) {
			write("main", tls+"include a;\n")
			write("a", "include b;\n")
			write("b", "include a;\n")
		}},
		"a growing cycle": {"", func(write func(name, text string)) {
			write("main", tls+"include *;include *;\n")
			write("a", "include *;include *;\n")
		}},
		"names": {"directory entries", func(write func(name, text string)) {
			write("main", tls+strings.Repeat("include conf.d/x*;\n", 200))
			for i := range 400 {
				write(fmt.Sprintf("conf.d/%d", i), "")
			}
		}},
		"a pattern": {"longer", func(write func(name, text string)) {
			write("main", tls+"include "+strings.Repeat("*", maxPattern)+";\n")
		}},
		"a folder": {"", func(write func(name, text string)) { write("main", tls+"include conf.d;\n"); write("conf.d/a", "") }},
	} {
		dir := t.TempDir()
		c.make(func(name, text string) {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		})
		start := time.Now()
		_, err := Load(filepath.Join(dir, "main"))
		if name == "a growing cycle" {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		} else if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
	for _, text := range []string{tls + "include /*/*/*/*/*/*/*;\n", tls + "include /proc/*/*/*;\n"} {
		path := filepath.Join(t.TempDir(), "main")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, _ = Load(path)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: %v", text, took)
		}
	}
}
