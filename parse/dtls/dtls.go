package dtls

import "pfsight/capture/stream"

// Limits of what one conversation may make a Reader do and hold. Its memory
// follows the bytes seen, never a length that was only claimed.
const (
	maxMessages = 64      // messages of one side
	maxMessage  = 1 << 18 // a handshake message that claims more bytes is not put together
	maxSpans    = 64      // parts of one message that lie apart from each other
	maxPieces   = 1 << 14 // fragments of one side that brought bytes, and as many that repeated some
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
// section 4. Unified stands for the records of DTLS 1.3 that have the unified
// header and show no type.
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

// An Opening is what was said of DTLS in one conversation.
type Opening struct {
	// Said is what each role said: Said[stream.ToServer] is the client's side,
	// also if the endpoint taken for the client turned out to be the server.
	Said [2]Side
	// Swapped says that it did: the client's bytes are in Half[ToClient].
	Swapped bool
	// Capwap says that datagrams began with the CAPWAP DTLS header, RFC 5415
	// section 4.2.
	Capwap bool
	// TURN says that datagrams were messages to or from a TURN relay, RFC 8656.
	TURN bool
	// Restarts counts the ClientHellos that the client gave up for one with
	// another random before a ServerHello came; Said holds the last alone.
	Restarts int
	// Another says that after a ServerHello a new connection began between the
	// same endpoints. Nothing of it is in Said. AnotherAt is the datagram that
	// told.
	Another   bool
	AnotherAt stream.Mark
	// Foreign counts datagrams that are none of DTLS: STUN, SRTP and the like.
	Foreign  int
	Problems []Problem
}

// A Side is what one endpoint said.
type Side struct {
	Dir stream.Dir // the half of the conversation that holds it
	// Versions are the versions of its unprotected records, in the order in
	// which they were first seen.
	Versions []uint16
	// Messages are the handshake messages of epoch 0, by message_seq, those
	// with the same one in order of arrival.
	Messages []Message
	// Verify is the version in the HelloVerifyRequest, 0 if there was none.
	Verify uint16
	Alerts []Alert // those in the clear
	// CCS counts the ChangeCipherSpec records of epoch 0. DTLS 1.3 has none.
	CCS Seen
	// Missing says that records between the ServerHello and the
	// ChangeCipherSpec were not seen, as their sequence numbers show.
	Missing bool

	// Protected records of DTLS <= 1.2: Handshake are those of content type 22,
	// of which the first is Finished.
	Handshake, Data, Alert Seen
	// CID counts records of type tls12_cid, whose content type is encrypted;
	// the first of a side is Finished.
	CID Seen
	// Unified counts the records of DTLS 1.3 with the unified header. Early are
	// those of them whose epoch bits are 1: early data, if the client's.
	Unified, Early Seen
	// Records are the first protected records in order of arrival, those with a
	// connection ID after the others.
	Records []Record
	// ConnectionID is the one that the first of these records that has one was
	// sent to, nil if there was none or if its length is not known.
	ConnectionID []byte
}

// A Message is a handshake message of epoch 0, RFC 6347 section 4.2.2. Body
// aliases the conversation or the memory of the Reader.
type Message struct {
	Type   uint8
	Seq    uint16 // message_seq
	Length int    // as its header says
	// Body is the message from its start up to the first byte that was not
	// seen.
	Body    []byte
	Missing bool        // Body is shorter than Length
	Split   bool        // its bytes came in more than one datagram
	Offset  int         // of the header of its first fragment to arrive, in Half.Data
	Mark    stream.Mark // the datagram that completed it, or that last brought bytes of it
}

// An Alert is an alert in the clear.
type Alert struct {
	Level uint8
	Code  uint8
	Mark  stream.Mark
}

// Seen is how often something was seen, and in which datagram first.
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
	Type         uint8  // as in the clear: RecordUnified and RecordCID hide the real one
	Epoch        uint16 // of RecordUnified only the two low bits
	Length       int    // of the encrypted part with its tag; -1 if it cannot be told
	ConnectionID []byte
	Offset       int // of its header in Half.Data
	Mark         stream.Mark
}

// A Problem is something that is not as the standard has it.
type Problem struct {
	From   stream.Dir // the role
	Offset int        // in Half.Data of that side
	Field  string
	What   string
}
