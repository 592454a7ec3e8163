package parse

import (
	"pfsight/capture/stream"
	"pfsight/parse/iana"
)

// A Protocol is the form of TLS in which the handshake was.
type Protocol uint8

// The protocols.
const (
	TLS Protocol = iota
	DTLS
	QUIC
)

func (p Protocol) String() string {
	switch p {
	case DTLS:
		return "dtls"
	case QUIC:
		return "quic"
	}
	return "tls"
}

// A Handshake is the messages that two endpoints exchanged to agree on keys. A
// nil message was not seen. Messages alias the bytes of the conversation and of
// the Parser: a Handshake is valid until the Parser's next call, and what must
// live longer is copied.
type Handshake struct {
	Protocol Protocol
	// Swapped says that the server of the transport sent the ClientHello, or
	// another message of a client: Half[ToClient] is the client's.
	Swapped bool

	// Carried are the records of the client and of the server, by stream.Dir, if
	// another protocol over UDP or EAPOL carried them: their gaps and their ends
	// are not those of the conversation. Otherwise it is nil.
	Carried *[2]stream.Half

	// Upgrade is the last protocol before TLS, UpgradeChain all of them,
	// outermost first, if there are several, and Target the destination that a
	// proxy was asked for; see starttls.Upgrade. Target may hold any byte.
	Upgrade      string
	UpgradeChain []string
	Target       string

	// QUICVersion names the version of QUIC, such as "v1"; "" without QUIC.
	QUICVersion string
	// CarrierFailed says that the protocol around the handshake reported a
	// failure, as EAP does.
	CarrierFailed bool
	// CarrierSucceeded says that it reported success.
	CarrierSucceeded bool
	// Carrier is the encapsulation of the packets below the handshake's own
	// protocol: "capwap", or "turn"; "" for none.
	Carrier string

	ClientHello *ClientHello // the last one before the ServerHello
	FirstHello  *ClientHello // the one answered by HelloRetryRequest, else nil
	// FirstHelloUnseen says that ClientHello may be the second of two: the
	// beginning of the client's half was not seen.
	FirstHelloUnseen bool
	// SecondHelloCut says that ClientHello is the first of two, because a part or
	// all of the second was not seen.
	SecondHelloCut bool

	RetryRequest *ServerHello // HelloRetryRequest, RFC 8446 section 4.1.4
	ServerHello  *ServerHello

	SSLv2 *SSLv2 // of a hello of SSL 2.0

	Certificates       [][]byte // of the server, DER, leaf first; TLS <= 1.2
	CertificatesSeen   bool     // a server Certificate message was seen, even an empty one
	ServerKeyExchange  *ServerKeyExchange
	CertificateRequest bool // TLS <= 1.2
	ServerHelloDone    bool

	ClientCertificates     [][]byte // DER, leaf first; TLS <= 1.2
	ClientCertificatesSeen bool     // a client Certificate message was seen, even an empty one
	ClientKeyExchange      *ClientKeyExchange
	CertificateVerify      bool

	Ticket *NewSessionTicket // TLS <= 1.2

	ClientFinished bool // TLS <= 1.2: the client's ChangeCipherSpec and an encrypted handshake record after it. TLS 1.3: an encrypted record after the ServerHello that is no alert by its length
	ServerFinished bool // the same of the server
	// ClientRefused says that a TLS 1.3 server answered the certificate and
	// the Finished of the client with an alert.
	ClientRefused bool
	// AnswerUnseen says that ClientRefused is undetermined, because bytes of the
	// server are missing where the alert would be.
	AnswerUnseen bool
	ClientCCS    bool // ChangeCipherSpec seen (in TLS 1.3: the compatibility record)
	ServerCCS    bool
	// EarlyDataSent says that the client sent application data before the
	// ServerHello, RFC 8446 section 2.3.
	EarlyDataSent bool
	// ApplicationData says that either side sent a record of application data
	// after its Finished. Only TLS <= 1.2 shows it.
	ApplicationData bool
	// ClientData and ServerData are ApplicationData by side.
	ClientData, ServerData bool

	// ServerHelloSeen says that the beginning of a ServerHello was seen, even if
	// its suite was not and ServerHello is nil.
	ServerHelloSeen bool
	// RetryUnseen says that a HelloRetryRequest may have preceded ServerHello and
	// was not seen.
	RetryUnseen bool
	// ServerUnseen says that no packet of the server's direction was captured,
	// ServerDamaged that bytes of it were lost or cut.
	ServerUnseen, ServerDamaged bool
	ClientDamaged               bool // the same of the client's direction
	// Lost says, by role, that messages are missing which were sent, though the
	// direction was captured. LateStart says that what precedes the first message
	// is unknown.
	Lost      [2]bool
	LateStart bool

	Alerts   []Alert // in the clear, in the order of their halves
	Problems []Problem

	ClientSeen bool // any handshake message of the client was seen
	ServerSeen bool // any handshake message of the server was seen
}

// Version returns the negotiated version: supported_versions of the ServerHello
// if present, else its legacy_version (RFC 8446 section 4.2.1). Without a
// ServerHello it is 0.
func (h *Handshake) Version() iana.Version {
	if h.ServerHello == nil {
		return 0
	}
	return h.ServerHello.Version()
}

// An Alert is an alert record in the clear (RFC 8446 section 6).
type Alert struct {
	From  stream.Dir // ToServer: sent by the client (after Swapped is applied)
	Fatal bool
	Code  iana.Alert
	// Encrypted says that Fatal and Code are unknown: the record was sent after
	// the keys changed.
	Encrypted bool
	Packet    uint64
}

