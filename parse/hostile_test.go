package parse

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"pfsight/capture/stream"
	"pfsight/parse/iana"
)

// handshakeRecord wraps a handshake message in records of at most n bytes.
func handshakeRecord(typ uint8, body []byte, n int) []byte {
	m := append([]byte{typ, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
	var out []byte
	for len(m) > 0 {
		k := min(n, len(m))
		out = append(out, recHandshake, 3, 1, byte(k>>8), byte(k))
		out = append(out, m[:k]...)
		m = m[k:]
	}
	return out
}

// hello returns the body of a ClientHello with these extensions.
func hello(extensions []byte) []byte {
	b := append([]byte{3, 3}, make([]byte, 32)...)
	b = append(b, 0, 0, 2, 0x13, 0x01, 1, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(extensions)))
	return append(b, extensions...)
}

func talk(client, server []byte) *stream.Conversation {
	c := &stream.Conversation{ClientKnown: true}
	for d, b := range [2][]byte{client, server} {
		c.Half[d] = stream.Half{Data: b, SYN: true, Packets: 1, Marks: []stream.Mark{{To: uint32(len(b)), Packet: uint64(d + 1), Time: int64(d)}}}
	}
	return c
}

// TestManyExtensions reads a ClientHello with as many extensions as fit, all
// empty, and one whose length lies inside one whose length lies.
func TestManyExtensions(t *testing.T) {
	var exts []byte
	for i := range 65535 / 4 {
		exts = binary.BigEndian.AppendUint16(exts, uint16(i)|0x4000)
		exts = append(exts, 0, 0)
	}
	var p Parser
	h := p.Parse(talk(handshakeRecord(msgClientHello, hello(exts), 1<<14), nil))
	if h == nil || h.ClientHello == nil || len(h.ClientHello.Extensions) != 65535/4 || len(h.Problems) > maxProblems {
		t.Fatalf("%+v", h)
	}
	// server_name, of which the list is longer than the extension, and the
	// name longer than the list.
	lying := []byte{0, 0, 0, 5, 0, 200, 0, 0, 100, 0, 10, 0, 4, 0, 2, 0, 29}
	h = p.Parse(talk(handshakeRecord(msgClientHello, hello(lying), 1<<14), nil))
	if h == nil || h.ClientHello == nil || len(h.Problems) == 0 || len(h.ClientHello.Groups) != 1 || h.ClientHello.Groups[0] != iana.Group(29) {
		t.Errorf("what is behind a lie is lost: %+v", h)
	}
}

// TestHugeMessage sends a message of 16 MB in records of one byte: no more is
// asked for than is believed, and no time goes into it.
func TestHugeMessage(t *testing.T) {
	body := make([]byte, 1<<24-1)
	client := handshakeRecord(msgClientHello, hello(nil), 1<<14)
	start := handshakeRecord(msgCertificate, body[:200<<10], 1)
	copy(start[5:], []byte{msgCertificate})
	start[11], start[17], start[23] = 0xff, 0xff, 0xff // the length: one byte a record
	c, v := &stream.Conversation{ClientKnown: true}, stream.More
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	c.Half[0] = stream.Half{Data: client, SYN: true, Packets: 1, Want: 1}
	c.Half[1] = stream.Half{Data: make([]byte, 0, len(start)), SYN: true, Packets: 1, Want: 1}
	ask := newAsker()
	ask(c, stream.ToServer)
	const prefix = 128 << 10 // as the tracker keeps
	for n := 1; n <= prefix && v == stream.More; n++ {
		h := &c.Half[1]
		if h.Done {
			break
		}
		if h.Data = start[:n]; n >= h.Want {
			v = ask(c, stream.ToClient)
		}
	}
	var p Parser
	for range 10 {
		p.Parse(c)
	}
	runtime.ReadMemStats(&after)
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("it took %d bytes", n)
	}
	if len(p.hs.Problems) == 0 {
		t.Error("nothing is said of it")
	}
}
