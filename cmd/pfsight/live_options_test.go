package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pfsight/cmd/pfsight/internal/testutil"
)

// TestSinkOptions checks the errors of flags of outputs.
func TestSinkOptions(t *testing.T) {
	dir := t.TempDir()
	_, _, ca := testutil.Authority(t, "127.0.0.1")
	file, empty := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "empty.pem")
	if err := errors.Join(os.WriteFile(file, ca, 0o600), os.WriteFile(empty, []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--sink-ca", file}, "tls:HOST:PORT"},
		{[]string{"-o", "tls:127.0.0.1:1", "--sink-ca", empty}, "no certificate"},
		{[]string{"-o", "tls:127.0.0.1:1", "--sink-ca", file + "x"}, "no such file"},
		{[]string{"-o", "tls:127.0.0.1"}, "a host and a port"},
		{[]string{"-o", "tcp:1"}, "a host and a port"},
		{[]string{"-o", "x", "--rotate-keep", "3"}, "need --rotate-size or --rotate-every"},
		{[]string{"-o", "x", "--rotate-every", "1h", "--rotate-keep", "-3"}, "at least 1"},
		{[]string{"-o", "x", "--rotate-every", "1h", "--rotate-keep-for", "-3s"}, "720h"},
		{[]string{"-o", "x", "--rotate-every", "1h", "--rotate-keep-size", "much"}, "512M"},
	} {
		code, out, stderr := pfsight(t, "", append([]string{"live", "-i", "lo"}, c.args...)...)
		if code != 2 || out != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit %d\n%s\n%s", c.args, code, out, stderr)
		}
	}
}
