package policy_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pfsight/capture"
	"pfsight/capture/pcapfile"
	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/parse/iana"
	. "pfsight/report/policy"
	"pfsight/report/secrecy"
)

// A realHello is a ClientHello from a capture.
type realHello struct {
	raw   []byte // the handshake message
	hello *Hello
	from  string // the capture
	// flaw says what is malformed or forbidden in it, so that a server may
	// refuse it under any policy; "" for nothing.
	flaw  string
	named bool // it has server_name
	early bool // it has early_data
}

// corpus returns the distinct ClientHellos over TCP in the captures below the
// directories. Random values and server names do not make a ClientHello
// distinct.
func corpus(t testing.TB, folders ...string) []realHello {
	t.Helper()
	var paths []string
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && slices.Contains([]string{".pcap", ".pcapng", ".cap", ".gz"}, filepath.Ext(path)) {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(paths)
	c := &collector{seen: map[[32]byte]bool{}}
	for _, path := range paths {
		src, err := pcapfile.Open([]string{path}, pcapfile.Options{})
		if err != nil {
			continue // the directory of malformed captures
		}
		c.from = path
		all := parse.NewInspector(0)
		tcpOnly := stream.Inspector{Ask: all.Ask, SniffTCP: all.SniffTCP}
		if _, err := capture.Run(context.Background(), src, capture.Options{Inspector: tcpOnly}, c); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		src.Close()
	}
	return c.found
}

// A collector is a capture.Sink that keeps ClientHellos.
type collector struct {
	parser parse.Parser
	seen   map[[32]byte]bool
	found  []realHello
	from   string
}

func (c *collector) Emit(*capture.Stats) {}

func (c *collector) Take(events []capture.Event) {
	for _, e := range events {
		if e.Opening == nil || e.Opening.Transport != stream.TCP {
			continue
		}
		h := c.parser.Parse(e.Opening)
		if h == nil || h.ClientHello == nil {
			continue
		}
		ch := h.ClientHello
		if h.FirstHelloUnseen {
			continue // a second ClientHello is no question of its own
		}
		if h.FirstHello != nil {
			ch = h.FirstHello
		}
		half := &e.Opening.Half[stream.ToServer]
		if h.Swapped {
			half = &e.Opening.Half[stream.ToClient]
		}
		if ch.Incomplete || len(half.Gaps) > 0 || len(ch.Extensions) == 0 && ch.Length == 0 {
			continue
		}
		raw := helloMessage(half.Data, ch.Offset)
		if raw == nil || len(raw) != 4+ch.Length {
			continue
		}
		key := helloKey(ch)
		if c.seen[key] {
			continue
		}
		c.seen[key] = true
		c.found = append(c.found, realHello{slices.Clone(raw), helloOf(ch), c.from, flaw(ch, h.Problems), ch.HasServerName, ch.EarlyData})
	}
}

// helloOf returns a complete ClientHello in the form that policies answer.
func helloOf(ch *parse.ClientHello) *Hello {
	h := &Hello{
		Versions: slices.Clone(ch.Versions), HasVersions: len(ch.Versions) > 0, Suites: slices.Clone(ch.CipherSuites),
		Groups: slices.Clone(ch.Groups), HasGroups: ch.HasGroups,
		Signatures: slices.Clone(ch.SignatureSchemes), HasSignatures: len(ch.SignatureSchemes) > 0,
		PSKModes:          slices.Clone(ch.PSKModes),
		NoPointFormat:     len(ch.PointFormats) > 0 && !slices.Contains(ch.PointFormats, 0),
		ExtendedMaster:    secrecy.TriOf(ch.ExtendedMaster),
		RenegotiationInfo: secrecy.TriOf(ch.RenegotiationInfo),
	}
	if !h.HasVersions {
		h.Versions = []iana.Version{ch.LegacyVersion}
	}
	for _, s := range ch.KeyShares {
		h.KeyShares = append(h.KeyShares, s.Group)
	}
	for _, a := range ch.ALPN {
		h.ALPN = append(h.ALPN, string(a))
	}
	return h
}

// flaw checks what RFC 8446 sections 4.1.2 and 4.2 forbid. Hellos made by hand
// or for tests often violate it.
func flaw(ch *parse.ClientHello, problems []parse.Problem) string {
	for _, p := range problems {
		if strings.HasPrefix(p.Field, "client_hello") {
			return "malformed: " + p.Field
		}
	}
	if !slices.Contains(ch.Compression, 0) {
		return "without null compression"
	}
	for i, e := range ch.Extensions {
		for _, o := range ch.Extensions[:i] {
			if o.Type == e.Type && !e.Type.IsGREASE() {
				return "an extension twice"
			}
		}
		switch {
		case e.Type == iana.ExtPreSharedKey && i < len(ch.Extensions)-1:
			return "pre_shared_key is not last"
		case len(e.Data) == 0 && slices.Contains([]iana.ExtensionType{iana.ExtSupportedGroups, iana.ExtSignatureAlgorithms, iana.ExtPointFormats, iana.ExtKeyShare, iana.ExtSupportedVersions, iana.ExtPSKModes, iana.ExtALPN}, e.Type):
			return "an empty list"
		}
	}
	tls13 := slices.Contains(ch.Versions, iana.TLS13)
	for i, k := range ch.KeyShares {
		if !slices.Contains(ch.Groups, k.Group) && tls13 {
			return "a key share of a group that is not named"
		}
		for _, o := range ch.KeyShares[:i] {
			if o.Group == k.Group {
				return "a key share twice"
			}
		}
		if n := map[iana.Group]int{x25519: 32, p256: 65, p384: 97, 0x19: 133, hybrid: 1216}[k.Group]; n != 0 && n != len(k.Data) {
			return "a key share of a wrong length"
		}
	}
	if ch.HasPSK && !slices.ContainsFunc(ch.Extensions, func(e parse.Extension) bool { return e.Type == iana.ExtPSKModes }) {
		return "pre_shared_key without psk_key_exchange_modes"
	}
	if tls13 && ch.HasKeyShare != ch.HasGroups {
		return "one of supported_groups and key_share alone"
	}
	return ""
}

// helloKey returns a key of everything that a server's choice may depend on. It
// excludes random values, the server name, and the values of key shares,
// tickets, binders and padding.
func helloKey(ch *parse.ClientHello) [32]byte {
	b := fmt.Appendf(nil, "%v %v %v %v %v", ch.LegacyVersion, ch.Compression, ch.PointFormats, ch.PSKModes, ch.ALPN)
	b = appendPlain(b, ch.CipherSuites)
	b = appendPlain(b, ch.Versions)
	b = appendPlain(b, ch.Groups)
	b = appendPlain(b, ch.SignatureSchemes)
	for _, k := range ch.KeyShares {
		b = appendPlain(b, []iana.Group{k.Group})
	}
	for _, e := range ch.Extensions {
		b = appendPlain(b, []iana.ExtensionType{e.Type})
	}
	return sha256.Sum256(b)
}

// appendPlain appends the values, with all GREASE values replaced by one.
func appendPlain[T ~uint16](b []byte, list []T) []byte {
	b = append(b, ' ')
	for _, v := range list {
		if iana.CipherSuite(v).IsGREASE() {
			v = 0x0a0a
		}
		b = binary.BigEndian.AppendUint16(b, uint16(v))
	}
	return b
}

// helloMessage returns the handshake message that begins at off, reassembled
// from its records; nil if that is not simple.
func helloMessage(data []byte, off int) []byte {
	at := off - 5 // of the record header
	if at < 0 || data[at] != 22 {
		return nil
	}
	var msg []byte
	for at+5 <= len(data) && data[at] == 22 {
		n := int(binary.BigEndian.Uint16(data[at+3:]))
		if at+5+n > len(data) {
			return nil
		}
		msg = append(msg, data[at+5:at+5+n]...)
		if len(msg) >= 4 {
			if want := 4 + int(msg[1])<<16 + int(msg[2])<<8 + int(msg[3]); len(msg) >= want {
				return msg[:want]
			}
		}
		at += 5 + n
	}
	return nil
}

func TestCorpus(t *testing.T) {
	folders := []string{"../../testdata/captures"}
	if f := os.Getenv("PFSIGHT_HELLOS"); f != "" {
		folders = append(folders, filepath.SplitList(f)...)
	}
	for _, f := range folders {
		list := corpus(t, f)
		n := map[string]bool{}
		for _, h := range list {
			n[fmt.Sprintf("%+v", *h.hello)] = true
		}
		t.Logf("%s: %d ClientHellos, %d offers", f, len(list), len(n))
		if len(list) == 0 {
			t.Error("none")
		}
	}
}