// A Problem is something malformed: an offset in the bytes of the half, the
// field, and what is wrong. What follows it is still read.
type Problem struct {
	From   stream.Dir
	Offset int
	Field  string // such as "client_hello.extensions.server_name"
	What   string // such as "trailing bytes"
}

// A ClientHello is RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2.
type ClientHello struct {
	LegacyVersion iana.Version
	Random        []byte // 32 bytes
	SessionID     []byte // 0 to 32 bytes
	CipherSuites  []iana.CipherSuite
	Compression   []byte
	Extensions    []Extension // every one, in wire order

	HasServerName     bool
	ServerName        []byte   // RFC 6066 section 3, first host_name, as sent
	ALPN              [][]byte // RFC 7301
	Versions          []iana.Version
	Groups            []iana.Group
	HasGroups         bool
	PointFormats      []byte
	SignatureSchemes  []iana.SignatureScheme
	KeyShares         []KeyShare
	HasKeyShare       bool
	PSKModes          []uint8 // RFC 8446 section 4.2.9: 0 psk_ke, 1 psk_dhe_ke
	PSKs              []PSK
	HasPSK            bool
	EarlyData         bool
	HasTicket         bool
	Ticket            []byte // RFC 5077 session_ticket; empty asks for one
	ExtendedMaster    bool   // RFC 7627
	EncryptThenMAC    bool   // RFC 7366
	RenegotiationInfo bool   // RFC 5746
	TicketCut         bool   // the extension was sent; whether it holds a ticket is undetermined
	Cookie            bool   // RFC 8446 section 4.2.2; in DTLS also that of RFC 6347 section 4.2.1
	ECH               bool   // encrypted_client_hello, outer or GREASE: they look the same

	Offset int         // of the handshake message in its half
	Length int         // of the message's body
	Mark   stream.Mark // the packet that completed the message
	Split  bool        // the message came in more than one packet
	// Incomplete says that the end of the message was not seen: what is absent
	// may be missing.
	Incomplete bool
}

// HasServerNameExtension reports whether the extension was sent, with or without
// a name.
func (h *ClientHello) HasServerNameExtension() bool {
	for i := range h.Extensions {
		if h.Extensions[i].Type == iana.ExtServerName {
			return true
		}
	}
	return false
}

// An Extension is one extension as sent.
type Extension struct {
	Type iana.ExtensionType
	Data []byte
}

// A KeyShare is an entry of key_share, RFC 8446 section 4.2.8.
type KeyShare struct {
	Group iana.Group
	Data  []byte
}

// A PSK is an identity of pre_shared_key, RFC 8446 section 4.2.11.
type PSK struct {
	Identity      []byte
	ObfuscatedAge uint32 // 0 for an external PSK
}

// A ServerHello is RFC 8446 section 4.1.3; a HelloRetryRequest is one too.
type ServerHello struct {
	LegacyVersion iana.Version
	Random        []byte
	SessionID     []byte
	CipherSuite   iana.CipherSuite
	Compression   uint8
	Extensions    []Extension

	SelectedVersion   iana.Version // supported_versions; 0 if absent
	Group             iana.Group   // key_share; in a HelloRetryRequest the group asked for
	HasKeyShare       bool
	KeyShare          []byte
	GroupCut          bool // there is a key share, and the message was cut before its group
	HasPSK            bool
	SelectedPSK       uint16
	PSKCut            bool // there is a pre_shared_key, and the message was cut before SelectedPSK
	ALPN              []byte
	HasTicket         bool // the server will send a NewSessionTicket, RFC 5077
	ExtendedMaster    bool
	EncryptThenMAC    bool
	RenegotiationInfo bool

	Offset     int
	Length     int
	Mark       stream.Mark
	Incomplete bool // as in ClientHello

	end int // offset behind the message in its half
}

// Version returns the version that the message selects. If its end was not seen,
// supported_versions may be missing: then a suite of TLS 1.3, which no other
// version has, shows the version.
func (m *ServerHello) Version() iana.Version {
	switch {
	case m.SelectedVersion != 0:
		return m.SelectedVersion
	case m.Incomplete && m.CipherSuite.Info().KeyExchange == iana.KexTLS13:
		switch m.LegacyVersion {
		case iana.TLS12:
			return iana.TLS13
		case iana.DTLS12:
			return iana.DTLS13
		}
	}
	return m.LegacyVersion
}

// A ServerKeyExchange is RFC 5246 section 7.4.3, RFC 8422 section 5.4, RFC
// 4279, RFC 5054 section 2.5. Which fields are set follows from the key
// exchange of the suite.
type ServerKeyExchange struct {
	// Elliptic curves.
	CurveType     uint8 // 3 named_curve, 1 explicit_prime, 2 explicit_char2
	Group         iana.Group
	ExplicitCurve bool
	ExplicitBits  int // field size of an explicit curve, bits
	// Finite fields: DHE, DH_anon, DHE_PSK; SRP has N in P and B in Public.
	P []byte
	G []byte
	// The server's public value: ECPoint, dh_Ys or SRP's B.
	Public []byte
	// Temporary RSA key of RSA_EXPORT.
	RSAModulus []byte
	PSKHint    []byte

	Unread bool // the key exchange is unknown, and the body was not read
	Mark   stream.Mark
}

// A ClientKeyExchange is RFC 5246 section 7.4.7.
type ClientKeyExchange struct {
	Public      []byte // dh_Yc, ECPoint or SRP's A, if the key exchange has one
	PSKIdentity []byte
	Length      int
}

// A NewSessionTicket is RFC 5077 section 3.3.
type NewSessionTicket struct {
	Lifetime uint32 // seconds, a hint; 0 is unspecified
	Ticket   []byte
}
