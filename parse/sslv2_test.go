package parse

import (
	"encoding/hex"
	"strings"
	"testing"

	"pfsight/capture/stream"
	"pfsight/parse/iana"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Messages of SSL 2.0, draft-hickman-netscape-ssl-00 sections 5.5 and 5.6.
const (
	ssl2Hello = `80 22
		01 0002
		0009 0000 0010
		010080 020080 0700c0
		000102030405060708090a0b0c0d0e0f`
	ssl2Answer = `80 22
		04 00 01 0002
		0004 0003 0010
		3082 0000
		010080
		a0a1a2a3a4a5a6a7a8a9aaabacadaeaf`
	ssl2Key = `80 12
		02 010080
		0000 0008 0000
		1122334455667788`
	ssl2Encrypted = `80 06 010203040506`
)

// feed gives both halves to Ask in pieces of n bytes, as a tracker would, and
// returns the conversation and how far each half was taken.
func feed(t testing.TB, client, server []byte, n int) (*stream.Conversation, stream.Decision) {
	t.Helper()
	c := &stream.Conversation{ClientKnown: true}
	said := [2][]byte{client, server}
	for d := range c.Half {
		c.Half[d].SYN, c.Half[d].Want, c.Half[d].Packets = true, 1, 1
	}
	for len(said[0])+len(said[1]) > 0 {
		for d := range said {
			h := &c.Half[d]
			k := min(n, len(said[d]))
			if k == 0 || h.Done {
				said[d] = nil
				continue
			}
			h.Data = append(h.Data, said[d][:k]...)
			said[d] = said[d][k:]
			if len(h.Data) >= h.Want {
				if v := newAsker()(c, stream.Dir(d)); v != stream.More {
					return c, v
				}
			}
		}
	}
	return c, stream.More
}

func TestSSLv2(t *testing.T) {
	client := unhex(t, ssl2Hello+ssl2Key+ssl2Encrypted)
	server := unhex(t, ssl2Answer+ssl2Encrypted)
	for _, n := range []int{1, 7, 1000} {
		c, v := feed(t, client, server, n)
		if v == stream.Refuse {
			t.Fatalf("%d bytes at a time: refused", n)
		}
		var p Parser
		h := p.Parse(c)
		if h == nil || h.Version() != iana.SSL20 || h.SSLv2 == nil {
			t.Fatalf("%d bytes at a time: %+v", n, h)
		}
		if len(h.SSLv2.Offered) != 3 || len(h.SSLv2.Agreed) != 1 || !h.SSLv2.HasKind || h.SSLv2.Kind != 0x010080 {
			t.Errorf("%d bytes at a time: %+v", n, h.SSLv2)
		}
		if len(h.Certificates) != 1 || h.ClientHello == nil || h.ClientHello.LegacyVersion != iana.SSL20 {
			t.Errorf("%d bytes at a time: certificates %d, hello %+v", n, len(h.Certificates), h.ClientHello)
		}
	}
	for end := range server {
		c, _ := feed(t, client, server[:end], 1000)
		var p Parser
		if h := p.Parse(c); end < 36 && h != nil && h.ServerHello != nil {
			t.Errorf("%d bytes of an answer are a whole one", end)
		}
	}
}
