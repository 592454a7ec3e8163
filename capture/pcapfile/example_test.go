package pcapfile_test

import (
	"fmt"
	"io"
	"os"
	"time"

	"pfsight/capture/packet"
	"pfsight/capture/pcapfile"
)

const captures = "../../testdata/captures/"

// A Source reads files in the order of time. Here they are the two parts of a
// rotated capture, named in the wrong order.
func ExampleOpen() {
	src, err := pcapfile.Open([]string{captures + "rotated-2.pcap", captures + "rotated-1.pcap"}, pcapfile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer src.Close()
	var b packet.Batch
	for src.Next(&b) == nil {
		// b.Records is valid until the next call of Next.
	}
	for _, in := range src.Inputs() {
		fmt.Println(in.Name[len(captures):], in.Format, in.Packets)
	}
	for _, p := range src.Problems() {
		fmt.Println(p)
	}
	// Output:
	// rotated-1.pcap pcap 7
	// rotated-2.pcap pcap 17
}

// A Reader reads one capture. It detects the format and the compression.
func ExampleReader() {
	f, err := os.Open(captures + "packed-zstd.pcap")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	r, err := pcapfile.NewReader(f)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	fmt.Println(r.Format, r.Packed)
	recs := make([]packet.Record, 2)
	n, err := r.NextBatch(recs)
	for _, rec := range recs[:n] {
		fmt.Println(time.Unix(0, rec.Time).UTC().Format(time.RFC3339Nano), rec.Link, len(rec.Data), rec.WireLen)
	}
	for err == nil {
		_, err = r.NextBatch(recs)
	}
	fmt.Println(r.Packets(), err == io.EOF)
	// Output:
	// pcap zstd
	// 2026-11-24T17:34:30.800641Z Ethernet 54 54
	// 2026-11-24T17:34:30.800655Z Ethernet 54 54
	// 16 true
}
