package quic

import "pfsight/capture/stream"

// An Opening is what the first packets of a UDP conversation show. Arrays by
// stream.Dir are by role: stream.ToServer is the client, even if Swapped is set.
type Opening struct {
	// Version is the version of the Initial packets with the hellos; the
	// server's, if they differ (compatible version negotiation, RFC 9368); the
	// last one in a long header, if no Initial could be opened; and 0 if only
	// 1-RTT packets or a Version Negotiation were seen.
	Version Version
	// FirstVersion is the version that the client began with, 0 if it is Version.
	FirstVersion Version

	// Hello holds the CRYPTO streams of the Initial packets: handshake messages
	// without records, from the first byte. A gap was not seen. A mark is the
	// datagram that first brought the bytes. Packets is that of the
	// conversation's half. The streams alias memory of the Reader.
	Hello [2]stream.Half

	// Swapped says that the endpoint taken for the server is the client.
	Swapped bool

	Retry              bool // the server sent a Retry
	VersionNegotiation bool // the server sent a Version Negotiation

	// The packets of each side. A client sends Handshake packets when it has read
	// the ServerHello, and 1-RTT packets when it has verified the server's
	// Finished. 1-RTT packets are known by their connection ID only.
	Initial, ZeroRTT, Handshake, OneRTT [2]Packets
	// Finished are the Handshake packets that are long enough for a Finished. The
	// first one of a client holds it, or the certificate before it.
	Finished [2]Packets
	// Opened counts the Initials that were decrypted. If it is 0 and Initial is
	// not, the client's first connection ID is not known, or not enough of the
	// packets was captured.
	Opened [2]int

	// Close is the first CONNECTION_CLOSE of an Initial.
	Close Close

	// Others counts further connections between the same endpoints: client
	// Initials with their own keys that follow neither a Retry nor a Version
	// Negotiation. Other is the datagram of the first of them.
	Others int
	Other  stream.Mark

	// Problems are the first problems.
	Problems []Problem
}

// Packets counts packets of one kind. A datagram may hold several. First is the
// datagram of the first.
type Packets struct {
	N     int
	First stream.Mark
}

func (p *Packets) add(m stream.Mark) {
	if p.N == 0 {
		p.First = m
	}
	p.N++
}

// A Close is a CONNECTION_CLOSE frame of an Initial, RFC 9000 section 19.19.
type Close struct {
	Seen  bool
	From  stream.Dir // the role of the sender
	Code  uint64     // transport error code
	Frame uint64     // type of the frame that caused it, 0 if unknown
	Mark  stream.Mark
}

// Alert returns the TLS alert of the code, RFC 9001 section 4.8.
func (c *Close) Alert() (code uint8, ok bool) {
	return uint8(c.Code), c.Seen && c.Code >= 0x100 && c.Code <= 0x1ff
}

// A Problem is something malformed. Offset is in the concatenated datagrams of
// the role.
type Problem struct {
	From   stream.Dir
	Offset int
	What   string
}

// maxProblems is the number of problems that are kept.
const maxProblems = 16

func (r *Reader) problem(role stream.Dir, offset int, what string) {
	if len(r.o.Problems) < maxProblems {
		r.o.Problems = append(r.o.Problems, Problem{role, offset, what})
	}
}
