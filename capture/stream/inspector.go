package stream

// An Inspector is the set of functions by which capture examines the content of
// conversations. Package parse provides it. Ask and SniffTCP must be set. They
// are called by one goroutine at a time, in the order of the capture.
type Inspector struct {
	Ask      Asker
	SniffTCP Sniffer
	SniffUDP Sniffer // nil: UDP is not followed
	// HelloID identifies hellos over TCP, which shows a new connection with the
	// same addresses and ports if its SYN is missing. nil: only sequence numbers
	// show it.
	HelloID Identifier
	Split   Splitter // nil: UDP has no sessions, and EAPOL is not followed
	Rebind  Rebinder // nil: a new address of a client is a new conversation
}

// An Asker examines a conversation after Half[d] grew to its Want, which is 1
// at first, and decides whether to continue. It must not keep parts of c.
type Asker func(c *Conversation, d Dir) Decision

// A Decision is the result of an Asker.
type Decision uint8

// The decisions of an Asker.
const (
	More   Decision = iota // continue; Want and Done of each half say with what
	Enough                 // no further bytes are needed
	Refuse                 // not a handshake; the bytes may be discarded
)

// A Sniffer reports from the first bytes of a direction, or of any of its
// segments, whether a handshake may begin there. It is called for every
// segment of a connection that is not followed, so it must examine few bytes
// only.
type Sniffer func(b []byte) Sniff

// A Sniff is the result of a Sniffer. A greater one is surer.
type Sniff uint8

// The results of a Sniffer.
const (
	SniffNone   Sniff = iota // not a handshake
	SniffMaybe               // may begin or continue a handshake, of either side
	SniffClient              // begins with the first message of a client
	SniffServer              // begins with the first message of a server
)

// An Identifier returns a number that identifies the handshake whose hello
// begins at b. Copies of the hello and the second ClientHello of a handshake
// have the same number. It returns 0 if b does not begin with a hello, or with
// too little of one.
type Identifier func(b []byte) uint32

// A Datagram is the input of a Splitter, which must not keep it.
type Datagram struct {
	Transport Transport // UDP or EAPOL
	Flow      uint64    // UDP: identifies the pair of endpoints, equal in both directions
	From      uint8     // UDP: sender among the two endpoints of Flow, 0 or 1
	Src, Dst  MAC       // EAPOL: addresses; zero if the capture does not have them
	Time      int64     // nanoseconds since 1970 UTC
	Data      []byte    // captured bytes: UDP payload or EAPOL PDU
}

// A Splitter separates conversations that share a pair of endpoints. It
// returns the session number of a datagram, of which the low 24 bits are used,
// and the direction of the datagram. With session 0 a UDP datagram belongs to
// the conversation of its endpoints, and an EAPOL frame to none. lost says
// that an unfinished session was dropped to limit memory.
//
// It is called for every datagram in the order of capture, by one goroutine at
// a time. It must examine few bytes of datagrams of other protocols.
type Splitter func(*Datagram) (session uint32, d Dir, lost bool)

// MaxSession is the largest session number of one protocol. The three bits
// above it identify the protocol.
const MaxSession = 1<<21 - 1

// MaxConnID is the maximum length in bytes of a connection ID from a Rebinder.
const MaxConnID = 20

// A Rebinder finds the datagrams that belong to one conversation although the
// client's address changed, for example because a NAT lost its state. It is
// used by one goroutine at a time.
type Rebinder interface {
	// ConnIDs returns the connection IDs in a datagram: to is the one that its
	// receiver chose, from the one that its sender chose. Each has 0 to MaxConnID
	// bytes and aliases b. ok is false if there are none. It is called for
	// datagrams of openings and for those that may begin one, so it must examine
	// few bytes only.
	ConnIDs(b []byte) (to, from []byte, ok bool)
	// Same reports whether b continues c. b has the client's connection ID in c,
	// and perhaps the server's. It was sent in direction d, from or to an address
	// that is not c's client's. Copies of what c has, and datagrams of other
	// clients, do not continue c.
	Same(c *Conversation, d Dir, b []byte) bool
}
