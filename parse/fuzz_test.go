package parse

import (
	"testing"

	"pfsight/capture/stream"
)

// FuzzParse reads any two halves, whole, with a gap, and as far as Ask wants
// them.
func FuzzParse(f *testing.F) {
	for _, x := range handshakes() {
		f.Add(x.half[0], x.half[1], uint16(0), uint16(0))
		f.Add(x.half[0], x.half[1], uint16(50), uint16(20))
		f.Add(recut(x.half[0], 5), x.half[1], uint16(0), uint16(0))
	}
	f.Add([]byte("\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x00\x00\x35\x00\x00\x2f\x01\x00\x80\x00\x00\x0a\x07\x00\xc0\x00\x00\xff0123456789abcdef"), []byte(nil), uint16(0), uint16(0))
	var p Parser
	f.Fuzz(func(t *testing.T, client, server []byte, gap, size uint16) {
		c := conversation(client, server)
		if from, to := int(gap), int(gap)+int(size); size > 0 && to <= len(server) {
			c.Half[1].Gaps = []stream.Gap{{From: from, To: to}}
		}
		h := p.Parse(c)
		check(t, h)
		c = conversation(client, server)
		if v, _ := ask(c, 13); v == stream.Refuse {
			return
		}
		check(t, p.Parse(c))
	})
}

func check(t *testing.T, h *Handshake) {
	t.Helper()
	if h == nil {
		return
	}
	if !h.ClientSeen && !h.ServerSeen {
		t.Error("a handshake without a message")
	}
	if len(h.Problems) > maxProblems || len(h.Alerts) > maxAlerts || len(h.Certificates) > maxCerts {
		t.Error("a limit was passed")
	}
	if h.ServerKeyExchange != nil {
		BitLen(h.ServerKeyExchange.P)
	}
}

// FuzzSniff compares the cheap look at a segment against the parser: where it
// sees nothing, no whole ClientHello may be.
func FuzzSniff(f *testing.F) {
	for _, x := range handshakes() {
		f.Add(x.half[0])
		f.Add(x.half[1])
	}
	var p Parser
	f.Fuzz(func(t *testing.T, b []byte) {
		sniffed := sniffTCP(b)
		if sniffed != stream.SniffNone {
			return
		}
		if h := p.Parse(conversation(b, nil)); h != nil && h.ClientHello != nil && !h.ClientHello.Incomplete && len(h.ClientHello.CipherSuites) > 0 {
			t.Errorf("a ClientHello without a sniffed: %x", b)
		}
	})
}
