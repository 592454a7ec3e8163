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

// arrows lists the packages of this project that each room may import. A room
// that is not in the table fails the test. A name that ends in a slash allows
// all packages below it.
var arrows = map[string][]string{
	"capture/stream":        {},
	"capture/packet":        {},
	"capture/pcapfile":      {"capture/packet"},
	"capture/filter":        {"capture/packet"},
	"capture/live":          {"capture/filter", "capture/packet", "capture/stream"},
	"capture/live/livetest": {},
	"capture/frametest":     {"capture/packet"},
	"capture":               {"capture/stream", "capture/packet"},
	"parse":                 {"capture/stream", "parse/"},
	"report":                {"capture/stream", "parse", "parse/bounded", "parse/iana", "parse/fingerprint", "report/secrecy"},
	"report/policy":         {"parse/iana", "report/suggest", "report/secrecy", "report/visible", "report/wrap"},
	"report/suggest":        {},
	"report/visible":        {},
	"report/wrap":           {},
	"report/policy/gen":     {"report/policy"},
	"report/secrecy":        {"capture/stream", "parse", "parse/iana"},
	"report/metrics":        {"capture/stream", "parse/iana", "report", "report/secrecy"},
	"report/render":         {"capture/stream", "parse", "parse/iana", "report", "report/schema", "report/secrecy", "report/diff", "report/impact", "report/policy", "report/visible", "report/wrap"},
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
	"cmd/pfsight":           {"cmd/pfsight/docs", "capture", "capture/", "parse/", "report", "report/", "cmd/pfsight/internal/"},
	"report/diff":           {"parse/iana", "report", "report/secrecy"},
	"report/impact":         {"parse/iana", "report", "report/policy", "report/secrecy"},

	"cmd/pfsight/docs":               {"report/wrap"},
	"cmd/pfsight/internal/process":   {"report/render"},
	"cmd/pfsight/internal/terminal":  {},
	"cmd/pfsight/internal/memory":    {},
	"cmd/pfsight/internal/output":    {"cmd/pfsight/internal/process"},
	"cmd/pfsight/internal/confine":   {},
	"cmd/pfsight/internal/rows":      {"capture", "capture/filter", "capture/packet", "capture/stream", "parse", "report"},
	"cmd/pfsight/internal/analyze":   {"capture", "capture/pcapfile", "parse", "report", "report/parquet", "report/record", "report/render", "report/where", "cmd/pfsight/internal/memory", "cmd/pfsight/internal/rows"},
	"cmd/pfsight/internal/livestate": {"capture", "capture/stream", "report", "report/metrics", "report/render", "report/secrecy", "cmd/pfsight/internal/rows"},
	"cmd/pfsight/internal/sink":      {"report/render", "cmd/pfsight/internal/confine", "cmd/pfsight/internal/process"},
	"cmd/pfsight/internal/web":       {"report", "report/render", "report/secrecy", "report/where", "cmd/pfsight/internal/livestate", "cmd/pfsight/internal/process"},
	"cmd/pfsight/internal/tui":       {"report", "report/render", "report/secrecy", "cmd/pfsight/internal/livestate", "cmd/pfsight/internal/terminal"},
	"cmd/pfsight/internal/sensor":    {"capture", "capture/", "parse", "report", "report/render", "report/secrecy", "report/where", "cmd/pfsight/internal/"},
	"cmd/pfsight/internal/demo":      {"capture", "capture/pcapfile", "capture/stream", "parse", "report", "report/secrecy", "cmd/pfsight/internal/livestate", "cmd/pfsight/internal/rows"},
	"cmd/pfsight/internal/testutil":  {},
	"cmd/pfsight/internal/demo/show": {"cmd/pfsight/internal/demo", "cmd/pfsight/internal/livestate", "cmd/pfsight/internal/tui", "cmd/pfsight/internal/web"},

	"cmd/pfsight/internal/laws": {"capture/packet", "capture/pcapfile"},
	"cmd/pfsight/dist/notices":  {},
}

// rooms lists the rooms that may import each third-party package.
var rooms = map[string][]string{
	"github.com/klauspost/compress":           {"capture/pcapfile", "report/parquet"},
	"github.com/pierrec/lz4/v4":               {"capture/pcapfile", "report/parquet"},
	"github.com/andybalholm/brotli":           {"report/parquet"},
	"github.com/ulikunitz/xz":                 {"capture/pcapfile"},
	"golang.org/x/crypto/cryptobyte":          {"parse", "parse/dtls", "parse/quic", "parse/starttls"},
	"github.com/parquet-go/parquet-go":        {"report/render"},
	"github.com/olekukonko/tablewriter":       {"report/render"},
	"github.com/spf13/":                       {"cmd/pfsight"},
	"golang.org/x/term":                       {"cmd/pfsight/internal/terminal"},
	"github.com/prometheus/client_golang/":    {"report/metrics"},
	"github.com/prometheus/exporter-toolkit/": {"cmd/pfsight/internal/web"},
	"go.yaml.in/yaml/v3":                      {"report/policy", "cmd/pfsight/internal/web"},
	"github.com/google/gopacket":              {"capture/live", "capture/frametest"},
	"github.com/landlock-lsm/go-landlock":     {"cmd/pfsight/internal/confine"},
	"kernel.org/pub/linux/libs/security/":     {"cmd/pfsight/internal/confine"},
	"golang.org/x/sys/unix":                   {"capture/pcapfile", "capture/live", "capture/live/livetest", "cmd/pfsight/internal/confine"},
	"golang.org/x/crypto/bcrypt":              {"cmd/pfsight/internal/web", "cmd/pfsight/internal/testutil"},
	"github.com/clipperhouse/displaywidth":    {"cmd/pfsight/internal/tui"},
	"charm.land/bubbletea/v2":                 {"cmd/pfsight/internal/tui"},
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
