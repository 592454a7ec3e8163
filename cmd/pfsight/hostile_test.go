package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"

	"pfsight/report/policy"
)

// hostileMemory is the --memory of hostile runs.
const hostileMemory = "64M"

// A hostileKind is a kind of content, and the command lines that read it.
type hostileKind struct {
	name string
	good [][]byte
	ways [][]string
}

// Placeholders in command lines.
const (
	asFile  = "FILE"  // the path of the content
	asText  = "TEXT"  // the content itself
	asOther = "OTHER" // the path of a good capture
	asSaved = "SAVED" // the path of good records
	asOut   = "OUT"   // a path without a file
)

// readWays are the command lines for captures and saved records. The last word
// never hides an error in the content.
var readWays = [][]string{
	{asFile}, {"read", "--connections", asFile}, {"--format", "jsonl", asFile}, {"--format", "json", "-j", "1", asFile}, {"--format", "csv", asFile}, {"--format", "html", asFile},
	{"--format", "markdown", asFile}, {"--connections", "--format", "markdown", asFile}, {"--format", "parquet", "-o", asOut, asFile}, {"--stats", asFile}, {"--format", "jsonl", "-"},
	{"-f", "tcp port 443 or udp and not net 10.1.0.0/16", asFile}, {"-c", "3", "--format", "jsonl", asFile}, {"--where", "forward_secrecy == no or server_name contains e", asFile},
	{"--format", "jsonl", asFile, asOther}, {asSaved, asFile}, {"diff", asFile, asOther}, {"diff", "--format", "json", asSaved, asFile}, {"diff", "--format", "csv", "-", asFile},
	{"impact", "--policy", "tls13-only", "--format", "json", asFile}, {"impact", "--policy", "mozilla-intermediate-6-0", "--advise", asFile}, {"impact", "--advise", "--config", "nginx", "--format", "csv", asFile},
}

var policyWays = [][]string{
	{"policies", "show", asFile}, {"policies", "show", "--yaml", asFile}, {"policies", "show", "--config", "nginx", asFile}, {"policies", "show", "--config", "haproxy", asFile},
	{"policies", "show", "--config", "apache", asFile}, {"impact", "--policy", asFile, "--format", "json", asSaved}, {"impact", "--policy", asFile, "--advise", asOther},
	{"live", "-i", "no-such-interface", "--listen", "127.0.0.1:0", "--web-config", asFile},
}

// textWays are the command lines for text arguments. None may name a file to
// write, an existing interface, or a run without end.
var textWays = [][]string{
	{"-f", asText, asOther}, {"--where", asText, asSaved}, {"diff", "--where", asText, asSaved, asOther}, {"impact", "--policy", "tls13-only", "-f", asText, asOther},
	{"live", "-i", "no-such-interface", "-f", asText}, {"live", "-i", "no-such-interface", "--where", asText}, {"live", "-i", "no-such-interface", "--block-size", asText},
	{"explain", asText}, {"policies", "show", asText}, {"policies", asText}, {"--format", asText, asOther}, {"impact", "--policy", "tls13-only", "--certificate", asText, asSaved},
	{"impact", "--policy", "tls13-only", "--fail-on", "breaks", "--max-breaking", asText, asSaved}, {"diff", "--fail-on", asText, asSaved, asSaved}, {"read", asText}, {"--top", asText, asSaved}, {"-j", asText, asSaved}, {"-c", asText, asOther},
	{"--width", asText, asSaved}, {"--memory", asText, asSaved}, {"--color", asText, asSaved}, {"__complete", asText, ""},
}

