package parse_test

import (
	"path/filepath"
	"testing"

	"pfsight/capture/packet"
	"pfsight/capture/pcapfile"
	"pfsight/parse"
)

// TestSignPieces shows what looks at first bytes the pieces of real packets:
// every prefix of what is behind the headers that packets have, and of each
// line in it.
func TestSignPieces(t *testing.T) {
	files, _ := filepath.Glob("../testdata/captures/*.pcap")
	if len(files) < 100 {
		t.Fatalf("%d captures", len(files))
	}
	src, err := pcapfile.Open(files, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	n := 0
	var b packet.Batch
	for src.Next(&b) == nil {
		for _, r := range b.Records {
			for _, from := range []int{14, 28, 34, 42, 54, 62, 66, 74, 86} {
				if from < len(r.Data) {
					n += prefixes(r.Data[from:])
				}
			}
			for i, c := range r.Data {
				if c == '\n' {
					n += prefixes(r.Data[i+1:])
				}
			}
		}
	}
	if n < 1e6 {
		t.Errorf("only %d pieces", n)
	}
}

func prefixes(b []byte) int {
	inspector := parse.NewInspector(0)
	b = b[:min(len(b), 48)]
	for end := range len(b) + 1 {
		piece := b[:end:end] // what is behind it is out of reach
		inspector.SniffTCP(piece)
		inspector.SniffUDP(piece)
	}
	return len(b) + 1
}
