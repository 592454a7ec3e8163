package report

import (
	"net/netip"

	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// A Connection is one row: what was seen of one TLS connection, and its
// verdict. Package schema documents the names of the record's fields and the
// meaning of an absent field. The zero value of a field means "not seen".
type Connection struct {
	ID          uint64
	Time        int64 // of the first packet, nanoseconds since 1970 UTC
	Client      Endpoint
	Server      Endpoint
	Transport   stream.Transport
	Protocol    parse.Protocol
	QUICVersion string // "" for other transports
	Upgrade     string // the protocol that was upgraded, such as "smtp"; "" for none

	UpgradeChain []string // every protocol spoken before TLS, outermost first; nil if it is Upgrade alone
	Target       string   // host:port that a proxy was asked to connect to; may hold any byte

	Encapsulation []string       // outermost first; shared
	Source        string         // the file or interface of the first packet
	MigratedTo    netip.AddrPort // the client's last address if it changed during the handshake, else zero
	Swapped       bool           // the ClientHello came from the side that did not open the connection

	ServerName string // as sent in the ClientHello; may hold any byte
	ALPN       string // the selected protocol; may hold any byte

	HasServerHello bool
	Version        iana.Version // of the ServerHello, or of the HelloRetryRequest if there is no ServerHello; 0 without either
	CipherSuite    iana.CipherSuite
	SSLv2Kind      iana.SSLv2Kind // replaces CipherSuite if Version is SSL 2.0; 0 if not seen
	KeyExchange    string         // family, such as "ECDHE", "RSA", "PSK"; in TLS 1.3 "ECDHE", "DHE", "KEM", "hybrid", "PSK"
	Authentication string         // such as "RSA", "ECDSA", "anon", "PSK"; "" in TLS 1.3 without a PSK, where it is encrypted
	Group          iana.Group
	HasGroup       bool
	DHBits         int    // size of the finite-field prime, bits
	DHPrime        string // name of a well-known prime
	CurveBits      int    // field size of an explicit curve, bits

	PSKMode           string // "psk_ke", "psk_dhe_ke"
	Resumed           secrecy.Tri
	Resumption        string      // "ticket", "session_id", "psk"
	EarlyData         string      // "offered", "sent", "rejected"; "" for none
	HelloRetryRequest secrecy.Tri // Undetermined without a ServerHello
	RetryGroup        iana.Group  // the group that the HelloRetryRequest selected
	HasRetryGroup     bool        // it selected one
	ECH               secrecy.Tri // offered, real or GREASE
	ExtendedMaster    secrecy.Tri // TLS <= 1.2: negotiated
	EncryptThenMAC    secrecy.Tri // TLS <= 1.2: negotiated
	Renegotiation     secrecy.Tri // TLS <= 1.2: secure renegotiation negotiated, RFC 5746

	ForwardSecrecy secrecy.Verdict
	Reasons        secrecy.Reasons
	PostQuantum    secrecy.Tri

	Outcome     Outcome
	Alert       string // its name; "encrypted" if only its presence was seen
	AlertFrom   string // "client", "server"
	OneWay      string // the only direction seen, "client" or "server"; "" if both were seen
	Certificate *Certificate
	ClientCert  *Certificate

	EphemeralKey   KeyID  // of the server's public value; zero for none
	TicketKey      string // hex of the ticket's first 16 bytes (RFC 5077 key name); "" for none
	TicketLifetime int64  // seconds; -1 if no ticket was issued

	session    sessionNames
	random     uint64  // the last bytes of the ServerHello's random
	Session    Session // the resumed session
	HasSession bool    // the connection that created Session was seen

	JA3, JA3S, JA4 string

	Gap               bool   // handshake bytes are missing, for another reason than the snaplen
	FirstHelloSplit   bool   // the first ClientHello came in more than one packet
	ClientHelloPacket uint64 // number in its file of the packet that completed it; 0 for none
	ServerHelloPacket uint64

	Totals  stream.Totals
	Offered *Offer // nil without a ClientHello; shared
	// Problems describe what was malformed, missing or contradictory, such as
	// "client_hello.extensions: trailing bytes at 131". At most maxProblems.
	Problems []string
}

// Touch reads a field of each of c's cache lines that sums need, so that the
// loads overlap. The result has no meaning; use it, or the compiler drops them.
func (c *Connection) Touch() byte {
	n := byte(c.Time) + byte(c.Transport) + byte(c.Version) + byte(c.Group) + byte(c.Resumed) +
		byte(c.Outcome) + c.EphemeralKey[0] + byte(c.Totals.Packets)
	if c.Offered != nil {
		n++
	}
	return n
}

// Suite returns the name and the number of the negotiated cipher suite, or in
// SSL 2.0 of the cipher kind; "" for none.
func (c *Connection) Suite() (name, id string) {
	if name = c.suiteName(); name == "" {
		return "", ""
	}
	if c.Version == iana.SSL20 {
		return name, c.SSLv2Kind.ID()
	}
	return name, c.CipherSuite.ID()
}

// suiteName returns the name that Suite returns. It does not allocate the
// number.
func (c *Connection) suiteName() string {
	switch {
	case c.Version == 0, c.Version == iana.SSL20 && c.SSLv2Kind == 0:
		return ""
	case c.Version == iana.SSL20:
		return c.SSLv2Kind.String()
	}
	return c.CipherSuite.String()
}

// maxProblems is the number of problems that a Connection keeps. The last one
// counts those omitted.
const maxProblems = 16

// A KeyID is the first 16 bytes of the SHA-256 of an ephemeral public value, or
// the substitute that Builder.Local selects.
type KeyID [16]byte

// An Offer is the content of a ClientHello, including GREASE values. Equal
// offers share one value; read only.
type Offer struct {
	Versions            []iana.Version
	CipherSuites        []iana.CipherSuite
	SSLv2Kinds          []iana.SSLv2Kind // of a ClientHello in SSL 2.0 format
	Groups              []iana.Group
	KeyShares           []iana.Group
	SignatureAlgorithms []iana.SignatureScheme
	ALPN                []string
	PSKModes            []uint8
	// Whether the ClientHello has the extension. Without supported_versions,
	// Versions holds legacy_version. Undetermined in saved records that do not
	// state it.
	SupportedVersions, ExtendedMaster, RenegotiationInfo secrecy.Tri
	// CompressedPointsOnly reports whether ec_point_formats was sent without
	// the uncompressed format, RFC 8422 section 5.1.2.
	CompressedPointsOnly bool
	// Incomplete reports whether the end of the ClientHello was not seen, or a
	// saved record names an unregistered value. What is absent is then
	// undetermined.
	Incomplete bool
}

// A Certificate is an end-entity certificate sent in the clear (TLS <= 1.2). A
// field that could not be parsed is empty. Shared; read only.
type Certificate struct {
	Subject, Issuer     string // RFC 4514; may hold any byte
	Key                 string // "RSA", "ECDSA", "Ed25519", "DSA", else the OID
	Bits                int
	NotBefore, NotAfter int64 // seconds since 1970 UTC
	SHA256, SPKI        [32]byte
	Malformed           bool // only SHA256 is valid
}

// An Outcome says how a handshake ended, as far as it was seen.
type Outcome uint8

// The outcomes of a handshake.
const (
	Incomplete  Outcome = iota // neither of the others was seen
	Established                // both sides finished, or application data followed the handshake
	Rejected                   // a fatal alert, or a close instead of an answer
)

var outcomeNames = [...]string{"incomplete", "established", "rejected"}

func (o Outcome) String() string { return outcomeNames[o%3] }