// A hostileCorpus holds good contents of every kind.
var hostileCorpus = sync.OnceValue(func() (c struct {
	kinds        []hostileKind
	other, saved []byte
}) {
	paths, _ := filepath.Glob(captures + "/*.pcap")
	bad, _ := filepath.Glob(captures + "/bad/*.pcap")
	var pcaps [][]byte
	for _, path := range slices.Concat(paths, bad) {
		if b, err := os.ReadFile(path); err == nil && len(b) < 64<<10 {
			pcaps = append(pcaps, b)
		}
	}
	made := func(args ...string) []byte {
		var out bytes.Buffer
		run(args, strings.NewReader(""), &out, new(bytes.Buffer))
		return out.Bytes()
	}
	c.other, _ = os.ReadFile(rsa)
	c.saved = made("--format", "jsonl", rsa, captures+"/dhe-psk.pcap")
	ng := [][]byte{}
	for i, b := range pcaps {
		if i%6 == 0 && bytes.HasPrefix(b, []byte{0xd4, 0xc3, 0xb2, 0xa1}) && len(b) > 40 {
			ng = append(ng, pcapng(b))
		}
	}
	var packed [][]byte
	for i := range 8 {
		packed = append(packed, pack(i, pcaps[i*7%len(pcaps)]), pack(i, c.saved))
	}
	var jsons, parquets [][]byte
	dir, err := os.MkdirTemp("", "hostile")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for i := 0; i+9 < len(paths); i += 9 {
		jsons = append(jsons, made(append([]string{"-q", "--format", "jsonl"}, paths[i:i+9]...)...), made(append([]string{"-q", "--format", "json"}, paths[i:i+3]...)...))
		file := filepath.Join(dir, "x.parquet")
		made("-q", "--format", "parquet", "-o", file, paths[i], paths[i+1])
		b, _ := os.ReadFile(file)
		parquets = append(parquets, b)
	}
	jsons = append(jsons, made("-q", "--format", "csv", paths[0]), bytes.ReplaceAll(c.saved, []byte(`{"time"`), []byte(`{"event":"handshake","connection":1,"time"`)))
	policies := [][]byte{
		[]byte("tls_server_config:\n  cert_file: a.pem\n  key_file: b.pem\nbasic_auth_users:\n  a: $2y$10$abcdefghijklmnopqrstuv\n"),
		[]byte("http { include /etc/*/*.conf; server { listen 443 ssl; server_name a b; ssl_ciphers HIGH:!aNULL:@SECLEVEL=1; ssl_conf_command Groups x25519:?secp256r1; } }\n"),
		[]byte("LoadModule ssl_module x\n<VirtualHost *:443>\nServerName a\nSSLEngine on\nSSLProtocol all -TLSv1\nSSLCipherSuite ALL:+RC4\nInclude conf.d/*\n</VirtualHost>\n"),
		[]byte("global\n ssl-default-bind-ciphers ALL\nfrontend x\n bind :443 ssl crt a no-sslv3 alpn h2\n"),
	}
	for i, p := range policy.Builtin() {
		if i%8 == 0 {
			policies = append(policies, made("policies", "show", "--yaml", p.Name))
			policies = append(policies, made("policies", "show", "--config", policy.ConfigKinds()[i%len(policy.ConfigKinds())], p.Name))
		}
	}
	texts := [][]byte{}
	for _, s := range []string{
		"tcp port 443", "ip6 and not (udp or icmp)", "tcp[((tcp[12]&0xf0)>>2)]=22", "host 10.0.0.1 and portrange 1-65535", "ether[12:2]==0x86dd", "vlan 3 and len > 100", "net 2001:db8::/32",
		"forward_secrecy == no and server_port == 443", `version < "TLS 1.2" or reasons has weak_dh`, "client_ip in 10.0.0.0/8 and not (outcome == rejected)", "server_name matches '^(a|b)+.*$'",
		"time >= 2026-11-24T12:00:00Z and cipher_suite in (0x002f, 0x0035)", "offered.groups has X25519MLKEM768", "0xc02f", "rsa_key_transport", "x25519", "tls13-only", "jsonl", "rsa,ecdsa", "0.1%",
		"512M", "80", "auto", "lost-server", "no-such-file",
	} {
		texts = append(texts, []byte(s))
	}
	c.kinds = []hostileKind{
		{"pcap", pcaps, readWays}, {"pcapng", ng, readWays}, {"compressed", packed, readWays}, {"json", jsons, readWays}, {"parquet", parquets, readWays}, {"policy", policies, policyWays}, {"text", texts, textWays},
	}
	return c
})

