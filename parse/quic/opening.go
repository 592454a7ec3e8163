package quic

import "pfsight/capture/stream"

// An Opening is what the first packets of one UDP conversation say. All that
// is by direction is by role: stream.ToServer is the client, also where the
// transport took the other endpoint for it (Swapped).
type Opening struct {
	// Version is that of the Initial packets that carried the hellos, the
	// server's where that differs (compatible version negotiation, RFC 9368),
	// or the last that a long header showed if none could be opened. 0: only
	// 1-RTT packets or a Version Negotiation were seen.
	Version Version
	// FirstVersion is what the client began with, 0 if that is Version.
	FirstVersion Version

	// Hello holds the CRYPTO streams of the Initial packets: handshake messages
	// without records, from the first byte. A gap is what was not seen; a mark
	// names the datagram that brought the bytes first. Packets is that of the
	// conversation's half. The streams alias memory of the Reader.
	Hello [2]stream.Half

	// Swapped says that the endpoint taken for the server is the client.
	Swapped bool

	Retry              bool // the server sent a Retry
	VersionNegotiation bool // the server sent a Version Negotiation

	// What packets each side sent. A client sends Handshake packets when it
	// has read the ServerHello, and 1-RTT packets when it has verified the
	// server's Finished. 1-RTT packets can be told only by their connection ID.
	Initial, ZeroRTT, Handshake, OneRTT [2]Packets
	// Finished are the Handshake packets that are long enough for a Finished:
	// of a client, the first is one, or the certificate before it.
	Finished [2]Packets
	// Opened counts the Initials that could be decrypted. Where it is 0 and
	// Initial is not, the client's first connection ID is not known, or what
	// was captured of the packets is not enough.
	Opened [2]int

	// Close is the first CONNECTION_CLOSE of an Initial.
	Close Close

	// Others counts the attempts at further connections with the same
	// endpoints: client Initials with keys of their own that follow neither a
	// Retry nor a Version Negotiation. Other is the first packet of the first.
	Others int
	Other  stream.Mark

	// Problems are the first few of what was malformed.
	Problems []Problem
}

// Packets tells of packets of one kind; a packet counts where it begins, and
// a datagram may hold several. First is the datagram of the first.
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
	Frame uint64     // type of the frame that caused it, 0 for none known
	Mark  stream.Mark
}

// Alert returns the TLS alert that the code stands for, RFC 9001 section 4.8.
func (c *Close) Alert() (code uint8, ok bool) {
	return uint8(c.Code), c.Seen && c.Code >= 0x100 && c.Code <= 0x1ff
}

// A Problem is something malformed at an offset of what one role sent, in the
// datagrams as they stand one behind the other.
type Problem struct {
	From   stream.Dir
	Offset int
	What   string
}

// maxProblems is how many problems are kept.
const maxProblems = 16

func (r *Reader) problem(role stream.Dir, offset int, what string) {
	if len(r.o.Problems) < maxProblems {
		r.o.Problems = append(r.o.Problems, Problem{role, offset, what})
	}
}
