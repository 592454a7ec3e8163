package frametest

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"pfsight/capture/packet"
)

// A Packet is a packet of a capture.
type Packet struct {
	Time int64 // nanoseconds since 1970 UTC
	Data []byte
	Wire int // length on the wire; 0: that of Data
}

// Pcap returns a pcap file whose time stamps have the given unit, a microsecond
// or a nanosecond.
func Pcap(t testing.TB, unit time.Duration, link packet.LinkType, packets []Packet) []byte {
	t.Helper()
	const snaplen = 256 << 10
	var out bytes.Buffer
	w := pcapgo.NewWriterNanos(&out)
	if unit == time.Microsecond {
		w = pcapgo.NewWriter(&out)
	}
	if err := w.WriteFileHeader(snaplen, layers.LinkType(link)); err != nil {
		t.Fatal(err)
	}
	// A layers.LinkType has only 8 bits.
	binary.LittleEndian.PutUint32(out.Bytes()[20:], uint32(link))
	for _, p := range packets {
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(0, p.Time), CaptureLength: len(p.Data), Length: max(p.Wire, len(p.Data))}
		if err := w.WritePacket(ci, p.Data); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// WritePcap writes a pcap file with nanosecond time stamps.
func WritePcap(t testing.TB, name string, link packet.LinkType, packets []Packet) {
	t.Helper()
	if err := os.WriteFile(name, Pcap(t, time.Nanosecond, link, packets), 0o600); err != nil {
		t.Fatal(err)
	}
}
