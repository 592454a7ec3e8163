package dtls

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

func TestSniff(t *testing.T) {
	hello := messageOf(1, 0, hello1)
	for _, c := range []struct {
		name, datagram string
		want           stream.Sniff
	}{
		{"ClientHello", plain(hello), stream.SniffClient},
		{"ClientHello of 1.0", recordOf(22, version10, 0, 0, hello), stream.SniffClient},
		{"ClientHello before the standard", recordOf(22, version01, 0, 0, hello), stream.SniffClient},
		{"ClientHello in CAPWAP", "01000000" + plain(hello), stream.SniffClient},
		{"ClientHello in a TURN channel", inChannel(plain(hello)), stream.SniffClient},
		{"the same, padded", inChannel(plain(hello)) + "0000", stream.SniffClient},
		{"ClientHello in a Send indication", inSend(plain(hello)), stream.SniffClient},
		{"ServerHello in a TURN channel", inChannel(plain(messageOf(2, 0, serverHello1))), stream.SniffServer},
		{"data in a TURN channel", inChannel(data), stream.SniffMaybe},
		{"RTP in a TURN channel", inChannel(rtp), stream.SniffNone},
		{"a TURN channel in another", inChannel(inChannel(plain(hello))), stream.SniffNone},
		{"two records in CAPWAP", "01000000" + plain(hello) + "01000000" + plain(hello), stream.SniffClient},
		{"a first fragment", plain(fragmentOf(1, 0, hello1, 0, 20)), stream.SniffClient},
		{"a later fragment", plain(fragmentOf(1, 0, hello1, 20, 42)), stream.SniffClient},
		{"cut by a snaplen", head(plain(hello), 54), stream.SniffClient},
		{"ServerHello", plain(messageOf(2, 0, serverHello1)), stream.SniffServer},
		{"HelloVerifyRequest", plain(messageOf(3, 0, verify)), stream.SniffServer},
		{"Certificate", plain(messageOf(11, 1, certificate)), stream.SniffServer},
		{"ServerKeyExchange", plain(messageOf(12, 2, "03 001d 00")), stream.SniffServer},
		{"CertificateRequest", plain(messageOf(13, 3, "01 40 0000")), stream.SniffServer},
		{"ServerHelloDone", plain(messageOf(14, 4, "")), stream.SniffServer},
		{"ClientKeyExchange", plain(messageOf(16, 2, "04 05060708")), stream.SniffMaybe},
		{"Finished", finished, stream.SniffMaybe},
		{"data", data, stream.SniffMaybe},
		{"ChangeCipherSpec", ccs, stream.SniffMaybe},
		{"alert", recordOf(21, version12, 0, 0, "02 28"), stream.SniffMaybe},
		{"ACK", recordOf(26, version12, 0, 0, "0010 00000000000000000000000000000000"), stream.SniffMaybe},
		{"connection ID", "19 fefd 0001 000000000000 c2 0010" + strings.Repeat("00", 16), stream.SniffMaybe},
		{"unified", unified("2e", "0000", 40), stream.SniffMaybe},
		{"unified with a connection ID", "32 c2 00" + strings.Repeat("ee", 40), stream.SniffMaybe},

		{"nothing", "", stream.SniffNone},
		{"epoch 0 data", recordOf(23, version12, 0, 0, "00 00 00 00"), stream.SniffNone},
		{"epoch 0 connection ID", "19 fefd 0000 000000000000 c2 0010" + strings.Repeat("00", 16), stream.SniffNone},
		{"unknown record version", recordOf(22, 0x0303, 0, 0, hello), stream.SniffNone},
		{"unknown hello version", plain(messageOf(1, 0, strings.Replace(hello1, "fe fd", "03 03", 1))), stream.SniffNone},
		{"a hello too short", plain(messageOf(1, 0, "fefd"+random1)), stream.SniffNone},
		{"a long session_id", plain(messageOf(1, 0, strings.Replace(hello1, "00             // session_id", "21", 1))), stream.SniffNone},
		{"a cookie that does not fit", plain(messageOf(3, 0, "feff 03 aabb")), stream.SniffNone},
		{"a fragment longer than its record", "16 fefd 0000 000000000000 0030" + head(hello, 0x30), stream.SniffNone},
		{"a large sequence number", "16 fefd 0000 000100000000 0036" + hello, stream.SniffNone},
		{"something behind the record", plain(hello) + "ff", stream.SniffNone},
		{"STUN request", stun, stream.SniffNone},
		{"STUN response", "0101 0000 2112a442 000000000000000000000000", stream.SniffNone},
		{"TURN channel", "4000 0004 00000000 00000000 00000000", stream.SniffNone},
		{"ZRTP", "1000 0001 5a525450 00000001 505a0000", stream.SniffNone},
		{"RTP", rtp, stream.SniffNone},
		{"RTCP", "80c8 0006 00000001 00000000 00000000", stream.SniffNone},
		{"DNS", "1234 0100 0001 0000 0000 0000 03777777 076578616d706c65 03636f6d 00 0001 0001", stream.SniffNone},
		{"QUIC", "c0 00000001 08 0000000000000000 00 00 41 00 00000000", stream.SniffNone},
		{"CAPWAP discovery", "00 10 02 00 00 00 00 00 00 00 00 01 00 00 00 00 00 00", stream.SniffNone},
		{"TLS", "16 0301 0200 0100 01fc 0303 0000 0000 0000 0000", stream.SniffNone},
	} {
		if got := Sniff(unhex(c.datagram)); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestSniffRandom looks at random bytes: no hello may be seen in them. One in
// thirty looks like a unified header, which shows very little.
func TestSniffRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	const n = 1 << 20
	maybe := 0
	b := make([]byte, 64)
	for range n {
		for i := 0; i < len(b); i += 8 {
			v := rnd.Uint64()
			for k := range 8 {
				b[i+k] = byte(v >> (8 * k))
			}
		}
		switch Sniff(b) {
		case stream.SniffMaybe:
			maybe++
		case stream.SniffClient, stream.SniffServer:
			t.Fatalf("a hello in %x", b)
		}
	}
	if maybe > n/8 {
		t.Errorf("%d of %d random datagrams may be DTLS", maybe, n)
	}
	t.Logf("%d of %d may be DTLS", maybe, n)
}

func BenchmarkSniff(b *testing.B) {
	for _, c := range []struct{ name, datagram string }{
		{"ClientHello", plain(messageOf(1, 0, hello1))},
		{"data", data},
		{"unified", unified("2e", "0000", 40)},
		{"STUN", stun},
		{"RTP", rtp},
		{"QUIC", "40 0102030405060708 00000000 00000000 00000000"},
	} {
		d := unhex(c.datagram)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Sniff(d)
			}
		})
	}
}

