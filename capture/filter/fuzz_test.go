package filter

import (
	"strings"
	"testing"
)

// FuzzCompile compiles any text. A compiled program must pass the checker, and
// must run on any frame.
func FuzzCompile(f *testing.F) {
	for i, e := range expressions() {
		f.Add(e, uint8(i))
	}
	packets := samplePackets(1)[:20]
	f.Fuzz(func(t *testing.T, expr string, which uint8) {
		if len(expr) > 1000 {
			return
		}
		p, err := Compile(expr, links[int(which)%len(links)].typ)
		if err != nil {
			if err.Error() == "" {
				t.Error("empty error message")
			}
			return
		}
		for _, b := range packets {
			p.Match(b, len(b))
		}
		p.Match(nil, 0)
	})
}

// FuzzMatch runs any bytecode that passes the checker.
func FuzzMatch(f *testing.F) {
	packets := samplePackets(1)
	for i, g := range readGolden(f) {
		if i%40 == 0 && g.code != "refused" {
			f.Add(g.code, packets[i%len(packets)])
		}
	}
	f.Add("2\n48 0 0 0\n22 0 0 0", []byte{1})
	f.Fuzz(func(t *testing.T, code string, packet []byte) {
		p, err := parseBytecode(code)
		if err != nil {
			return
		}
		if a, b := p.Match(packet, len(packet)), p.Match(packet, len(packet)); a != b {
			t.Error("two runs returned different answers")
		}
	})
}

func TestMatchAllocatesNothing(t *testing.T) {
	p, err := Compile("tcp port 443 and not net 10.0.0.0/8 or vlan 5", 1)
	if err != nil {
		t.Fatal(err)
	}
	b := samplePackets(1)[0]
	if n := testing.AllocsPerRun(1000, func() { p.Match(b, len(b)) }); n != 0 {
		t.Errorf("got %v allocations per packet, want 0", n)
	}
}

// TestErrors checks that errors name what is wrong.
func TestErrors(t *testing.T) {
	for expr, word := range map[string]string{
		"gateway foo":               "gateway",
		"host example.com":          "names are not looked up",
		"port 70000":                "70000",
		"mpls":                      "mpls",
		"tcp port 443 and (host":    "missing",
		strings.Repeat("(", 5000):   "deep",
		strings.Repeat("not ", 500): "deep",
	} {
		if _, err := Compile(expr, 1); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%.40q: got error %v, want %q in it", expr, err, word)
		}
	}
	for link, word := range map[uint32]string{195: "195", 65000: "65000", 1 << 20: "link type"} {
		if _, err := Compile("tcp", link); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("link type %d: got error %v, want one that names it", link, err)
		}
	}
	for _, expr := range []string{"vlan", "ether host 02:00:00:00:00:01", "broadcast"} {
		if _, err := Compile(expr, 101); err == nil {
			t.Errorf("%q compiles for raw IP, want an error", expr)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	p, err := Compile("tcp port 443 and not net 10.0.0.0/8", 1)
	if err != nil {
		b.Fatal(err)
	}
	packets := samplePackets(1)
	n := 0
	for _, x := range packets {
		n += len(x)
	}
	b.SetBytes(int64(n / len(packets)))
	b.ReportAllocs()
	for i := range b.N {
		x := packets[i%len(packets)]
		p.Match(x, len(x))
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		if _, err := Compile("tcp port 443 and not net 10.0.0.0/8", 1); err != nil {
			b.Fatal(err)
		}
	}
}
