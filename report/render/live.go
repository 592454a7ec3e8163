package render

import "pfsight/report"

// A Live is how a capture that goes on stands, beside the sums of a Summary.
// Counts are since its start, rates over the last seconds.
type Live struct {
	Now, Started int64 // nanoseconds since 1970 UTC
	Last         int64 // time of the latest packet; 0 without packets

	Packets, Bytes uint64
	Drops          uint64 // packets dropped by the kernel
	PacketRate     float64
	BitRate        float64
	DropRate       float64
	Handshakes     float64 // a second
	Open           uint64  // connections whose handshake was read and whose end was not seen
	Minute         Window

	Interfaces []Interface
	SinkLoss   []report.Count // rows that a sink did not take, by sink
}

// A Window is what was seen in a stretch of time.
type Window struct {
	Connections uint64
	Negotiated  uint64
	Verdicts    [4]uint64 // by secrecy.Verdict, over Negotiated
	Packets     uint64
	Drops       uint64 // packets dropped by the kernel
}

// An Interface is what the kernel says of one.
type Interface struct {
	Name                    string
	Packets, Drops, Freezes uint64
	Up                      bool
}
