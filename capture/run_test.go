package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"pfsight/capture/frametest"
	"pfsight/capture/packet"
	"pfsight/capture/pcapfile"
	"pfsight/capture/stream"
)

// largeCapture writes a capture of n TCP segments of 1,000 bytes, each of its
// own connection.
func largeCapture(t *testing.T, n int) string {
	frame := make([]byte, 14+20+20+1000)
	copy(frame[12:], []byte{8, 0, 0x45, 0})
	binary.BigEndian.PutUint16(frame[16:], uint16(len(frame)-14))
	copy(frame[22:], []byte{64, protoTCP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2})
	copy(frame[46:], []byte{5 << 4, flagACK})
	packets := make([]frametest.Packet, n)
	for i := range packets {
		binary.BigEndian.PutUint32(frame[26:], 0x0a000000|uint32(i))
		packets[i] = frametest.Packet{Time: 1700000000e9 + int64(i)*1e6, Data: bytes.Clone(frame)}
	}
	name := filepath.Join(t.TempDir(), "large.pcap")
	frametest.WritePcap(t, name, packet.LinkEthernet, packets)
	return name
}

type noSink struct{}

func (noSink) Take([]Event) {}
func (noSink) Emit(*Stats)  {}

// TestFileCutInUse truncates a file while its packets are decoded or tracked.
// The Run must end with the packets before the cut, and an error.
func TestFileCutInUse(t *testing.T) {
	const packets, after, cut = 12000, 7000, 5 << 20
	for _, stage := range []string{"decode", "track"} {
		for workers := 1; workers <= 3; workers++ {
			name := largeCapture(t, packets)
			var hits atomic.Int64
			hit := func(now string) {
				if now == stage && hits.Add(1) == after {
					if err := os.Truncate(name, cut); err != nil {
						t.Error(err)
					}
				}
			}
			var sum atomic.Int64
			read := func(b []byte) {
				for _, x := range b {
					if x != 0 {
						sum.Add(int64(x))
					}
				}
			}
			src, err := pcapfile.Open([]string{name}, pcapfile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			st, err := Run(context.Background(), src, Options{
				Inspector: stream.Inspector{SniffTCP: func(b []byte) stream.Sniff {
					hit("track")
					read(b)
					return stream.SniffNone
				}},
				Filter: func(_ packet.LinkType, b []byte, _ int) (bool, error) {
					hit("decode")
					read(b)
					return true, nil
				},
			}, []Sink{noSink{}, noSink{}, noSink{}}[:workers]...)
			src.Close()
			if err != nil {
				t.Fatalf("%s, %d workers: %v", stage, workers, err)
			}
			// Blocks before the cut are complete. Behind it there are only the
			// packets that were read before.
			if least := uint64(cut / 1070); st.Packets < least || st.Packets == packets {
				t.Errorf("%s, %d workers: got %d packets", stage, workers, st.Packets)
			}
			if len(src.Problems()) == 0 {
				t.Errorf("%s, %d workers: got no problem", stage, workers)
			}
			for _, p := range src.Problems() {
				if p.File != name || !errors.Is(p.Err, pcapfile.ErrTruncated) {
					t.Errorf("%s, %d workers: got problem %v", stage, workers, p)
				}
			}
		}
	}
}
