package dtls

import "pfsight/capture/stream"

// Limits of the work and memory for one conversation. Memory grows with the bytes
// seen, never with a claimed length.
const (
	maxMessages = 64      // messages of one side
	maxMessage  = 1 << 18 // bytes; a longer handshake message is not assembled
	maxSpans    = 64      // disjoint parts of one message
	maxPieces   = 1 << 14 // fragments of one side with new bytes, and as many with repeated ones
	maxRecords  = 32      // protected records of one side that are kept; more are only counted
	maxAlerts   = 16      // alerts of one side
	maxVersions = 4       // record versions of one side
	maxPending  = 64      // datagrams with connection IDs that wait for the hellos
	maxProblems = 32      // problems kept
)

// Handshake message types that this package looks at, RFC 6347 section 4.3.2.
const (
	TypeClientHello        = 1
	TypeServerHello        = 2
	TypeHelloVerifyRequest = 3
	typeNewSessionTicket   = 4
	typeCertificate        = 11
	typeServerKeyExchange  = 12
	typeCertificateRequest = 13
	typeServerHelloDone    = 14
	typeCertificateVerify  = 15
	typeClientKeyExchange  = 16
)

// Record types, RFC 6347 section 4.3.1, RFC 6520, RFC 9146 section 3, RFC 9147
// section 4. RecordUnified is for the records of DTLS 1.3 with the unified
// header, which shows no type.
const (
	RecordChangeCipherSpec = 20
	RecordAlert            = 21
	RecordHandshake        = 22
	RecordApplicationData  = 23
	RecordHeartbeat        = 24
	RecordCID              = 25
	RecordACK              = 26
	RecordUnified          = 32
)

// An Opening is the DTLS of one conversation.
type Opening struct {
	// Said is what each role sent: Said[stream.ToServer] is the client's side,
	// whichever half it is in.
	Said [2]Side
	// Swapped says that the client's bytes are in Half[ToClient].
	Swapped bool
	// Capwap says that datagrams began with the CAPWAP DTLS header, RFC 5415
	// section 4.2.
	Capwap bool
	// TURN says that a TURN relay carried the datagrams, RFC 8656.
	TURN bool
	// Restarts counts the ClientHellos that the client abandoned before a
	// ServerHello, for one with another Random. Said holds the last one only.
	Restarts int
	// Another says that a new connection between the same endpoints began after a
	// ServerHello. Said holds nothing of it. AnotherAt is its first datagram.
	Another   bool
	AnotherAt stream.Mark
	// Foreign counts datagrams of other protocols, such as STUN and SRTP.
	Foreign  int
	Problems []Problem
}

// A Side is what one endpoint sent.
type Side struct {
	Dir stream.Dir // the half of the conversation
	// Versions are the versions of its unprotected records, in order of first
	// use.
	Versions []uint16
	// Messages are the handshake messages of epoch 0, sorted by message_seq, then
	// by arrival.
	Messages []Message
	// Verify is the version in the HelloVerifyRequest, 0 if there was none.
	Verify uint16
	Alerts []Alert // those in the clear
	// CCS counts the ChangeCipherSpec records of epoch 0. DTLS 1.3 has none.
	CCS Seen
	// Missing says that records between the ServerHello and the
	// ChangeCipherSpec were not seen, as their sequence numbers show. It is
	// not set if the snaplen cut the side's datagrams.
	Missing bool

	// Protected records of DTLS <= 1.2. Handshake counts content type 22; the
	// first such record is Finished.
	Handshake, Data, Alert Seen
	// CID counts records of type tls12_cid, whose content type is encrypted. The
	// first one of a side is Finished.
	CID Seen
	// Unified counts the records of DTLS 1.3 with the unified header. Early
	// counts those of them whose epoch bits are 1: early data, if the client sent
	// them.
	Unified, Early Seen
	// Records are the first protected records in order of arrival, those with a
	// connection ID after the others.
	Records []Record
	// ConnectionID is the first connection ID in these records, nil if there is
	// none or if its length is not known.
	ConnectionID []byte
}

// A Message is a handshake message of epoch 0, RFC 6347 section 4.2.2. Body
// aliases the conversation or the memory of the Reader.
type Message struct {
	Type   uint8
	Seq    uint16 // message_seq
	Length int    // in its header
	// Body is the message up to the first byte that was not seen.
	Body    []byte
	Missing bool        // Body is shorter than Length
	Split   bool        // it came in more than one datagram
	Offset  int         // of the header of its first fragment to arrive, in Half.Data
	Mark    stream.Mark // the last datagram that brought new bytes of it
}

// An Alert is an alert in the clear.
type Alert struct {
	Level uint8
	Code  uint8
	Mark  stream.Mark
}

// Seen counts something, and has the datagram of the first.
type Seen struct {
	Count int
	First stream.Mark
}

func (s *Seen) add(m stream.Mark) {
	if s.Count++; s.Count == 1 {
		s.First = m
	}
}

// A Record is a protected record.
type Record struct {
	Type         uint8  // as on the wire: RecordUnified and RecordCID hide the content type
	Epoch        uint16 // the two low bits only for RecordUnified
	Length       int    // of the encrypted part with its tag; -1 if undetermined
	ConnectionID []byte
	Offset       int // of its header in Half.Data
	Mark         stream.Mark
}

// A Problem is a deviation from the standard.
type Problem struct {
	From   stream.Dir // the role
	Offset int        // in Half.Data of that side
	Field  string
	What   string
}
