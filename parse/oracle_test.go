package parse

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"pfsight/capture/stream"
)

// A said is a real handshake of crypto/tls: what both sides wrote, and what
// the library says of it.
type said struct {
	name   string
	half   [2][]byte
	hello  *tls.ClientHelloInfo
	state  tls.ConnectionState
	failed bool
}

// recorder keeps what is written.
type recorder struct {
	net.Conn
	mu  *sync.Mutex
	buf *[]byte
}

func (r recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	*r.buf = append(*r.buf, p...)
	r.mu.Unlock()
	return r.Conn.Write(p)
}

var handshakes = sync.OnceValue(func() []said {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"example.org"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	cert := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	var out []said
	play := func(name string, s, c *tls.Config) {
		x := said{name: name}
		s.Certificates = []tls.Certificate{cert}
		s.GetConfigForClient = func(i *tls.ClientHelloInfo) (*tls.Config, error) { x.hello = i; return nil, nil }
		c.InsecureSkipVerify, c.ServerName = true, "example.org"
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		a, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			panic(err)
		}
		b, err := l.Accept()
		if err != nil {
			panic(err)
		}
		l.Close()
		for _, c := range []net.Conn{a, b} {
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		}
		var mu sync.Mutex
		done := make(chan struct{})
		go func() {
			defer close(done)
			srv := tls.Server(recorder{b, &mu, &x.half[1]}, s)
			buf := make([]byte, 5)
			if _, err := io.ReadFull(srv, buf); err == nil {
				_, _ = srv.Write(buf)
			}
			b.Close()
		}()
		cli := tls.Client(recorder{a, &mu, &x.half[0]}, c)
		if _, err := cli.Write([]byte("hello")); err != nil {
			x.failed = true
		} else {
			_, _ = io.ReadFull(cli, make([]byte, 5))
		}
		x.state = cli.ConnectionState()
		a.Close()
		<-done
		out = append(out, x)
	}
	for _, v := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		play(tls.VersionName(v), &tls.Config{MinVersion: v, MaxVersion: v}, &tls.Config{MinVersion: tls.VersionTLS10, NextProtos: []string{"h2", "http/1.1"}})
	}
	for _, g := range []tls.CurveID{tls.CurveP256, tls.CurveP384, tls.CurveP521, tls.X25519, tls.X25519MLKEM768} {
		play(g.String(), &tls.Config{CurvePreferences: []tls.CurveID{g}}, &tls.Config{})
		play(g.String()+" after a retry", &tls.Config{CurvePreferences: []tls.CurveID{g}}, &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521, tls.X25519MLKEM768}})
	}
	for _, id := range tls.CipherSuites() {
		if !slices.Contains(id.SupportedVersions, tls.VersionTLS12) {
			continue
		}
		play(id.Name, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{id.ID}}, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{id.ID}})
	}
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s, c := &tls.Config{MaxVersion: v}, &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		play("first "+tls.VersionName(v), s, c)
		play("resumed "+tls.VersionName(v), s, c)
		play("client certificate "+tls.VersionName(v), &tls.Config{MaxVersion: v, ClientAuth: tls.RequireAnyClientCert}, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	play("no version", &tls.Config{MinVersion: tls.VersionTLS13}, &tls.Config{MaxVersion: tls.VersionTLS12})
	play("no protocol", &tls.Config{NextProtos: []string{"a"}}, &tls.Config{NextProtos: []string{"b"}})
	return out
})

// conversation makes a value as capture would: one mark for each half.
func conversation(client, server []byte) *stream.Conversation {
	c := &stream.Conversation{ID: 1, Client: netip.MustParseAddrPort("10.0.0.1:50000"), Server: netip.MustParseAddrPort("10.0.0.2:443"), ClientKnown: true}
	for d, b := range [][]byte{client, server} {
		h := &c.Half[d]
		h.Data, h.Packets, h.SYN, h.Want = b, 1, true, 1
		h.Marks = []stream.Mark{{To: uint32(len(b)), Packet: uint64(d + 1), Time: int64(d)}}
	}
	return c
}

func same[A, B ~uint16](a []A, b []B) bool {
	return slices.EqualFunc(a, b, func(x A, y B) bool { return uint16(x) == uint16(y) })
}

