package report

import (
	"bytes"
	"slices"
	"testing"

	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

func TestHistorySessions(t *testing.T) {
	h := NewHistory()
	made := &Connection{Time: 1, ServerHelloPacket: 6, ForwardSecrecy: secrecy.Yes, session: sessionNames{id: 11, ticket: 12}}
	renewed := &Connection{Time: 2, ForwardSecrecy: secrecy.Conditional, session: sessionNames{resumed: 12, ticket: 13}}
	again := &Connection{Time: 3, ForwardSecrecy: secrecy.Conditional, session: sessionNames{resumed: 13}}
	stranger := &Connection{Time: 4, session: sessionNames{resumed: 99}}
	for _, r := range []*Connection{made, renewed, again, stranger} {
		h.Join(r)
	}
	if made.HasSession || stranger.HasSession {
		t.Error("joined to a session that was not seen")
	}
	for _, r := range []*Connection{renewed, again} {
		if !r.HasSession || r.Session.Time != 1 || r.Session.Packet != 6 || r.Session.ForwardSecrecy != secrecy.Yes {
			t.Errorf("resumption at %d: %+v", r.Time, r.Session)
		}
	}
}

func TestHistoryKeys(t *testing.T) {
	h := NewHistory()
	row := func(time int64, key byte, random uint64, ticket string) *Connection {
		r := &Connection{Time: time, EphemeralKey: KeyID{key}, random: random, TicketKey: ticket}
		h.Join(r)
		return r
	}
	const day = 24 * 3600 * 1e9
	first := row(1, 1, 100, "key")
	copied := row(2, 1, 100, "key") // the other side of a NAT
	second := row(3, 1, 101, "other")
	old := row(day+2, 2, 102, "key")
	for _, x := range []struct {
		name         string
		r            *Connection
		reused, aged bool
	}{{"first", first, false, false}, {"the same handshake", copied, false, false}, {"second use", second, true, false}, {"a day later", old, false, true}} {
		if got := x.r.Reasons.Has(secrecy.ReusedEphemeralKey); got != x.reused {
			t.Errorf("%s: reused is %v", x.name, got)
		}
		if got := x.r.Reasons.Has(secrecy.TicketKeyUnrotated); got != x.aged {
			t.Errorf("%s: unrotated is %v", x.name, got)
		}
	}
}

// TestHistoryDowngrade reuses an ephemeral key in TLS 1.2 on a server that
// supports TLS 1.3. All its ServerHello randoms end alike, RFC 8446 section
// 4.1.3, and the reuse must still be found.
func TestHistoryDowngrade(t *testing.T) {
	b, h := NewBuilder(), NewHistory()
	b.For(h)
	row := func(first byte) *Connection {
		random := append(bytes.Repeat([]byte{first}, 24), "DOWNGRD\x01"...)
		hs := &parse.Handshake{ServerSeen: true,
			ServerHello:       &parse.ServerHello{LegacyVersion: iana.TLS12, CipherSuite: 0xc02f, Random: random},
			ServerKeyExchange: &parse.ServerKeyExchange{CurveType: 3, Group: 29, Public: []byte("the same value")}}
		r := b.Connection(hs, &stream.Conversation{})
		h.Join(r)
		return r
	}
	row(1)
	if row(1).Reasons.Has(secrecy.ReusedEphemeralKey) {
		t.Error("a copy of a handshake is a second use")
	}
	if !row(2).Reasons.Has(secrecy.ReusedEphemeralKey) {
		t.Error("the second use is not seen")
	}
}

// TestLocalNames checks that repeated values are found with local IDs too.
func TestLocalNames(t *testing.T) {
	all := conversations(t, "*.pcap*")
	again := func(local bool) (reused []bool) {
		h := NewHistory()
		var b [2]*Builder
		for i := range b {
			b[i] = NewBuilder()
			b[i].For(h)
			if local {
				b[i].Local()
			}
		}
		var p parse.Parser
		for i, c := range all {
			if hs := p.Parse(c); hs != nil {
				r := b[i%2].Connection(hs, c)
				h.Join(r)
				reused = append(reused, r.Reasons.Has(secrecy.ReusedEphemeralKey), r.EphemeralKey == KeyID{})
			}
		}
		return reused
	}
	got, want := again(true), again(false)
	if !slices.Equal(got, want) || !slices.Contains(got[:], true) {
		t.Error("other values were found again under local names")
	}
}
