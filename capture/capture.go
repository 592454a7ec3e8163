// Package capture says who spoke, when, and which bytes: it takes frames from
// files or interfaces, reads their headers, and follows each connection as far
// as its opening. What it hands over are values of package stream.
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
	// Filter reports whether a frame is wanted; others are not looked at. An
	// error says that it cannot be applied to frames of this link type; they
	// are not read, and counted as NotFiltered. Several goroutines call it.
	// Default: all are wanted.
	Filter func(link packet.LinkType, data []byte, wireLen int) (bool, error)
	// MaxPackets ends the reading after so many packets that the filter
	// wanted. Default: all. With it one worker does everything.
	MaxPackets uint64
	// Bulk is told of one packet in 64 of connections over TCP whose openings
	// were handed over and that lie in no tunnel: those that send most are
	// told of most often. One goroutine at a time calls it. Default: nobody is.
	Bulk func(a, b netip.AddrPort)
	// Memory is about how many bytes the tracker may use; what that costs is
	// counted. Default: DefaultMemory.
	Memory int64
	// Open is how many bytes handshakes that are not complete may use.
	// Default: a fixed part of Memory.
	Open int64
}

// DefaultMemory is the memory that the tracker may use by default, bytes.
const DefaultMemory = 1 << 30

// A Sink takes what the tracker finds. Each worker of a Run has its own.
type Sink interface {
	// Take is given what the worker found, in order. Other workers' Sinks are
	// called at the same time. The conversations and their bytes are the
	// tracker's again after the return.
	Take(events []Event)
	// Emit passes on what Take made of the events. It is called after each
	// Take, for one Sink at a time, in the order of the capture. sofar is what
	// the Run met up to here; it is the Run's again after the return.
	Emit(sofar *Stats)
}

// An Event tells that an opening is as complete as it will be, or that a
// connection whose opening was told of has ended.
type Event struct {
	ID uint64 // of the conversation
	// Ref names the connection among those that have not ended: it is small,
	// and another's when the end of this one was told.
	Ref     uint32
	Opening *stream.Conversation // nil: it has ended
	Totals  stream.Totals        // of one that has ended
}

// Stats are what a Run met.
type Stats struct {
	Packets uint64 // read, wanted by the filter or not
	Bytes   uint64 // captured, of them
	Refused uint64 // bytes of packets that the filter did not want, of Bytes
	First   int64  // time of the earliest packet, nanoseconds since 1970 UTC; 0 if no packet has a time
	Last    int64  // time of the latest packet, in the same way
	Drops   Counters
	Unread  []LinkCount // of Drops, by link type, most packets first; do not write
	Files   []FileLoss  // of Drops, by file, in the order of the capture; only when a Run has ended
	Tables  Tables
}

// Tables are how large the tracker's tables were at their largest, and what
// they may hold.
type Tables struct {
	HalfOpen, MaxHalfOpen       int // connections of which only SYNs were seen
	Connections, MaxConnections int // followed
	Openings                    int // handshakes open at once
	Held, MaxHeld               int // bytes of them

	// Closed is how many connections that were told of are closed by both
	// ends, or reset, and have not been told to have ended: that is now, and
	// not at the largest.
	Closed int
}

// add counts what another worker met.
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