// pack compresses b in one of the supported formats.
func pack(how int, b []byte) []byte {
	var out bytes.Buffer
	switch how % 4 {
	case 0:
		w := gzip.NewWriter(&out)
		_, _ = w.Write(b)
		_ = w.Close()
	case 1:
		w, _ := zstd.NewWriter(&out)
		_, _ = w.Write(b)
		_ = w.Close()
	case 2:
		w, _ := xz.NewWriter(&out)
		_, _ = w.Write(b)
		_ = w.Close()
	default:
		w := lz4.NewWriter(&out)
		_, _ = w.Write(b)
		_ = w.Close()
	}
	return out.Bytes()
}

// A hostileCase is one run: a content and a command line.
type hostileCase struct {
	kind, way int
	content   []byte
}

func (c *hostileCase) String() string {
	k := &hostileCorpus().kinds[c.kind]
	return fmt.Sprintf("%s, %q, %d bytes", k.name, k.ways[c.way], len(c.content))
}

// hostile returns case n of a seed.
func hostile(seed, n uint64) hostileCase {
	r := rand.New(rand.NewPCG(seed, n))
	kinds := hostileCorpus().kinds
	c := hostileCase{kind: int(n) % len(kinds)}
	k := &kinds[c.kind]
	c.way = r.IntN(len(k.ways))
	m := &mutator{r, k.good}
	good := k.good[r.IntN(len(k.good))]
	switch {
	case k.name == "pcap" && r.IntN(3) > 0:
		c.content = m.packets(good)
		if r.IntN(3) == 0 {
			c.content = m.packets(append(c.content, k.good[r.IntN(len(k.good))]...))
		}
	case k.name == "compressed" && r.IntN(2) == 0: // the uncompressed content is hostile
		inner := kinds[[]int{0, 1, 3}[r.IntN(3)]].good
		c.content = pack(r.IntN(4), (&mutator{r, inner}).mutate(inner[r.IntN(len(inner))]))
	default:
		c.content = m.mutate(good)
	}
	return c
}

// check runs the case in dir and returns what the program did wrong, or "". A
// panic is not caught.
func (c *hostileCase) check(dir string) error {
	corpus := hostileCorpus()
	way := corpus.kinds[c.kind].ways[c.way]
	file, out := filepath.Join(dir, "hostile"), filepath.Join(dir, "out")
	if err := os.WriteFile(file, c.content, 0o600); err != nil {
		return err
	}
	_ = os.Remove(out)
	var args []string
	for _, w := range way {
		switch w {
		case asFile:
			w = file
		case asOut:
			w = out
		case asOther, asSaved:
			path, content := filepath.Join(dir, w), corpus.other
			if w == asSaved {
				content = corpus.saved
			}
			if _, err := os.Stat(path); err != nil {
				if err := os.WriteFile(path, content, 0o600); err != nil {
					return err
				}
			}
			w = path
		default:
			w = strings.ReplaceAll(w, asText, string(c.content))
		}
		args = append(args, w)
	}
	switch way[0] {
	case "policies", "explain", "live", "__complete":
	default:
		if !slices.Contains(way, "--memory") {
			args = slices.Insert(args, len(args)-1, "--memory", hostileMemory)
		}
	}
	stdout, stderr := &limitedBuffer{}, &limitedBuffer{}
	code := run(args, bytes.NewReader(c.content), stdout, stderr)
	text := stderr.String()
	switch {
	case code < exitDone || code > exitIncomplete:
		return fmt.Errorf("exit %d", code)
	case code == exitFailed && text == "" && way[0] != "__complete":
		return errors.New("exit 2 without a word")
	case code == exitIncomplete && text == "":
		return errors.New("exit 3 without a word")
	}
	// Completions end in a directive for the shell.
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		known := line == "" || way[0] == "__complete"
		for _, lead := range []string{"pfsight: ", "Try '", "  ", "\t"} {
			known = known || strings.HasPrefix(line, lead)
		}
		if !known && !slices.Contains(way, "--stats") {
			return fmt.Errorf("a message that is none: %q in %q", line, text)
		}
	}
	for name, s := range map[string]string{"standard output": stdout.String(), "standard error": text} {
		if !utf8.ValidString(s) {
			return fmt.Errorf("%s is not UTF-8: %.2000q", name, s)
		}
		// YAML and the help of completions have other rules.
		if i := strings.IndexFunc(s, func(r rune) bool {
			return r != '\n' && r != '\t' && r != '\r' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
		}); i >= 0 {
			return fmt.Errorf("%s has %q", name, s[max(0, i-200):min(len(s), i+50)])
		}
	}
	return c.again(dir, way, stdout, code)
}

