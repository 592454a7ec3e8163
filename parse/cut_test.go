package parse

import (
	"bytes"
	"reflect"
	"testing"

	"pfsight/capture/stream"
)

// TestCutAnywhere cuts both halves of real handshakes at every byte: what was
// captured decides, and what was not is undetermined.
func TestCutAnywhere(t *testing.T) {
	for _, x := range handshakes()[:14] {
		if x.failed {
			continue
		}
		var p Parser
		whole := p.Parse(conversation(x.half[0], x.half[1]))
		for n := range min(len(x.half[1]), 3000) {
			c := conversation(x.half[0], x.half[1][:n])
			c.Half[1].Cut = true
			var q Parser
			h := q.Parse(c)
			sh := h.ServerHello
			if !h.ServerDamaged || n > recordHeader && !h.ServerHelloSeen && h.RetryRequest == nil {
				t.Fatalf("%s, %d bytes of the server: a ServerHello that is cut is none", x.name, n)
			}
			if sh == nil {
				continue
			}
			w := whole.ServerHello
			if sh.CipherSuite != w.CipherSuite || sh.Version() != w.Version() && !sh.Incomplete || sh.HasKeyShare && !w.HasKeyShare || sh.HasPSK && !w.HasPSK {
				t.Fatalf("%s, %d bytes of the server: %+v", x.name, n, sh)
			}
			if sh.HasKeyShare && !sh.GroupCut && sh.Group != w.Group || len(sh.KeyShare) > 0 && !bytes.Equal(sh.KeyShare, w.KeyShare) {
				t.Fatalf("%s, %d bytes of the server: group %v, was %v", x.name, n, sh.Group, w.Group)
			}
			if k := h.ServerKeyExchange; k != nil && k.Group != 0 && k.Group != whole.ServerKeyExchange.Group {
				t.Fatalf("%s, %d bytes of the server: group %v", x.name, n, k.Group)
			}
			if len(h.Certificates) > 0 && !bytes.Equal(h.Certificates[0], whole.Certificates[0]) {
				t.Fatalf("%s, %d bytes of the server: another certificate", x.name, n)
			}
		}
		first := whole.ClientHello
		if whole.FirstHello != nil {
			first = whole.FirstHello
		}
		for n := range recordHeader + messageHeader + first.Length {
			c := conversation(x.half[0][:n], x.half[1])
			c.Half[0].Cut = true
			var q Parser
			h := q.Parse(c)
			if h == nil || h.ClientHello == nil {
				continue
			}
			ch := h.ClientHello
			if !ch.Incomplete {
				t.Fatalf("%s, %d bytes of the client pass for a ClientHello", x.name, n)
			}
			for name, pair := range map[string][2]any{
				"server_name": {ch.ServerName, first.ServerName}, "versions": {ch.Versions, first.Versions}, "suites": {ch.CipherSuites, first.CipherSuites},
				"groups": {ch.Groups, first.Groups}, "alpn": {ch.ALPN, first.ALPN}, "schemes": {ch.SignatureSchemes, first.SignatureSchemes},
				"early_data": {ch.EarlyData, first.EarlyData}, "pre_shared_key": {ch.HasPSK, first.HasPSK}, "ech": {ch.ECH, first.ECH},
			} {
				got := reflect.ValueOf(pair[0])
				absent := got.IsZero() || got.Kind() == reflect.Slice && got.Len() == 0
				if !absent && !reflect.DeepEqual(pair[0], pair[1]) {
					t.Fatalf("%s, %d bytes of the client: %s is %v, was %v", x.name, n, name, pair[0], pair[1])
				}
			}
		}
	}
}

