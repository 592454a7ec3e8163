package pcapfile

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pfsight/capture/packet"
)

// TestShortFiles opens every prefix of the beginning of a capture, plain and
// compressed, with an Options.Other.
func TestShortFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "short")
	detected := 0
	other := &Other{Detect: func([]byte, bool) (is, more bool) {
		detected++
		return false, true
	}}
	for name, whole := range map[string][]byte{
		"pcap": synthetic(t, 1, 3, 1000), "pcapng": toNG(t, synthetic(t, 1, 3, 1000)), "nothing known": bytes.Repeat([]byte{7}, 64),
		"a section without a byte order": append([]byte{0x0a, 0x0d, 0x0d, 0x0a}, make([]byte, 60)...),
	} {
		for n := range 64 {
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			_, _ = z.Write(whole[:n])
			_ = z.Close()
			for _, b := range [][]byte{whole[:n], packed.Bytes()} {
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				s, err := Open([]string{path}, Options{Other: other})
				if err == nil {
					var batch packet.Batch
					for s.Next(&batch) == nil {
					}
					s.Close()
				}
				if err == nil && name == "nothing known" {
					t.Errorf("%s: the first %d bytes open as a capture", name, n)
				}
			}
		}
	}
	if detected == 0 {
		t.Error("Other.Detect was never called")
	}
}

// TestLinkedFolders reads folders through symbolic links, including a cycle.
func TestLinkedFolders(t *testing.T) {
	root := t.TempDir()
	dir, sub := filepath.Join(root, "dir"), filepath.Join(root, "dir", "sub")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, path := range []string{filepath.Join(dir, "a.pcap"), filepath.Join(sub, "b.pcap")} {
		if err := os.WriteFile(path, synthetic(t, 1, 3, 1000*(i+1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		filepath.Join(root, "link"):   "dir",
		filepath.Join(sub, "up"):      "..",
		filepath.Join(sub, "self"):    ".",
		filepath.Join(sub, "nowhere"): "gone",
		filepath.Join(dir, "again"):   "sub",
	} {
		if err := os.Symlink(to, link); err != nil {
			t.Skip(err)
		}
	}
	for _, c := range []struct {
		recursive bool
		names     []string
	}{{false, []string{"a.pcap"}}, {true, []string{"a.pcap", "b.pcap"}}} {
		s, err := Open([]string{filepath.Join(root, "link")}, Options{Recursive: c.recursive})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		var b packet.Batch
		for s.Next(&b) == nil {
			names = append(names, filepath.Base(b.Name))
		}
		slices.Sort(names)
		if !slices.Equal(names, c.names) || len(s.Problems()) > 0 {
			t.Errorf("recursive %v: got %v, problems %v; want %v", c.recursive, names, s.Problems(), c.names)
		}
		if got := folderNames(filepath.Join(root, "link"), c.recursive); len(got) != len(c.names) {
			t.Errorf("recursive %v: follows %v; want %v", c.recursive, got, c.names)
		}
	}
}
