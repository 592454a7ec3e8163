// Package report says what handshakes mean: it makes one Connection, the
// row, of each, and keeps the sums that answer questions over many of them.
package report

import (
	"net/netip"

	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// A Connection is one row: what was seen of one TLS connection and what it
// means. The names of the record's fields, and what an absent one means, are
// documented in package schema. The zero value of a field is "not seen".
type Connection struct {
	ID          uint64
	Time        int64 // of the first packet, nanoseconds since 1970 UTC
	Client      Endpoint
	Server      Endpoint
	Transport   stream.Transport
	Protocol    parse.Protocol
	QUICVersion string // "" without QUIC
	Upgrade     string // the protocol that was upgraded, such as "smtp"; "" for none

	UpgradeChain []string // all that was spoken before TLS, outermost first; nil where that is Upgrade alone
	Target       string   // where a proxy was told to connect, host:port; may hold any byte

	Encapsulation []string       // outermost first; shared
	Source        string         // the file or interface of the first packet
	MigratedTo    netip.AddrPort // the client's address after it changed within the handshake, the last one; zero: it did not
	Swapped       bool           // the ClientHello came from the side that did not begin the connection

	ServerName string // as sent in the ClientHello; may hold any byte
	ALPN       string // the protocol selected; may hold any byte

	HasServerHello bool
	Version        iana.Version // negotiated, or what a HelloRetryRequest settled; 0 without either
	CipherSuite    iana.CipherSuite
	SSLv2Kind      iana.SSLv2Kind // in place of CipherSuite where Version is SSL 2.0; 0 for none seen
	KeyExchange    string         // family, such as "ECDHE", "RSA", "PSK"; in TLS 1.3 "ECDHE", "DHE", "KEM", "hybrid", "PSK"
	Authentication string         // such as "RSA", "ECDSA", "anon", "PSK"; "" in TLS 1.3, where it is encrypted, unless a PSK was answered
	Group          iana.Group
	HasGroup       bool
	DHBits         int    // size of the finite-field prime, bits
	DHPrime        string // its name if it is a known one
	CurveBits      int    // size of the field of a curve that is not named but spelled out, bits

	PSKMode           string // "psk_ke", "psk_dhe_ke"
	Resumed           secrecy.Tri
	Resumption        string      // "ticket", "session_id", "psk"
	EarlyData         string      // "offered", "sent", "rejected"; "" for none
	HelloRetryRequest secrecy.Tri // Untold without a ServerHello
	RetryGroup        iana.Group  // the group that the HelloRetryRequest asked for
	HasRetryGroup     bool        // it asked for one
	ECH               secrecy.Tri // offered, real or GREASE
	ExtendedMaster    secrecy.Tri // TLS <= 1.2: negotiated
	EncryptThenMAC    secrecy.Tri // TLS <= 1.2: negotiated
	Renegotiation     secrecy.Tri // TLS <= 1.2: secure renegotiation, RFC 5746, negotiated

	ForwardSecrecy secrecy.Verdict
	Reasons        secrecy.Reasons
	PostQuantum    secrecy.Tri

	Outcome     Outcome
	Alert       string // its name; "encrypted" where only its presence was seen
	AlertFrom   string // "client", "server"
	OneWay      string // "client": only the client's direction was seen; "server"; "" both
	Certificate *Certificate
	ClientCert  *Certificate

	EphemeralKey   KeyID  // of the server's public value, zero for none
	TicketKey      string // hex of the ticket's first 16 bytes (RFC 5077 key name), "" for none
	TicketLifetime int64  // seconds; -1 where no ticket was issued

	session    sessionNames
	random     uint64  // the last bytes of the ServerHello's random
	Session    Session // that was resumed
	HasSession bool    // the connection that made it was seen

	JA3, JA3S, JA4 string

	Gap               bool   // bytes of the handshake are missing, but not for the capture's snaplen
	FirstHelloSplit   bool   // the first ClientHello came in more than one packet
	ClientHelloPacket uint64 // number of the packet that completed it, in its file; 0 for none
	ServerHelloPacket uint64

	Totals  stream.Totals
	Offered *Offer // nil without a ClientHello; shared
	// Problems tell what was malformed, missing or contradictory, such as
	// "client_hello.extensions: trailing bytes at 131". At most MaxProblems.
	Problems []string
}

// Suite returns the name and the number of what was negotiated, "" for none:
// a cipher suite, or in SSL 2.0 a cipher kind.
func (c *Connection) Suite() (name, id string) {
	if name = c.suiteName(); name == "" {
		return "", ""
	}
	if c.Version == iana.SSL20 {
		return name, c.SSLv2Kind.ID()
	}
	return name, c.CipherSuite.ID()
}

// suiteName is Suite without the number, which costs memory.
func (c *Connection) suiteName() string {
	switch {
	case c.Version == 0, c.Version == iana.SSL20 && c.SSLv2Kind == 0:
		return ""
	case c.Version == iana.SSL20:
		return c.SSLv2Kind.String()
	}
	return c.CipherSuite.String()
}

// MaxProblems is the number of problems that a Connection keeps; a count of
// the rest is its last one.
const MaxProblems = 16

// A KeyID is the first 16 bytes of the SHA-256 of an ephemeral public value, or
// what Builder.Local has in its place.
type KeyID [16]byte

// An Offer is what a ClientHello offered, GREASE values included. Equal
// offers share one value; do not write.
type Offer struct {
	Versions            []iana.Version
	CipherSuites        []iana.CipherSuite
	SSLv2Kinds          []iana.SSLv2Kind // of a hello in SSL 2.0's form
	Groups              []iana.Group
	KeyShares           []iana.Group
	SignatureAlgorithms []iana.SignatureScheme
	ALPN                []string
	PSKModes            []uint8
	// Whether the ClientHello has the extension; without supported_versions,
	// Versions holds legacy_version. Untold of records that do not say it.
	SupportedVersions, ExtendedMaster, RenegotiationInfo secrecy.Tri
	// CompressedPointsOnly says that ec_point_formats was sent and does not
	// hold uncompressed, RFC 8422 section 5.1.2.
	CompressedPointsOnly bool
	// Incomplete says that the end of the ClientHello was not seen, or that a
	// saved record names what is not registered: what is absent may only be
	// missing.
	Incomplete bool
}

// A Certificate is an end-entity certificate as sent in the clear (TLS <=
// 1.2). A field that could not be read is empty. Shared; do not write.
type Certificate struct {
	Subject, Issuer     string // RFC 4514; may hold any byte
	Key                 string // "RSA", "ECDSA", "Ed25519", "DSA", else the OID
	Bits                int
	NotBefore, NotAfter int64 // seconds since 1970 UTC
	SHA256, SPKI        [32]byte
	Malformed           bool // only SHA256 is meant
}

// An Outcome says how a handshake ended, as far as it was seen.
type Outcome uint8

// The outcomes.
const (
	Incomplete  Outcome = iota // neither of the others was seen
	Established                // both sides finished, or data flowed after the handshake
	Rejected                   // a fatal alert, or the connection closed instead of an answer
)

var outcomeNames = [...]string{"incomplete", "established", "rejected"}

func (o Outcome) String() string { return outcomeNames[o%3] }