// TestTinyRecords splits the handshake of TLS 1.2 into records of few bytes
// each: what each message says is the same.
func TestTinyRecords(t *testing.T) {
	for _, x := range handshakes() {
		if x.failed || x.state.Version >= 0x304 {
			continue
		}
		var p Parser
		whole := p.Parse(conversation(x.half[0], x.half[1]))
		for _, n := range []int{1, 2, 3, 5, 17} {
			server := recutPlain(x.half[1], n)
			c := conversation(x.half[0], server)
			if v, _ := ask(c, 1460); v == stream.Refuse {
				t.Fatalf("%s in records of %d: refused", x.name, n)
			}
			var q Parser
			h := q.Parse(c)
			if len(h.Problems) > 0 || h.ServerHello == nil || len(h.Certificates) != len(whole.Certificates) {
				t.Fatalf("%s in records of %d: %+v", x.name, n, h)
			}
			if k := whole.ServerKeyExchange; k != nil && (h.ServerKeyExchange == nil || h.ServerKeyExchange.Group != k.Group || !bytes.Equal(h.ServerKeyExchange.Public, k.Public)) {
				t.Fatalf("%s in records of %d: key exchange %+v, want %+v", x.name, n, h.ServerKeyExchange, k)
			}
		}
	}
}

// recutPlain packs the handshake messages in the clear into records of n bytes,
// and leaves what comes from the ChangeCipherSpec on.
func recutPlain(b []byte, n int) []byte {
	var out []byte
	for off := 0; ; {
		r, s := nextRecord(b, off)
		if s != have || r.to > len(b) || r.typ != recHandshake {
			return append(out, b[off:]...)
		}
		for body := b[r.from:r.to]; len(body) > 0; {
			k := min(n, len(body))
			out = append(out, recHandshake, b[off+1], b[off+2], 0, byte(k))
			out = append(out, body[:k]...)
			body = body[k:]
		}
		off = r.to
	}
}

// TestOldDraft reads a ServerHello of a draft of TLS 1.3 before 16: its version is
// 0x0304, its suite one of TLS 1.2, and it has no session id.
func TestOldDraft(t *testing.T) {
	body := append([]byte{3, 4}, bytes.Repeat([]byte{0x5a}, 32)...)
	body = append(body, 0xc0, 0x2f, 0, 10, 0, 40, 0, 6, 0, 29, 0, 2, 0xab, 0xcd)
	var p Parser
	h := p.Parse(talk(handshakeRecord(msgClientHello, hello(nil), 1<<14), handshakeRecord(msgServerHello, body, 1<<14)))
	sh := h.ServerHello
	if sh == nil || sh.CipherSuite != 0xc02f || !sh.Version().IsTLS13() || !sh.HasKeyShare || sh.Group != 29 || len(h.Problems) > 0 {
		t.Errorf("%+v, problems %v", sh, h.Problems)
	}
	// The same with a session id is read as what came later.
	body = append([]byte{3, 4}, bytes.Repeat([]byte{0x5a}, 32)...)
	body = append(body, 2, 1, 2, 0x13, 0x01, 0, 0, 6, 0, 43, 0, 2, 3, 4)
	h = p.Parse(talk(handshakeRecord(msgClientHello, hello(nil), 1<<14), handshakeRecord(msgServerHello, body, 1<<14)))
	if sh = h.ServerHello; sh == nil || sh.CipherSuite != 0x1301 || len(sh.SessionID) != 2 || len(h.Problems) > 0 {
		t.Errorf("%+v, problems %v", sh, h.Problems)
	}
}

// TestLongMessage reads what there is of a Certificate that is longer than the
// limit, and says that it is.
func TestLongMessage(t *testing.T) {
	leaf := bytes.Repeat([]byte{0x30}, 500)
	list := append([]byte{0, byte(len(leaf) >> 8), byte(len(leaf))}, leaf...)
	size := 339000
	body := append([]byte{byte((size - 3) >> 16), byte((size - 3) >> 8 & 0xff), byte((size - 3) & 0xff)}, list...)
	body = append(body, make([]byte, size-len(body))...)
	server := handshakeRecord(msgServerHello, append(append([]byte{3, 3}, make([]byte, 32)...), 0, 0xc0, 0x2f, 0), 1<<14)
	server = append(server, handshakeRecord(msgCertificate, body, 1<<14)[:128<<10]...)
	var p Parser
	h := p.Parse(talk(handshakeRecord(msgClientHello, hello(nil), 1<<14), server))
	if len(h.Certificates) == 0 || !bytes.Equal(h.Certificates[0], leaf) {
		t.Error("the first certificate is not read")
	}
	if len(h.Problems) == 0 || h.Problems[0].What != "its length, 339000, is over the limit of 262144" {
		t.Errorf("problems %v", h.Problems)
	}
}
