package capture

import (
	"net/netip"

	"pfsight/capture/packet"
	"pfsight/capture/stream"
)

// Options configure a Run. Except for the Inspector, the zero value of a field
// is its default.
type Options struct {
	// Inspector finds the handshakes in what the connections carry.
	stream.Inspector
	// Filter reports whether to read a frame. An error means that it does not
	// support this link type; the frame is then counted as NotFiltered.
	// Several goroutines call it at the same time. Default: read every frame.
	Filter func(link packet.LinkType, data []byte, wireLen int) (bool, error)
	// MaxPackets is the number of packets accepted by the filter after which
	// reading ends. If it is set, there is only one worker. Default: no limit.
	MaxPackets uint64
	// Bulk is called for one packet in 64 of the TCP connections whose opening
	// was delivered and that are not in a tunnel, so most often for those that
	// send the most. It is called by one goroutine at a time. Default: no
	// calls.
	Bulk func(a, b netip.AddrPort)
	// Memory is the approximate number of bytes that the tracker may use. What
	// is dropped because of it is counted. Default: 1 GiB.
	Memory int64
	// Open is the number of bytes that incomplete handshakes may use. Default:
	// a fixed part of Memory.
	Open int64
}

// defaultMemory is the default of Options.Memory, in bytes.
const defaultMemory = 1 << 30

// A Sink receives the events of a Run. Each worker has its own Sink.
type Sink interface {
	// Take receives the events of a block of packets, in order. Other workers
	// call their Sinks at the same time. The events and everything they refer
	// to are valid until Take returns.
	Take(events []Event)
	// Emit publishes the results of the preceding Take. It is called after
	// each Take, for one Sink at a time, in the order of the capture. sofar
	// has the totals up to here. It is valid until Emit returns.
	Emit(sofar *Stats)
}

// An Event delivers an opening that is as complete as it will be, or reports
// the end of a connection whose opening was delivered.
type Event struct {
	ID uint64 // of the Conversation
	// Ref identifies a live connection. It is small, and is reused after the
	// connection's end event.
	Ref     uint32
	Opening *stream.Conversation // nil: the connection ended
	Totals  stream.Totals        // if the connection ended
}

// Stats are the totals of a Run.
type Stats struct {
	Packets uint64 // all packets read, including those that the filter rejected
	Bytes   uint64 // captured bytes of Packets
	Refused uint64 // captured bytes of the packets that the filter rejected
	First   int64  // time of the earliest packet, nanoseconds since 1970 UTC; 0 if no packet has a time
	Last    int64  // time of the latest packet, likewise
	Drops   Counters
	Unread  []LinkCount // part of Drops by link type, most packets first; read-only
	Files   []FileLoss  // part of Drops by file, in the order of the capture; set when a Run has ended
	Tables  Tables
}

// Tables are the peak sizes of the tracker's tables, and their limits.
type Tables struct {
	HalfOpen, MaxHalfOpen       int // connections of which only SYNs were seen
	Connections, MaxConnections int // TCP connections and UDP conversations that showed a handshake
	Openings                    int // handshakes in progress
	Held, MaxHeld               int // bytes of Openings

	// Closed is the current number of connections whose opening was delivered,
	// which were closed by both endpoints or reset, and for which no end event
	// was sent yet. It is not a peak.
	Closed int
}

// add adds the totals of one worker.
func (st *Stats) add(o *Stats) {
	if o.First != 0 && (st.First == 0 || o.First < st.First) {
		st.First = o.First
	}
	if o.Last != 0 && (st.Last == 0 || o.Last > st.Last) {
		st.Last = o.Last
	}
	st.Packets += o.Packets
	st.Bytes += o.Bytes
	st.Refused += o.Refused
	for i, n := range o.Drops {
		st.Drops[i] += n
	}
}
