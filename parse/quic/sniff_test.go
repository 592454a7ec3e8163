package quic

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

func TestSniff(t *testing.T) {
	c := first(t, cryptoFrame(helloC, 0, 300))
	with := func(f func(*long)) string { l := c; f(&l); return l.seal(t) }
	s := answer(cryptoFrame(helloS, 0, 90))
	good := c.seal(t)
	reserved := good[:1] + "\x1a\x2a\x3a\x4a" + good[5:]
	for _, x := range []struct {
		name string
		b    string
		want stream.Sniff
	}{
		{"a client's Initial", good, stream.SniffClient},
		{"of version 2", with(func(l *long) { l.version = Version2 }), stream.SniffClient},
		{"of draft 29", with(func(l *long) { l.version = draft + 29 }), stream.SniffClient},
		{"with a token", with(func(l *long) { l.token = "token" }), stream.SniffClient},
		{"cut by the snaplen", good[:100], stream.SniffClient},
		{"of 300 bytes", with(func(l *long) { l.size = 0 }), stream.SniffMaybe},
		{"with 0-RTT behind it", with(func(l *long) { l.size = 600 }) + long{version: Version1, kind: kindZeroRTT, dcid: odcid, size: 600, frames: strings.Repeat("z", 560)}.seal(t), stream.SniffClient},
		{"without the QUIC bit", with(func(l *long) { l.loose = true }), stream.SniffMaybe},
		{"without the QUIC bit, with a token", with(func(l *long) { l.loose, l.token = true, "token" }), stream.SniffClient},
		{"to a connection ID of 4 bytes", with(func(l *long) { l.dcid = "four" }), stream.SniffServer},
		{"behind 0-RTT", long{version: Version1, kind: kindZeroRTT, dcid: odcid, scid: cscid, frames: strings.Repeat("z", 560)}.seal(t) + with(func(l *long) { l.size = 700 }), stream.SniffClient},
		{"behind two 0-RTT packets", strings.Repeat(long{version: Version1, kind: kindZeroRTT, dcid: odcid, scid: cscid, frames: strings.Repeat("z", 300)}.seal(t), 2) + with(func(l *long) { l.size = 700 }), stream.SniffClient},
		{"of a reserved version", reserved, stream.SniffClient},
		{"of a reserved version, small", reserved[:1199], stream.SniffNone},
		{"of a reserved version, with another length", reserved[:20] + "\x7f\xff" + reserved[22:], stream.SniffNone},
		{"a server's Initial", s.seal(t), stream.SniffServer},
		{"a server's Initial to no connection ID", func() string { l := s; l.dcid = ""; return l.seal(t) }(), stream.SniffServer},
		{"Version Negotiation", negotiation(Version1, Version2).b, stream.SniffServer},
		{"Version Negotiation of a draft that is not known", negotiation(draft + 18).b, stream.SniffServer},
		{"Version Negotiation of nothing known", negotiation(77).b, stream.SniffNone},
		{"Retry", long{version: Version1, kind: kindRetry, dcid: cscid, scid: sscid, token: "token"}.seal(t), stream.SniffServer},
		{"Handshake", long{version: Version1, kind: kindHandshake, dcid: cscid, scid: sscid, frames: "1234"}.seal(t), stream.SniffMaybe},
		{"Handshake without the QUIC bit", long{version: Version1, kind: kindHandshake, dcid: cscid, scid: sscid, frames: "1234", loose: true}.seal(t), stream.SniffMaybe},
		{"0-RTT", long{version: Version1, kind: kindZeroRTT, dcid: odcid, scid: cscid, frames: "1234"}.seal(t), stream.SniffMaybe},
		{"1-RTT", short(toServer, sscid).b, stream.SniffMaybe},
		{"a short 1-RTT packet", short(toServer, sscid).b[:20], stream.SniffNone},
		{"another version", good[:1] + "\x00\x00\x00\x02" + good[5:], stream.SniffNone},
		{"Q050", good[:1] + "Q050" + good[5:], stream.SniffNone},
		{"a length of 3", good[:20] + "\x40\x03" + good[22:], stream.SniffNone},
		{"a connection ID of 21 bytes", good[:5] + "\x15" + good[6:], stream.SniffNone},
		{"nothing", "", stream.SniffNone},
		{"DNS", string(dnsQuery), stream.SniffNone},
		{"STUN", "\x00\x01\x00\x08\x21\x12\xa4\x42transactionid12345678", stream.SniffNone},
		{"DTLS", "\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40\x01", stream.SniffNone},
		{"NTP", "\x23\x00\x06\xec" + strings.Repeat("\x00", 44), stream.SniffNone},
		{"RTP", "\x80\x00\x00\x01\x00\x00\x00\x01" + strings.Repeat("\x55", 164), stream.SniffNone},
		{"RTP, the worst of it", "\x80\x00\x00\x00\x01\x08\x00\x00" + strings.Repeat("\xd5", 164), stream.SniffNone},
		{"WireGuard", "\x01\x00\x00\x00" + strings.Repeat("w", 144), stream.SniffNone},
		{"OpenVPN", "\x38" + strings.Repeat("o", 13), stream.SniffNone},
	} {
		if got := Sniff([]byte(x.b)); got != x.want {
			t.Errorf("%s: %d, want %d", x.name, got, x.want)
		}
	}
}

// TestSignNoise counts what would be followed of datagrams that are none of
// QUIC's, most of them with the first byte of a long header.
func TestSignNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	b := make([]byte, 1400)
	taken := 0
	for i := range 1_000_000 {
		for j := 0; j < 32; j += 8 {
			binary.LittleEndian.PutUint64(b[j:], rng.Uint64())
		}
		if i%4 != 0 {
			b[0] |= 0xc0
		}
		if Sniff(b[:32+rng.IntN(len(b)-32)]) >= stream.SniffClient {
			taken++
		}
	}
	if taken != 0 {
		t.Errorf("%d of a million random datagrams would be followed", taken)
	}
	// RTP: a sequence number, a timestamp and a source that all are small.
	for seq := range 100_000 {
		b[0], b[1] = 0x80, byte(seq>>16)
		binary.BigEndian.PutUint16(b[2:], uint16(seq))
		binary.BigEndian.PutUint32(b[4:], uint32(160*seq))
		binary.BigEndian.PutUint32(b[8:], 1)
		if Sniff(b[:172]) >= stream.SniffClient {
			t.Fatalf("RTP with sequence number %d would be followed", seq)
		}
	}
}
