package stream

import (
	"net/netip"
)

// A Dir is a direction of a conversation. It is an index of Conversation.Half.
type Dir uint8

// The two directions.
const (
	ToServer Dir = 0 // from the client
	ToClient Dir = 1 // from the server
)

// Opposite returns the other direction.
func (d Dir) Opposite() Dir { return d ^ 1 }

// A Transport is the protocol below the handshake.
type Transport uint8

// The transports.
const (
	TCP Transport = iota
	UDP
	EAPOL // IEEE 802.1X: frames between two stations of a LAN, without IP
)

func (t Transport) String() string {
	switch t {
	case UDP:
		return "udp"
	case EAPOL:
		return "eapol"
	}
	return "tcp"
}

// A MAC is an IEEE 802 address. The zero MAC means none.
type MAC [6]byte

// IsGroup reports whether m is a group address.
func (m MAC) IsGroup() bool { return m[0]&1 != 0 }

// String returns the six bytes in lower-case hex, separated by colons.
func (m MAC) String() string { return string(m.AppendTo(nil)) }

// AppendTo appends m.String() to b.
func (m MAC) AppendTo(b []byte) []byte {
	const digits = "0123456789abcdef"
	for i, x := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, digits[x>>4], digits[x&15])
	}
	return b
}

// A Conversation is the opening of one transport connection: the first bytes
// of both endpoints, until the Asker has enough, the connection ends, or a
// limit is reached.
//
// The SYN decides which endpoint is the client (ClientKnown). Without a SYN it
// is the endpoint that sent data first. If the content contradicts this, parse
// corrects it.
type Conversation struct {
	ID            uint64 // number of the connection by its first packet, from 1
	Transport     Transport
	Protocol      uint8 // what carries the handshake: a number of the Asker's, 0 while it is undecided; capture does not read it
	Client        netip.AddrPort
	Server        netip.AddrPort
	ClientKnown   bool     // a SYN was seen
	Encapsulation []string // outermost layer first, nil for none; shared, do not modify
	Source        string   // file or interface of the first packet
	Start         int64    // time of the first packet, nanoseconds since 1970 UTC
	Half          [2]Half  // by Dir

	// ClientMAC and ServerMAC are the endpoints if Transport is EAPOL. Client and
	// Server are zero then. An address is zero if none of its frames was seen and
	// those to it were sent to the group address.
	ClientMAC, ServerMAC MAC

	// Moved is the client's latest address if it changed during the opening,
	// otherwise zero.
	Moved netip.AddrPort
}

// A Half is one direction of a Conversation.
type Half struct {
	// Data is the beginning of the stream. Bytes inside Gaps were not seen and
	// are meaningless. Without Midstream, Data[0] is the first byte sent.
	Data []byte
	// Gaps are the missing parts of Data, ascending and disjoint.
	Gaps []Gap
	// Marks map bytes to packets, in order of arrival. At most MaxMarks are kept.
	// Further packets extend the last mark, which then names the last of them.
	// With UDP and EAPOL each mark is a datagram.
	Marks []Mark

	Packets   uint64 // number of packets so far, with and without data
	SYN       bool   // the start of the stream was seen
	Midstream bool   // no SYN: Data begins where a handshake seemed to begin
	FIN       bool   // the endpoint closed the stream
	FINSeq    uint32 // TCP: the sequence number of the FIN, if FIN is set
	RST       bool   // the endpoint reset the connection
	Cut       bool   // the snaplen cut a packet inside Data or at its end
	Full      bool   // Data reached its limit, and the Asker wanted more
	Lost      bool   // bytes after Data were sent but not seen, as the FIN or the other side's acknowledgments show
	Conflict  bool   // a retransmission had different bytes; the first ones are kept

	// Want is the length of gapless Data at which the Asker is called again. Done
	// says that no more of this half is needed. The Asker sets both.
	Want int
	Done bool
	// Note belongs to the Asker. capture keeps it and does not read it.
	Note Note
}

