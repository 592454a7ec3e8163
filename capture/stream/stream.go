// Package stream holds the values that cross from capture to parse: what the
// two endpoints of one transport connection said first, byte by byte, and
// what is known of the bytes that were not seen. It is a leaf: it imports
// only the standard library and knows neither frames nor TLS.
package stream

import (
	"net/netip"
)

// A Dir is a direction of a conversation; it indexes Conversation.Half.
type Dir uint8

// The two directions.
const (
	ToServer Dir = 0 // said by the client
	ToClient Dir = 1 // said by the server
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

// A MAC is an IEEE 802 address. The zero MAC is none.
type MAC [6]byte

// IsGroup reports whether m is the address of a group of stations.
func (m MAC) IsGroup() bool { return m[0]&1 != 0 }

// String returns the six bytes in lower-case hex with colons between them.
func (m MAC) String() string { return string(m.AppendTo(nil)) }

// AppendTo appends what String returns.
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

// A Conversation is the opening of one transport connection: the bytes that
// both endpoints said first, up to the point where the Asker had enough, the
// connection ended, or a limit was met.
//
// Client and Server are as the transport shows them: by the SYN where one was
// seen (ClientKnown), else the endpoint whose data came first is taken for
// the client. What was said may prove the guess wrong; then parse says so.
type Conversation struct {
	ID            uint64 // in the order the connections were first seen, from 1
	Transport     Transport
	Client        netip.AddrPort
	Server        netip.AddrPort
	ClientKnown   bool     // a SYN told who began
	Encapsulation []string // outermost first, nil for none; shared, do not write
	Source        string   // the file or interface of the first packet
	Start         int64    // time of the first packet seen, nanoseconds since 1970 UTC
	Half          [2]Half  // by Dir

	// ClientMAC and ServerMAC are the endpoints where Transport is EAPOL; then
	// Client and Server are zero. A zero ServerMAC or ClientMAC says that its
	// frames were not seen and that those to it went to the group address.
	ClientMAC, ServerMAC MAC

	// Moved is the client's address after it changed within the opening, the
	// last one if it did so more than once. Zero: it did not.
	Moved netip.AddrPort
}

// A Half is what one endpoint said.
type Half struct {
	// Data is the start of the stream. Bytes inside Gaps were not seen and
	// hold no meaning. Without Midstream, Data[0] is the first byte sent.
	Data []byte
	// Gaps are the parts of Data that were not seen, ascending and disjoint.
	Gaps []Gap
	// Marks tell which packet brought which bytes, in order of arrival. At
	// most MaxMarks are kept; past that a mark covers several packets and
	// names the last of them. In UDP and EAPOL a mark is a datagram.
	Marks []Mark

	Packets   uint64 // packets seen in this direction when the value was made, with and without data
	SYN       bool   // the start of the stream was seen
	Midstream bool   // no SYN: Data begins where something like a handshake began
	FIN       bool   // the endpoint said it is done
	FINSeq    uint32 // of TCP: the sequence number of the FIN, where FIN is set
	RST       bool   // the endpoint reset the connection
	Cut       bool   // a packet of this direction was cut by the capture's snaplen inside Data or at its end
	Full      bool   // more was wanted than the limit of the prefix allows
	Lost      bool   // bytes behind Data were sent and not seen: the FIN or the other endpoint's acknowledgments show it
	Conflict  bool   // a retransmission brought other bytes than the first one; the first are kept

	// Want is the length of gapless Data at which the Asker is to be asked
	// again; Done says that nothing more of this half is wanted. Both are
	// written by the Asker.
	Want int
	Done bool
	// Note belongs to the Asker; capture keeps it and does not read it.
	Note Note
}

// A Note is what an Asker remembers of a half between two questions. An Asker
// writes the Note of the half that it is asked about only. It reads that of the
// other half as its Kind says.
type Note struct {
	Offset int    // how far the bytes were looked at
	State  uint32 // where in the handshake that is
	Aux    uint32
	Window uint32 // which of the latest numbered pieces were seen, a bit for each
	Kind   uint8  // what State and Aux mean: a number of the Asker's, 0 for nothing yet
}

// A Gap is a range of bytes [From, To) that were not seen.
type Gap struct{ From, To int }

// A Mark tells that the bytes [From, To) came in the packet with this number
// (from 1, in its file) at this time (nanoseconds since 1970 UTC).
type Mark struct {
	From, To uint32
	// Of TCP, Seq is the sequence number behind the last of the bytes, and Ack
	// is the acknowledgment number of the packet. Both are 0 where one of them
	// is not known.
	Seq, Ack uint32
	Packet   uint64
	Time     int64
}

// Answers reports whether the sender of m had received the bytes before to of
// the other half, of which b brought the last ones. TCP's acknowledgments say
// it, in whatever order the packets were captured. Elsewhere it is taken to be
// so where m was captured after b.
func (m Mark) Answers(b Mark, to int) bool {
	if m.Seq|m.Ack != 0 && b.Seq|b.Ack != 0 {
		return int32(m.Ack-b.Seq+b.To-uint32(to)) >= 0
	}
	return m.Time > b.Time || m.Time == b.Time && m.Packet > b.Packet
}

// MaxMarks is the number of marks that a Half keeps.
const MaxMarks = 128

// Seen reports whether any packet of this direction was seen.
func (h *Half) Seen() bool { return h.Packets > 0 }

// Contiguous returns the length of the part of Data before the first gap.
func (h *Half) Contiguous() int {
	if len(h.Gaps) > 0 {
		return h.Gaps[0].From
	}
	return len(h.Data)
}

// Missing reports whether any byte of [from, to) was not seen.
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

// Split reports whether the bytes [from, to) came in more than one packet.
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
// to): the last to arrive of those that brought a part of it. The zero Mark
// says that none is known.
func (h *Half) Completed(from, to int) Mark {
	for i := len(h.Marks) - 1; i >= 0; i-- {
		if m := h.Marks[i]; int(m.From) < to && int(m.To) > from {
			return m
		}
	}
	return Mark{}
}

// Holds reports whether all bytes of h that the sender of m, a mark of the other
// half, had received are there, as far as TCP's acknowledgments tell.
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

// A Verdict is the answer to the one question that capture asks of parse
// while bytes arrive.
type Verdict uint8

// The verdicts of an Asker.
const (
	More   Verdict = iota // go on; each half says with Want and Done what for
	Enough                // the conversation is complete as far as a handshake goes
	Refuse                // this is no handshake; the bytes may be forgotten
)

// An Asker looks at a conversation after Half[d] grew to its Want (at first
// 1) and says whether to go on. It must not keep any part of c.
type Asker func(c *Conversation, d Dir) Verdict

// A Sign is what the first bytes of a direction look like.
type Sign uint8

// The signs.
const (
	NoSign     Sign = iota // not a handshake
	MaybeSign              // it may begin or continue a handshake, of either side
	ClientSign             // it begins with what a client says first
	ServerSign             // it begins with what a server answers
)

// A Signer tells from the first bytes of a direction, or of any segment of
// it, whether a handshake may begin there. It is asked for every segment of
// a connection that is not followed, so it looks at a few bytes only.
type Signer func(b []byte) Sign

// An Identifier returns a number that identifies the handshake whose hello a
// segment b begins with: copies of the hello, and the second ClientHello of the
// same handshake, have the same one. 0: b begins with none, or with too little
// of one.
type Identifier func(b []byte) uint32

// A Datagram is what a Splitter is shown of a packet. It is the caller's again
// after the return.
type Datagram struct {
	Transport Transport // UDP or EAPOL
	Flow      uint64    // of UDP: names the pair of endpoints, the same in both directions
	From      uint8     // of UDP: which of the two endpoints of Flow sent it, 0 or 1
	Src, Dst  MAC       // of EAPOL; zero where the capture does not tell it
	Time      int64     // nanoseconds since 1970 UTC
	Data      []byte    // as captured: the payload of UDP, the EAPOL PDU
}

// A Splitter tells apart the conversations that share one pair of endpoints:
// it returns the number of the session that a datagram belongs to, of which
// the low 24 bits count, and who said it. 0 is none: a datagram of UDP belongs
// to the conversation of its endpoints then, an EAPOL frame to none. lost says
// that an unfinished session was forgotten for lack of room.
//
// It is called for every datagram, in the order of the capture, by one
// goroutine at a time, so it looks at a few bytes only of what is not its own.
type Splitter func(*Datagram) (session uint32, d Dir, lost bool)

// MaxSession is the largest number that the Splitter of one protocol gives.
// The three bits above it tell the protocols apart.
const MaxSession = 1<<21 - 1

// MaxName is the longest name that a Linker may give, bytes.
const MaxName = 20

// A Linker tells which datagrams belong to one conversation although the
// client's address changed, as it does behind a NAT that forgot it. One
// goroutine at a time uses it.
type Linker interface {
	// Names reads from a datagram the names that its receiver and its sender
	// have given their connection, each at most MaxName bytes and of any length
	// from 0. They alias b. ok is false where it bears none. It is asked for the
	// datagrams of openings and for those that may begin one, so it looks at a
	// few bytes only.
	Names(b []byte) (to, from []byte, ok bool)
	// Same reports whether b, which bears the client's name in c, and perhaps
	// the server's, and was said in direction d by or to another address than
	// c's client has, is more of c: no copy of what is there, and nothing of
	// another client's.
	Same(c *Conversation, d Dir, b []byte) bool
}

// Totals is what is known of a connection when it has ended.
type Totals struct {
	Bytes   [2]uint64 // payload bytes by Dir, retransmissions counted once, bytes the capture lost counted too
	Packets uint64
	Last    int64 // time of the last packet, nanoseconds since 1970 UTC
	End     End
}

// An End says how a connection left the tracker.
type End uint8

// The ends of a connection.
const (
	EndInput  End = iota // the input ended first
	EndFIN               // both sides closed
	EndRST               // a side reset it
	EndIdle              // nothing was seen for the idle time
	EndReused            // a new connection began with the same endpoints
	EndEvict             // its memory was needed
)
