package render

import (
	"pfsight/capture/stream"
	"pfsight/report"
)

// A Live is the state of a live capture. Counts are since its start, rates over
// the last seconds.
type Live struct {
	Now, Started int64 // nanoseconds since 1970 UTC
	Last         int64 // time of the latest packet; 0 without packets

	Packets, Bytes uint64
	Drops          uint64 // packets dropped by the kernel
	PacketRate     float64
	BitRate        float64
	DropRate       float64
	Handshakes     float64 // per second
	Open           uint64  // connections whose handshake was read, and that have not ended
	Minute         Window

	Interfaces []stream.InterfaceStats
	SinkLoss   []report.Count // rows that a sink did not accept, by sink
}

// A Window is the sums over a period.
type Window struct {
	Connections uint64
	Negotiated  uint64
	Verdicts    [4]uint64 // by secrecy.Verdict, over Negotiated
	Packets     uint64
	Drops       uint64 // packets dropped by the kernel
}