// TestOracle holds what is parsed against what crypto/tls says.
func TestOracle(t *testing.T) {
	for _, x := range handshakes() {
		t.Run(x.name, func(t *testing.T) {
			var p Parser
			h := p.Parse(conversation(x.half[0], x.half[1]))
			if h == nil || h.ClientHello == nil {
				t.Fatal("no ClientHello")
			}
			if len(h.Problems) > 0 {
				t.Errorf("problems: %v", h.Problems)
			}
			ch := h.ClientHello
			if !same(ch.CipherSuites, x.hello.CipherSuites) || !same(ch.Groups, x.hello.SupportedCurves) || !same(ch.SignatureSchemes, x.hello.SignatureSchemes) ||
				len(ch.Versions) > 0 && !same(ch.Versions, x.hello.SupportedVersions) || string(ch.ServerName) != x.hello.ServerName {
				t.Errorf("crypto/tls read %+v\nand we %+v", x.hello, ch)
			}
			var exts []uint16
			for _, e := range ch.Extensions {
				exts = append(exts, uint16(e.Type))
			}
			if !slices.Equal(exts, x.hello.Extensions) || !slices.EqualFunc(ch.ALPN, x.hello.SupportedProtos, func(a []byte, b string) bool { return string(a) == b }) {
				t.Errorf("extensions %v, want %v; ALPN %q, want %q", exts, x.hello.Extensions, ch.ALPN, x.hello.SupportedProtos)
			}
			if x.failed {
				if len(h.Alerts) == 0 {
					t.Error("no alert")
				}
				return
			}
			sh := h.ServerHello
			if sh == nil {
				t.Fatal("no ServerHello")
			}
			if uint16(sh.Version()) != x.state.Version || uint16(sh.CipherSuite) != x.state.CipherSuite || (h.RetryRequest != nil) != x.state.HelloRetryRequest {
				t.Errorf("%v %v, retry %v; want %x %s, %v", sh.Version(), sh.CipherSuite, h.RetryRequest != nil, x.state.Version, tls.CipherSuiteName(x.state.CipherSuite), x.state.HelloRetryRequest)
			}
			group := sh.Group
			if h.ServerKeyExchange != nil {
				group = h.ServerKeyExchange.Group
			}
			if !x.state.DidResume && uint16(group) != uint16(x.state.CurveID) {
				t.Errorf("group %v, want %v", group, x.state.CurveID)
			}
			if x.state.Version < tls.VersionTLS13 && !x.state.DidResume {
				if len(h.Certificates) != 1 || string(h.Certificates[0]) != string(x.state.PeerCertificates[0].Raw) {
					t.Errorf("%d certificates", len(h.Certificates))
				}
			}
			if !h.ClientFinished || !h.ServerFinished {
				t.Errorf("finished: client %v, server %v", h.ClientFinished, h.ServerFinished)
			}
		})
	}
}

// ask feeds a conversation as capture does, n bytes at a time, and returns
// the last verdict and how often it asked.
func ask(c *stream.Conversation, n int) (v stream.Decision, asked int) {
	full := [2][]byte{c.Half[0].Data, c.Half[1].Data}
	marks := [2][]stream.Mark{c.Half[0].Marks, c.Half[1].Marks}
	for d := range c.Half {
		c.Half[d].Data, c.Half[d].Marks = nil, nil
	}
	at := [2]int{}
	for at[0] < len(full[0]) || at[1] < len(full[1]) {
		for d := range c.Half {
			h := &c.Half[d]
			if at[d] == len(full[d]) || h.Done {
				at[d] = len(full[d])
				continue
			}
			at[d] = min(at[d]+n, len(full[d]))
			h.Data, h.Marks = full[d][:at[d]], marks[d]
			if at[d] >= h.Want {
				asked++
				if v = newAsker()(c, stream.Dir(d)); v != stream.More {
					return v, asked
				}
			}
		}
	}
	return v, asked
}

// TestAsk feeds real handshakes in pieces of every kind: the question must
// end the same way, and not be asked for every byte.
func TestAsk(t *testing.T) {
	for _, x := range handshakes() {
		for _, n := range []int{1, 7, 100, 1460, 1 << 20} {
			c := conversation(x.half[0], x.half[1])
			v, asked := ask(c, n)
			if x.failed {
				continue // the end of the connection ends it
			}
			if v != stream.Enough {
				t.Errorf("%s in pieces of %d: verdict %d", x.name, n, v)
				continue
			}
			if asked > 100 {
				t.Errorf("%s in pieces of %d: asked %d times", x.name, n, asked)
			}
			var p, q Parser
			a, b := p.Parse(c), q.Parse(conversation(x.half[0], x.half[1]))
			if a == nil || a.ServerHello == nil || a.ServerHello.CipherSuite != b.ServerHello.CipherSuite || a.ClientFinished != b.ClientFinished ||
				a.ServerFinished != b.ServerFinished || len(a.Certificates) != len(b.Certificates) || (a.Ticket == nil) != (b.Ticket == nil) && a.ServerHello.Version() < 0x304 {
				t.Errorf("%s in pieces of %d: what was enough says less than all", x.name, n)
			}
		}
	}
}