// again reads written records back: they must be the same, without errors.
func (c *hostileCase) again(dir string, way []string, stdout *limitedBuffer, code int) error {
	i := slices.Index(way, "jsonl")
	if i < 0 || stdout.full || code == exitFailed {
		return nil
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(stdout.String(), "\n"), "\n") {
		if line != "" && !json.Valid([]byte(line)) {
			return fmt.Errorf("no JSON: %.2000q", line)
		}
	}
	if stdout.String() == "" {
		return nil
	}
	file := filepath.Join(dir, "again")
	if err := os.WriteFile(file, []byte(stdout.String()), 0o600); err != nil {
		return err
	}
	second, stderr := &limitedBuffer{}, &limitedBuffer{}
	if code := run([]string{"--format", "jsonl", "--memory", hostileMemory, file}, strings.NewReader(""), second, stderr); code != exitDone || second.String() != stdout.String() {
		a, b := strings.Split(stdout.String(), "\n"), strings.Split(second.String(), "\n")
		for i := range a {
			if i >= len(b) || a[i] != b[i] {
				b = append(b, make([]string, len(a))...)
				return fmt.Errorf("records read again: exit %d, %s: line %d\n%.3000s\n%.3000s", code, stderr.String(), i+1, a[i], b[i])
			}
		}
		return fmt.Errorf("records read again: exit %d, %s", code, stderr.String())
	}
	return nil
}

// A limitedBuffer keeps the first megabytes written to it.
type limitedBuffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	full bool
}

func (l *limitedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const most = 32 << 20
	if n := most - l.b.Len(); len(p) > n {
		l.full = true
		l.b.Write(p[:n])
		return len(p), nil
	}
	return l.b.Write(p)
}

func (l *limitedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestHostile runs the program on a few hostile files of each kind;
// TestHostileNightly runs it on many.
func TestHostile(t *testing.T) {
	count := uint64(1400)
	if testing.Short() || racing {
		count = 140
	}
	dir := t.TempDir()
	before, _ := os.ReadDir(".")
	defer func() {
		if after, _ := os.ReadDir("."); len(after) != len(before) {
			t.Errorf("%d files in the working folder, and %d before", len(after), len(before))
		}
	}()
	for n := range count {
		c := hostile(1, n)
		if err := c.check(dir); err != nil {
			t.Errorf("seed 1, %d: %v: %v", n, &c, err)
		}
	}
}

// FuzzHostile runs the program on arbitrary content of each kind.
func FuzzHostile(f *testing.F) {
	for i, k := range hostileCorpus().kinds {
		for j, b := range k.good {
			if j < 12 && len(b) < 8<<10 {
				f.Add(uint8(i), uint8(j), b)
			}
		}
	}
	for n := range uint64(70) {
		if c := hostile(2, n); len(c.content) < 8<<10 {
			f.Add(uint8(c.kind), uint8(c.way), c.content)
		}
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, kind, way uint8, content []byte) {
		if len(content) > mostHostile {
			return
		}
		kinds := hostileCorpus().kinds
		c := hostileCase{kind: int(kind) % len(kinds), content: content}
		c.way = int(way) % len(kinds[c.kind].ways)
		if err := c.check(dir); err != nil {
			t.Errorf("%v: %v", &c, err)
		}
	})
}
