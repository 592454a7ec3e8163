package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows says which packages of this project a room may import; what is not
// in the table may import none.
var arrows = map[string][]string{
	"capture/stream":        {},
	"capture/packet":        {},
	"capture/pcapfile":      {"capture/packet"},
	"capture/filter":        {"capture/packet"},
	"capture/live":          {"capture/filter", "capture/packet"},
	"capture/live/livetest": {},
	"capture/frametest":     {"capture/packet"},
	"capture":               {"capture/stream", "capture/packet"},
	"parse":                 {"capture/stream", "parse/"},
	"report":                {"capture/stream", "parse", "parse/bounded", "parse/iana", "parse/fingerprint", "report/secrecy"},
	"report/policy":         {"parse/iana", "report/suggest", "report/secrecy", "report/wrap"},
	"report/suggest":        {},
	"report/wrap":           {},
	"report/policy/gen":     {"report/policy"},
	"report/secrecy":        {"capture/stream", "parse", "parse/iana"},
	"report/metrics":        {"parse/iana", "report", "report/secrecy"},
	"report/render":         {"capture/stream", "parse", "parse/iana", "report", "report/schema", "report/secrecy", "report/diff", "report/impact", "report/policy", "report/wrap"},
	"report/parquet":        {},
	"report/record":         {"capture/stream", "report", "report/schema", "report/secrecy"},
	"report/schema":         {"capture/stream", "parse", "parse/iana", "report", "report/secrecy"},
	"report/where":          {"parse/iana", "report", "report/suggest", "report/schema", "report/secrecy"},
	"parse/iana":            {},
	"parse/iana/gen":        {},
	"parse/dtls":            {"capture/stream", "parse/bounded", "parse/turn"},
	"parse/bounded":         {},
	"parse/turn":            {"capture/stream", "parse/bounded"},
	"parse/quic":            {"capture/stream", "parse/bounded"},
	"parse/eap":             {"capture/stream", "parse/bounded"},
	"parse/openvpn":         {"capture/stream", "parse/bounded"},
	"parse/rdpudp":          {"capture/stream"},
	"parse/fingerprint":     {},
	"parse/starttls":        {"capture/stream"},
	"cmd/pfsight":           {"cmd/pfsight/docs", "capture", "capture/", "parse", "parse/", "report", "report/"},
	"report/diff":           {"parse/iana", "report", "report/secrecy"},
	"report/impact":         {"parse/iana", "report", "report/policy", "report/secrecy"},

	"cmd/pfsight/docs":          {},
	"cmd/pfsight/internal/laws": {"capture/packet", "capture/pcapfile"},
	"cmd/pfsight/dist/notices":  {},
}

// rooms says where a library of others may be used: one library, one room.
var rooms = map[string][]string{
	"github.com/klauspost/compress":           {"capture/pcapfile", "report/parquet"},
	"github.com/pierrec/lz4/v4":               {"capture/pcapfile", "report/parquet"},
	"github.com/andybalholm/brotli":           {"report/parquet"},
	"github.com/ulikunitz/xz":                 {"capture/pcapfile"},
	"golang.org/x/crypto/cryptobyte":          {"parse", "parse/dtls", "parse/quic", "parse/starttls"},
	"github.com/parquet-go/parquet-go":        {"report/render"},
	"github.com/olekukonko/tablewriter":       {"report/render"},
	"github.com/spf13/":                       {"cmd/pfsight"},
	"golang.org/x/term":                       {"cmd/pfsight"},
	"github.com/prometheus/client_golang/":    {"report/metrics"},
	"github.com/prometheus/exporter-toolkit/": {"cmd/pfsight"},
	"go.yaml.in/yaml/v3":                      {"report/policy", "cmd/pfsight"},
	"github.com/google/gopacket":              {"capture/live", "capture/frametest"},
	"github.com/landlock-lsm/go-landlock":     {"cmd/pfsight"},
	"kernel.org/pub/linux/libs/security/":     {"cmd/pfsight"},
	"golang.org/x/sys/unix":                   {"capture/pcapfile", "capture/live", "capture/live/livetest", "cmd/pfsight"},
	"golang.org/x/crypto/bcrypt":              {"cmd/pfsight"},
	"github.com/clipperhouse/displaywidth":    {"cmd/pfsight"},
	"charm.land/bubbletea/v2":                 {"cmd/pfsight"},
}

// TestArrows reads the imports of all sources but those of tests.
func TestArrows(t *testing.T) {
	root := "../.."
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != root) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		room := filepath.ToSlash(rel)
		seen[room] = true
		allowed, known := arrows[room]
		if !known {
			t.Errorf("%s is in no room of the table", room)
		}
		for _, i := range f.Imports {
			name, _ := strconv.Unquote(i.Path.Value)
			if own, ok := strings.CutPrefix(name, "pfsight/"); ok {
				if !slices.ContainsFunc(allowed, func(a string) bool { return own == a || strings.HasSuffix(a, "/") && strings.HasPrefix(own, a) }) {
					t.Errorf("%s imports %s", room, own)
				}
				continue
			}
			if !strings.Contains(strings.SplitN(name, "/", 2)[0], ".") {
				continue // the standard library
			}
			found := false
			for lib, where := range rooms {
				if strings.HasPrefix(name, lib) {
					found = true
					if !slices.Contains(where, room) {
						t.Errorf("%s uses %s", room, name)
					}
				}
			}
			if !found {
				t.Errorf("%s uses %s, which has no room", room, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) < 8 {
		t.Errorf("only %d packages were read", len(seen))
	}
}
