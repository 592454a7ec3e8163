//go:build unix

package confine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestReadAgain says which files a configuration in a wide folder leads to.
func TestReadAgain(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "archive")
	liveDir := filepath.Join(dir, "live")
	for _, d := range []string{archive, liveDir} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(archive, "key1.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(liveDir, "key.pem")
	if err := os.Symlink("../archive/key1.pem", link); err != nil {
		t.Fatal(err)
	}
	var said []string
	warn := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	var n Needs
	n.ReadAgain(link, warn)
	if !slices.Equal(n.Read, []string{liveDir, archive}) || len(said) > 0 {
		t.Errorf("%q, said %q", n.Read, said)
	}
	n = Needs{}
	n.ReadAgain("/etc/hostname", warn)
	if !slices.Equal(n.Read, []string{"/etc/hostname", "/etc/hostname"}) || len(said) != 1 {
		t.Errorf("%q, said %q", n.Read, said)
	}
}