// A Note is the state of an Asker between two calls. An Asker writes the Note
// of the Half that it is called for, and may read that of the other Half
// according to its Kind.
type Note struct {
	Offset int    // how many bytes were examined
	State  uint32 // position in the handshake
	Aux    uint32
	Window uint32 // bit set of the latest numbered pieces that were seen
	Kind   uint8  // meaning of State and Aux, chosen by the Asker; 0: not set
}

// A Gap is a range of missing bytes [From, To).
type Gap struct{ From, To int }

// A Mark says that the bytes [From, To) arrived in packet number Packet of its
// file, from 1, at Time in nanoseconds since 1970 UTC.
type Mark struct {
	From, To uint32
	// Seq is the TCP sequence number after the last of the bytes, and Ack the
	// acknowledgment number of the packet. Both are 0 if one of them is
	// undetermined.
	Seq, Ack uint32
	Packet   uint64
	Time     int64
}

// Answers reports whether the sender of m had received the bytes before to of
// the other half, where b is the mark of their last bytes. With TCP the
// acknowledgment numbers decide, whatever the order of capture. Otherwise it
// is true if m was captured after b.
func (m Mark) Answers(b Mark, to int) bool {
	if m.Seq|m.Ack != 0 && b.Seq|b.Ack != 0 {
		return int32(m.Ack-b.Seq+b.To-uint32(to)) >= 0
	}
	return m.Time > b.Time || m.Time == b.Time && m.Packet > b.Packet
}

// MaxMarks is the maximum number of marks of a Half.
const MaxMarks = 128

// Seen reports whether a packet of this direction was seen.
func (h *Half) Seen() bool { return h.Packets > 0 }

// Contiguous returns the length of Data before the first gap.
func (h *Half) Contiguous() int {
	if len(h.Gaps) > 0 {
		return h.Gaps[0].From
	}
	return len(h.Data)
}

// Missing reports whether a byte of [from, to) was not seen.
func (h *Half) Missing(from, to int) bool {
	if to > len(h.Data) {
		return true
	}
	for _, g := range h.Gaps {
		if g.From >= to {
			return false
		}
		if g.To > from {
			return true
		}
	}
	return false
}

// Split reports whether the bytes [from, to) arrived in more than one packet.
func (h *Half) Split(from, to int) bool {
	n := 0
	for i := range h.Marks {
		if m := &h.Marks[i]; int(m.From) < to && int(m.To) > from {
			n++
		}
	}
	return n > 1
}

// Completed returns the mark of the packet that completed the bytes [from,
// to): the last one to arrive with a part of them. It returns the zero Mark if
// it is undetermined.
func (h *Half) Completed(from, to int) Mark {
	for i := len(h.Marks) - 1; i >= 0; i-- {
		if m := h.Marks[i]; int(m.From) < to && int(m.To) > from {
			return m
		}
	}
	return Mark{}
}

// Holds reports whether h has all bytes that the sender of m, a mark of the
// other half, had received according to TCP's acknowledgment numbers.
func (h *Half) Holds(m Mark) bool {
	if m.Seq|m.Ack == 0 {
		return true
	}
	for i := range h.Marks {
		if o := &h.Marks[i]; o.Seq|o.Ack != 0 {
			return int32(o.Seq-o.To+uint32(h.Contiguous())-m.Ack) >= 0
		}
	}
	return false
}

// Totals describes a connection at its end.
type Totals struct {
	Bytes   [2]uint64 // payload bytes by Dir, with bytes that the capture lost and without retransmissions
	Packets uint64
	Last    int64 // time of the last packet, nanoseconds since 1970 UTC
	End     End
}

// An End is the way in which a connection left the tracker.
type End uint8

// The ends of a connection.
const (
	EndInput  End = iota // the input ended first
	EndFIN               // both sides closed it
	EndRST               // a side reset it
	EndIdle              // no packet for the idle time
	EndReused            // a new connection began with the same endpoints
	EndEvict             // dropped to limit memory
)
