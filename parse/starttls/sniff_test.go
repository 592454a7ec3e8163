package starttls

import (
	"math/rand/v2"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// ordinary holds payloads that Sniff must reject.
var ordinary = []struct{ name, data string }{
	{"http get", "GET /index.html HTTP/1.1\r\nHost: example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/html,application/xhtml+xml\r\n" +
		"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\nUpgrade-Insecure-Requests: 1\r\nConnection: keep-alive\r\nCookie: " + strings.Repeat("a=b; ", 60) + "\r\n\r\n"},
	{"http post", "POST /api HTTP/1.1\r\nHost: example.com\r\nContent-Length: 2\r\n\r\n{}"},
	{"http options", "OPTIONS /api HTTP/1.1\r\nHost: example.com\r\nOrigin: http://example.org\r\n\r\n"},
	{"http2 upgrade", "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"},
	{"http ok", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 12\r\n\r\nHello, world"},
	{"http moved", "HTTP/1.1 301 Moved Permanently\r\nLocation: /\r\n\r\n"},
	{"http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
	{"ssh", "SSH-2.0-OpenSSH_9.6\r\n"},
	{"tls", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
	{"tls data", "\x17\x03\x03\x10\x00abcdefgh"},
	{"html", "<!DOCTYPE html><html><head>"},
	{"json", "{\"a\": [1, 2, 3]}"},
	{"redis", "*3\r\n$3\r\nSET\r\n$1\r\na\r\n"},
	{"dns", "\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www"},
	{"bittorrent", "\x13BitTorrent protocol\x00\x00\x00\x00"},
	{"smb", "\x00\x00\x00\x45\xfeSMB@\x00"},
	{"text", "The quick brown fox jumps over the lazy dog."},
	{"numbers", "2024-01-02 03:04:05 INFO started"},
	{"postgresql startup", "\x00\x00\x00\x20\x00\x03\x00\x00user\x00"},
	{"empty", ""},
}

func TestSniffOrdinary(t *testing.T) {
	t.Parallel()
	for _, o := range ordinary {
		if s := Sniff([]byte(o.data)); s != stream.SniffNone {
			t.Errorf("%s: got %v, want %v", o.name, s, stream.SniffNone)
		}
	}
	// Sniff rejects almost all random bytes.
	rnd := rand.New(rand.NewPCG(3, 4))
	const n = 1 << 20
	accepted := 0
	b := make([]byte, 24)
	for range n {
		for i := 0; i < len(b); i += 8 {
			v := rnd.Uint64()
			for k := range 8 {
				b[i+k] = byte(v >> (8 * k))
			}
		}
		if Sniff(b) != stream.SniffNone {
			accepted++
		}
	}
	if accepted > n/10000 {
		t.Errorf("got %d of %d random payloads accepted, want at most %d", accepted, n, n/10000)
	}
}

// firsts returns the first line, head or message of each side of a dialog.
func firsts(d *dialog) []string {
	var out []string
	for _, s := range d.withTLS() {
		if strings.HasPrefix(s, "\x16\x03") {
			continue
		}
		out = append(out, s[:firstLen(s)])
	}
	return out
}

// firstLen returns the length of the first line, head or message in s.
func firstLen(s string) int {
	switch {
	case strings.HasPrefix(s, "PROXY"):
	case s[0] >= 'A' && strings.Contains(s, "\r\n\r\n"):
		return strings.Index(s, "\r\n\r\n") + 4
	case s[0] == 5 && int(s[1]) < 5 && s[2] < 5 && len(s) > 10 && s[2+int(s[1])] == 5, s[0] == 5 && s[2+int(s[1])] == 1:
		return 2 + int(s[1]) // methods
	case s[0] == 5:
		return 2
	case s[0] == 4 && s[1] == 1:
		return strings.Index(s, "\x16\x03")
	case s[0] == 0 && s[1] == 0x5a, s[0] == 0:
		return 8
	case s[0] == 'S' || s[0] == 'N' && s[1] == 'S':
		return 1
	}
	if i := strings.IndexByte(s, '\n'); i >= 0 && s[0] >= ' ' && s[1] >= ' ' {
		return i + 1
	}
	return len(s)
}

// TestSniffDialogs checks that Sniff accepts the start of each dialog, and every
// prefix of it.
func TestSniffDialogs(t *testing.T) {
	t.Parallel()
	all := dialogs()
	for _, x := range framedDialogs() {
		d := dialog{name: x.name, sent: x.sent}
		if x.want.Protocol == "tds" {
			d.sent = both(x.sent[0][:26], x.sent[1][:26])
		}
		all = append(all, d)
	}
	for _, d := range all {
		for _, s := range firsts(&d) {
			if strings.HasPrefix(s, "HTTP/1.1 100") || strings.HasPrefix(s, "HTTP/1.1 401") {
				continue // not recognizable without the request
			}
			if strings.HasPrefix(d.name, "tds") {
				s = s[:26]
			}
			if Sniff([]byte(s)) == stream.SniffNone {
				t.Errorf("%s: Sniff(%q) = %v", d.name, s, stream.SniffNone)
			}
			for k := 1; k < len(s); k++ {
				if Sniff([]byte(s[:k])) == stream.SniffNone {
					t.Errorf("%s: Sniff(%q) = %v", d.name, s[:k], stream.SniffNone)
				}
			}
		}
	}
}

func TestSniffDoesNotAllocate(t *testing.T) {
	for _, o := range ordinary {
		b := []byte(o.data)
		if n := testing.AllocsPerRun(10, func() { Sniff(b) }); n != 0 {
			t.Errorf("%s: got %v allocations, want 0", o.name, n)
		}
	}
}

func BenchmarkSniff(b *testing.B) {
	rnd := rand.New(rand.NewPCG(5, 6))
	random := make([][]byte, 1024)
	for i := range random {
		random[i] = make([]byte, 64)
		for k := range random[i] {
			random[i][k] = byte(rnd.Uint32())
		}
	}
	b.Run("random", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			Sniff(random[i&1023])
		}
	})
	for _, o := range ordinary {
		p := []byte(o.data)
		b.Run(strings.ReplaceAll(o.name, " ", "_"), func(b *testing.B) {
			for b.Loop() {
				Sniff(p)
			}
		})
	}
}

func BenchmarkAskBytewise(b *testing.B) {
	sent := both("EHLO a\r\n"+strings.Repeat("NOOP "+strings.Repeat("x", 3000)+"\r\n", 5)+"STARTTLS\r\n"+clientTLS, "")
	c := conversation(sent, 0)
	h := &c.Half[0]
	data := h.Data
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		h.Note, h.Want = stream.Note{}, 1
		for n := range len(data) {
			if h.Data = data[:n+1]; len(h.Data) >= h.Want {
				if v, ready := Ask(c, 0); ready || v == stream.Refuse {
					break
				}
			}
		}
	}
}

func TestSniffClient(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]stream.Sniff{
		proxyV1Line + clientTLS:              stream.SniffClient,
		"PROXY UNKNOWN\r\n":                  stream.SniffClient,
		proxyV2Header(0, 0, ""):              stream.SniffClient,
		connectDialog[0]:                     stream.SniffClient,
		pgRequest:                            stream.SniffClient,
		startTLSReq:                          stream.SniffClient,
		startTLSRsp:                          stream.SniffMaybe,
		connectDialog[1]:                     stream.SniffMaybe,
		amqpTLS:                              stream.SniffMaybe,
		"CONNECT the dots\r\n":               stream.SniffMaybe,
		"EHLO a\r\n":                         stream.SniffMaybe,
		"connect server:443 HTTP/1.1\r\n":    stream.SniffNone,
		"\x00\x00\x00\x08\x04\xd2\x16\x2fab": stream.SniffNone,
	} {
		if got := Sniff([]byte(s)); got != want {
			t.Errorf("Sniff(%q) = %v, want %v", s, got, want)
		}
	}
}