func BenchmarkAsk(b *testing.B) {
	in := scenes()[0].in
	c := conversation(in)
	b.ReportAllocs()
	b.SetBytes(int64(len(c.Half[0].Data) + len(c.Half[1].Data)))
	for b.Loop() {
		for d := range c.Half {
			c.Half[d].Note, c.Half[d].Done = stream.Note{}, false
		}
		Ask(c, 0)
		Ask(c, 1)
	}
}

func BenchmarkRead(b *testing.B) {
	var r Reader
	for _, s := range scenes() {
		switch s.name {
		case "cookie", "overlapping fragments", "1.3":
			c := conversation(s.in)
			b.Run(strings.ReplaceAll(s.name, " ", "-"), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(c.Half[0].Data) + len(c.Half[1].Data)))
				for b.Loop() {
					r.Read(c)
				}
			})
		}
	}
}

// inChannel makes a ChannelData message, RFC 8656 section 12.4.
func inChannel(s string) string { return fmt.Sprintf("4001 %04x", len(unhex(s))) + s }

// inSend makes a Send indication with DATA alone, RFC 8656 section 11.1.
func inSend(s string) string {
	n := len(unhex(s))
	pad := -n & 3
	return fmt.Sprintf("0016 %04x 2112a442 000102030405060708090a0b 0013 %04x", 4+n+pad, n) + s + strings.Repeat("00", pad)
}