// TestPrefixes cuts real handshakes everywhere: nothing panics, and a message
// that was cut never passes for a whole one.
func TestPrefixes(t *testing.T) {
	for _, x := range handshakes()[:8] {
		var p Parser
		whole := p.Parse(conversation(x.half[0], x.half[1]))
		hello := whole.ClientHello.Length + messageHeader + recordHeader
		if whole.FirstHello != nil {
			hello = whole.FirstHello.Length + messageHeader + recordHeader
		}
		for n := range len(x.half[0]) {
			var q Parser
			h := q.Parse(conversation(x.half[0][:n], nil))
			switch {
			case n < hello && h != nil && h.ClientHello != nil && !h.ClientHello.Incomplete:
				t.Fatalf("%s: %d of %d bytes pass for a ClientHello", x.name, n, hello)
			case n >= hello && (h == nil || h.ClientHello == nil || h.ClientHello.Incomplete):
				t.Fatalf("%s: %d bytes hold a ClientHello of %d", x.name, n, hello)
			}
		}
		for n := range len(x.half[1]) {
			var q Parser
			if h := q.Parse(conversation(x.half[0], x.half[1][:n])); h == nil {
				t.Fatalf("%s: the client's half was lost", x.name)
			} else if h.ServerHello != nil && !h.ServerHello.Incomplete && h.ServerHello.CipherSuite != whole.ServerHello.CipherSuite {
				t.Fatalf("%s: %d bytes of the server make another suite", x.name, n)
			}
		}
		// A gap anywhere.
		for from := 0; from+10 < len(x.half[1]); from += 7 {
			c := conversation(x.half[0], x.half[1])
			c.Half[1].Gaps = []stream.Gap{{From: from, To: from + 10}}
			var q Parser
			if h := q.Parse(c); h == nil || h.ServerHello != nil && h.ServerHello.CipherSuite != 0 && h.ServerHello.CipherSuite != whole.ServerHello.CipherSuite {
				t.Fatalf("%s: a gap at %d makes another suite", x.name, from)
			}
		}
	}
}

// recut packs the handshake messages of a half into records of n bytes.
func recut(b []byte, n int) []byte {
	var out []byte
	for off := 0; ; {
		r, s := nextRecord(b, off)
		if s != have || r.to > len(b) {
			return out
		}
		body := b[r.from:r.to]
		if r.typ != recHandshake {
			out = append(out, b[r.off:r.to]...)
		} else {
			for len(body) > 0 {
				k := min(n, len(body))
				out = append(out, recHandshake, b[r.off+1], b[r.off+2], byte(k>>8), byte(k))
				out = append(out, body[:k]...)
				body = body[k:]
			}
		}
		off = r.to
	}
}

// TestRecords cuts messages over many records; only those before the first
// ChangeCipherSpec may be cut.
func TestRecords(t *testing.T) {
	for _, x := range handshakes() {
		if x.failed || x.state.Version < tls.VersionTLS13 {
			continue // their Finished is encrypted as one record
		}
		for _, n := range []int{1, 3, 4, 5, 50} {
			var p Parser
			h := p.Parse(conversation(recut(x.half[0], n), recut(x.half[1], n)))
			if h == nil || h.ServerHello == nil || h.ClientHello == nil || uint16(h.ServerHello.CipherSuite) != x.state.CipherSuite || string(h.ClientHello.ServerName) != "example.org" {
				t.Errorf("%s in records of %d bytes: the hellos are lost", x.name, n)
			}
		}
	}
}

func TestParseAllocatesLittle(t *testing.T) {
	var p Parser
	for _, x := range handshakes() {
		c := conversation(x.half[0], x.half[1])
		p.Parse(c)
		if n := testing.AllocsPerRun(100, func() { p.Parse(c) }); n != 0 {
			t.Errorf("%s: %v allocations", x.name, n)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, x := range handshakes() {
		if x.name != "TLS 1.2" && x.name != "TLS 1.3" {
			continue
		}
		b.Run(x.name, func(b *testing.B) {
			var p Parser
			c := conversation(x.half[0], x.half[1])
			b.SetBytes(int64(len(x.half[0]) + len(x.half[1])))
			b.ReportAllocs()
			for range b.N {
				p.Parse(c)
			}
		})
	}
}
