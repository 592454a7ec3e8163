package render

import (
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf8"

	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/secrecy"
)

// A Field documents one field of the record.
type Field struct{ Name, Type, Meaning, Absent string }

// Fields are the fields of the record, in the order in which they are
// written. A field whose value is not known is left out; false is written
// only where it is known to be false.
var Fields = []Field{
	{"time", "RFC 3339, UTC", "time of the first packet of the connection; a packet without a time has that of the one before it in its file, or behind it", "no packet of the input had a time"},
	{"client_ip", "string", "address of the side that sent the ClientHello", "EAPOL, which has no IP"},
	{"client_port", "number", "its port", "as client_ip"},
	{"client_mac", "string", "EAPOL: address of the station that is authenticated", "another transport, or not seen"},
	{"server_ip", "string", "address of the other side", "as client_ip"},
	{"server_port", "number", "its port", "as client_ip"},
	{"server_mac", "string", "EAPOL: address of the authenticator", "another transport, or not seen"},
	{"migrated_to", "string", "QUIC: address:port of the client after it changed within the handshake, as a NAT does it; the last one", "it did not, or another protocol"},
	{"transport", "tcp, udp, eapol", "what carried the handshake; eapol is IEEE 802.1X", "never"},
	{"protocol", "tls, dtls, quic", "how it was carried", "never"},
	{"quic_version", "string", "version of QUIC", "another protocol"},
	{"upgrade", "string", "the protocol that was upgraded to TLS, or that carries it: eap-tls, peap, openvpn, …", "TLS came first"},
	{"upgrade_chain", "list", "all that was spoken before TLS, outermost first", "one protocol or none"},
	{"target", "string", "host:port to which a proxy was told to connect", "no proxy, or not told"},
	{"encapsulation", "list", "tunnels around the addresses, outermost first", "none"},
	{"source", "string", "file or interface of the first packet", "never"},
	{"server_name", "string", "server_name of the ClientHello, RFC 6066", "not sent or not seen"},
	{"alpn", "string", "protocol selected by ALPN, RFC 7301", "none, encrypted or not seen"},
	{"version", "string", "negotiated version; without a ServerHello that of the HelloRetryRequest", "neither was seen"},
	{"version_id", "hex string", "its number", "as version"},
	{"cipher_suite", "string", "negotiated suite by its IANA name, or its number", "as version"},
	{"cipher_suite_id", "hex string", "its number", "as version"},
	{"key_exchange", "string", "family: RSA, DHE, ECDHE, PSK, …; of TLS 1.3 ECDHE, DHE, hybrid, KEM, PSK", "as version"},
	{"authentication", "string", "RSA, ECDSA, anon, PSK, …", "encrypted (TLS 1.3) or not seen"},
	{"group", "string", "named group of the exchange", "none, or not seen"},
	{"group_id", "hex string", "its number", "as group"},
	{"dh_bits", "number", "size of the finite-field prime, bits", "another key exchange, or not seen"},
	{"dh_prime", "string", "name of the prime", "not a known one"},
	{"curve_bits", "number", "size of the field of a curve that was spelled out and not named, bits", "a named group"},
	{"psk_mode", "psk_ke, psk_dhe_ke", "TLS 1.3: how the PSK was used", "no PSK was answered"},
	{"resumed", "boolean", "a session was continued", "it cannot be told"},
	{"resumption", "ticket, session_id, psk", "by what", "not resumed, or it cannot be told"},
	{"session_time", "RFC 3339, UTC", "time of the connection that made the session which this one resumes", "not resumed, TLS 1.3, or it was not seen"},
	{"session_packet", "number", "packet that completed its ServerHello", "as session_time"},
	{"session_source", "string", "its file or interface", "as session_time, or the same as source"},
	{"session_forward_secrecy", "yes, no, unknown", "its verdict; a resumed session is conditional at best", "as session_time"},
	{"early_data", "offered, sent, rejected", "TLS 1.3 early data; whether sent data were taken is encrypted", "not offered, or what became of them was not seen"},
	{"hello_retry_request", "boolean", "the server asked for another ClientHello", "no ServerHello was seen, or what comes before it was not"},
	{"hello_retry_group", "string", "group that the HelloRetryRequest asked for", "none, or another reason for it"},
	{"ech", "boolean", "the ClientHello has encrypted_client_hello, real or GREASE", "no ClientHello was seen"},
	{"extended_master_secret", "boolean", "negotiated, RFC 7627", "TLS 1.3, or not seen"},
	{"encrypt_then_mac", "boolean", "negotiated, RFC 7366", "as extended_master_secret"},
	{"secure_renegotiation", "boolean", "renegotiation_info negotiated, RFC 5746", "as extended_master_secret"},
	{"forward_secrecy", "yes, no, conditional, unknown", "the verdict", "never"},
	{"reasons", "list", "why; see pfsight explain CODE", "none"},
	{"post_quantum", "boolean", "the key exchange withstands a quantum computer", "it cannot be told"},
	{"outcome", "established, rejected, incomplete", "how the handshake ended", "never"},
	{"alert", "string", "first fatal alert; encrypted where only its presence shows", "none was seen"},
	{"alert_from", "client, server", "who sent it", "as alert"},
	{"one_direction", "client, server", "the only side that was seen", "both were"},
	{"certificate", "object", "of the server: subject, issuer, key, bits, not_before, not_after, sha256, spki_sha256", "encrypted (TLS 1.3), none, or not seen"},
	{"client_certificate", "object", "of the client, the same", "as certificate"},
	{"ephemeral_key_id", "hex string", "name of the server's ephemeral public value: equal values have equal names", "none, or not seen"},
	{"ticket_key_id", "hex string", "name of the key of the session ticket, RFC 5077; TLS 1.2 and older", "no ticket"},
	{"ticket_lifetime", "number", "seconds, as the server hints; 0 is unspecified", "no ticket was issued"},
	{"ja3", "string", "fingerprint of the ClientHello", "no ClientHello was seen"},
	{"ja3s", "string", "fingerprint of the ServerHello", "no ServerHello was seen"},
	{"ja4", "string", "fingerprint of the ClientHello", "no ClientHello was seen"},
	{"client_hello_packet", "number", "packet that completed the ClientHello, from 1 in its file", "none was seen whole"},
	{"server_hello_packet", "number", "packet that completed the ServerHello", "none was seen"},
	{"bytes_to_server", "number", "payload of the connection, retransmissions counted once", "never"},
	{"bytes_to_client", "number", "the same of the other direction", "never"},
	{"packets", "number", "of the connection, as far as it was followed", "never"},
	{"last_time", "RFC 3339, UTC", "time of the last packet of the connection", "not known"},
	{"client_hello_split", "boolean", "the (first) ClientHello came in more than one packet", "it came in one, or was not seen"},
	{"gap", "boolean", "bytes of the handshake are missing, but not for the capture's snaplen", "none are"},
	{"offered", "object", "what the (first) ClientHello offered: versions, cipher_suites, groups, key_shares, signature_algorithms, alpn, psk_modes, each left out where it was not sent; supported_versions (without it versions is legacy_version), extended_master_secret and renegotiation_info: whether sent; compressed_points_only: ec_point_formats without uncompressed; incomplete: its end was not seen, and what is left out may be missing only", "no ClientHello was seen"},
	{"problems", "list", "what was malformed, missing or contradictory", "nothing"},
}

// An Encoder writes records as JSON objects. It keeps its buffer between
// calls.
type Encoder struct{ b []byte }

// Record returns the JSON object of c, without a newline. It is valid until
// the next call.
func (e *Encoder) Record(c *report.Connection) []byte {
	return e.record(append(e.b[:0], '{'), c, true)
}

// An Event is what of a connection a live record tells.
type Event string

// The events.
const (
	Handshake Event = "handshake" // its verdict is known; bytes and packets are not
	End       Event = "end"       // it has ended, or is followed no longer: the whole record
)

// Event returns the record of c at an event. Where both events of connections
// are written, named is true and two more fields lead the record: event, and
// connection, a number that both bear. It is valid until the next call.
func (e *Encoder) Event(ev Event, named bool, c *report.Connection) []byte {
	b := append(e.b[:0], '{')
	if named {
		b = append(b, `"event":"`...)
		b = append(b, ev...)
		b = append(b, `","connection":`...)
		b = strconv.AppendUint(b, c.ID, 10)
	}
	return e.record(b, c, ev == End)
}

// record writes what follows the opening brace.
func (e *Encoder) record(b []byte, c *report.Connection, totals bool) []byte {
	if c.Time != 0 {
		b = append(appendTime(append(appendKey(b, "time"), '"'), c.Time), '"')
	}
	b = appendEndpoint(b, "client", c.Client)
	b = appendEndpoint(b, "server", c.Server)
	if c.MigratedTo.IsValid() {
		b = append(c.MigratedTo.AppendTo(append(appendKey(b, "migrated_to"), '"')), '"')
	}
	b = appendText(b, "transport", c.Transport.String())
	b = appendText(b, "protocol", c.Protocol.String())
	b = appendText(b, "quic_version", c.QUICVersion)
	b = appendText(b, "upgrade", c.Upgrade)
	b = appendStrings(b, "upgrade_chain", c.UpgradeChain)
	b = appendText(b, "target", c.Target)
	b = appendStrings(b, "encapsulation", c.Encapsulation)
	b = appendText(b, "source", c.Source)
	b = appendText(b, "server_name", c.ServerName)
	b = appendText(b, "alpn", c.ALPN)
	if c.Version != 0 {
		b = appendText(b, "version", c.Version.String())
		b = appendID(b, "version_id", uint16(c.Version))
		if c.Version != iana.SSL20 {
			b = appendText(b, "cipher_suite", c.CipherSuite.String())
			b = appendID(b, "cipher_suite_id", uint16(c.CipherSuite))
		} else {
			name, id := c.Suite()
			b = appendText(b, "cipher_suite", name)
			b = appendText(b, "cipher_suite_id", id)
		}
	}
	b = appendText(b, "key_exchange", c.KeyExchange)
	b = appendText(b, "authentication", c.Authentication)
	if c.HasGroup {
		b = appendText(b, "group", c.Group.String())
		b = appendID(b, "group_id", uint16(c.Group))
	}
	if c.DHBits > 0 {
		b = appendInt(b, "dh_bits", int64(c.DHBits))
	}
	b = appendText(b, "dh_prime", c.DHPrime)
	if c.CurveBits > 0 {
		b = appendInt(b, "curve_bits", int64(c.CurveBits))
	}
	b = appendText(b, "psk_mode", c.PSKMode)
	b = appendTri(b, "resumed", c.Resumed)
	b = appendText(b, "resumption", c.Resumption)
	if c.HasSession {
		if c.Session.Time != 0 {
			b = append(appendTime(append(appendKey(b, "session_time"), '"'), c.Session.Time), '"')
		}
		b = appendInt(b, "session_packet", int64(c.Session.Packet))
		if c.Session.Source != c.Source {
			b = appendText(b, "session_source", c.Session.Source)
		}
		b = appendText(b, "session_forward_secrecy", c.Session.ForwardSecrecy.String())
	}
	b = appendText(b, "early_data", c.EarlyData)
	b = appendTri(b, "hello_retry_request", c.HelloRetryRequest)
	if c.HasRetryGroup {
		b = appendText(b, "hello_retry_group", c.RetryGroup.String())
	}
	b = appendTri(b, "ech", c.ECH)
	b = appendTri(b, "extended_master_secret", c.ExtendedMaster)
	b = appendTri(b, "encrypt_then_mac", c.EncryptThenMAC)
	b = appendTri(b, "secure_renegotiation", c.Renegotiation)
	b = appendText(b, "forward_secrecy", c.ForwardSecrecy.String())
	b = appendReasons(b, c.Reasons)
	b = appendTri(b, "post_quantum", c.PostQuantum)
	b = appendText(b, "outcome", c.Outcome.String())
	b = appendText(b, "alert", c.Alert)
	b = appendText(b, "alert_from", c.AlertFrom)
	b = appendText(b, "one_direction", c.OneWay)
	b = appendCertificate(b, "certificate", c.Certificate)
	b = appendCertificate(b, "client_certificate", c.ClientCert)
	if c.EphemeralKey != (report.KeyID{}) {
		b = append(b, `,"ephemeral_key_id":"`...)
		b = hex.AppendEncode(b, c.EphemeralKey[:])
		b = append(b, '"')
	}
	b = appendText(b, "ticket_key_id", c.TicketKey)
	if c.TicketLifetime >= 0 {
		b = appendInt(b, "ticket_lifetime", c.TicketLifetime)
	}
	b = appendText(b, "ja3", c.JA3)
	b = appendText(b, "ja3s", c.JA3S)
	b = appendText(b, "ja4", c.JA4)
	if c.ClientHelloPacket > 0 {
		b = appendUint(b, "client_hello_packet", c.ClientHelloPacket)
	}
	if c.ServerHelloPacket > 0 {
		b = appendUint(b, "server_hello_packet", c.ServerHelloPacket)
	}
	if totals {
		b = appendUint(b, "bytes_to_server", c.Totals.Bytes[0])
		b = appendUint(b, "bytes_to_client", c.Totals.Bytes[1])
		b = appendUint(b, "packets", c.Totals.Packets)
		if c.Totals.Last != 0 {
			b = appendTime(append(appendKey(b, "last_time"), '"'), c.Totals.Last)
			b = append(b, '"')
		}
	}
	b = appendTrue(b, "client_hello_split", c.FirstHelloSplit)
	b = appendTrue(b, "gap", c.Gap)
	b = appendOffer(b, c.Offered)
	b = appendStrings(b, "problems", c.Problems)
	e.b = append(b, '}')
	return e.b
}

// timeText is what appendTime writes, "" where the time is not known.
func timeText(ns int64) string {
	if ns == 0 {
		return ""
	}
	return string(appendTime(nil, ns))
}

// appendTime writes RFC 3339 with microseconds, or with nanoseconds where the
// capture has them.
func appendTime(b []byte, ns int64) []byte {
	t := time.Unix(0, ns).UTC()
	b = t.AppendFormat(b, time.RFC3339) // which is quick, other than what has a fraction
	fraction, digits := t.Nanosecond(), 9
	if ns%1000 == 0 {
		fraction, digits = fraction/1000, 6
	}
	b[len(b)-1] = '.'
	b = append(b, "000000000Z"[9-digits:]...)
	for i := len(b) - 2; fraction > 0; i-- {
		b[i] = '0' + byte(fraction%10)
		fraction /= 10
	}
	return b
}

func appendKey(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

func appendText(b []byte, name, v string) []byte {
	if v == "" {
		return b
	}
	return appendString(appendKey(b, name), v)
}

func appendInt(b []byte, name string, v int64) []byte {
	return strconv.AppendInt(appendKey(b, name), v, 10)
}

func appendUint(b []byte, name string, v uint64) []byte {
	return strconv.AppendUint(appendKey(b, name), v, 10)
}

func appendTri(b []byte, name string, v secrecy.Tri) []byte {
	switch v {
	case secrecy.True:
		return append(appendKey(b, name), "true"...)
	case secrecy.False:
		return append(appendKey(b, name), "false"...)
	}
	return b
}

// appendTrue writes what is left out where it is false.
func appendTrue(b []byte, name string, v bool) []byte {
	if !v {
		return b
	}
	return append(appendKey(b, name), "true"...)
}

func appendID(b []byte, name string, v uint16) []byte {
	b = append(appendKey(b, name), '"', '0', 'x')
	for shift := 12; shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[v>>shift&15])
	}
	return append(b, '"')
}

func appendStrings(b []byte, name string, list []string) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(appendKey(b, name), '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

func appendEndpoint(b []byte, side string, e report.Endpoint) []byte {
	if e.IsValid() {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), side...), `_ip":"`...)
		b = e.Addr().AppendTo(b)
		b = append(append(append(b, `","`...), side...), `_port":`...)
		b = strconv.AppendUint(b, uint64(e.Port()), 10)
	}
	if e.HasMAC() {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), side...), `_mac":"`...)
		b = append(e.MAC.AppendTo(b), '"')
	}
	return b
}

func appendReasons(b []byte, r secrecy.Reasons) []byte {
	if r == 0 {
		return b
	}
	b = append(appendKey(b, "reasons"), '[')
	r.All(func(x secrecy.Reason) {
		b = append(b, '"')
		b = append(b, x.String()...)
		b = append(b, '"', ',')
	})
	b[len(b)-1] = ']'
	return b
}

func appendCertificate(b []byte, name string, c *report.Certificate) []byte {
	if c == nil {
		return b
	}
	b = append(appendKey(b, name), '{')
	b = appendText(b, "subject", c.Subject)
	b = appendText(b, "issuer", c.Issuer)
	b = appendText(b, "key", c.Key)
	if c.Bits > 0 {
		b = appendInt(b, "bits", int64(c.Bits))
	}
	if c.NotBefore != 0 || c.NotAfter != 0 {
		b = append(appendKey(b, "not_before"), '"')
		b = time.Unix(c.NotBefore, 0).UTC().AppendFormat(b, time.RFC3339)
		b = append(b, `","not_after":"`...)
		b = time.Unix(c.NotAfter, 0).UTC().AppendFormat(b, time.RFC3339)
		b = append(b, '"')
	}
	b = append(appendKey(b, "sha256"), '"')
	b = hex.AppendEncode(b, c.SHA256[:])
	b = append(b, '"')
	if c.SPKI != ([32]byte{}) {
		b = append(appendKey(b, "spki_sha256"), '"')
		b = hex.AppendEncode(b, c.SPKI[:])
		b = append(b, '"')
	}
	return append(b, '}')
}

func appendOffer(b []byte, o *report.Offer) []byte {
	if o == nil {
		return b
	}
	b = append(appendKey(b, "offered"), '{')
	b = appendCodes(b, "versions", o.Versions, iana.Version.IsGREASE)
	if len(o.SSLv2Kinds) == 0 {
		b = appendCodes(b, "cipher_suites", o.CipherSuites, iana.CipherSuite.IsGREASE)
	} else {
		b = appendKinds(b, o)
	}
	b = appendCodes(b, "groups", o.Groups, iana.Group.IsGREASE)
	b = appendCodes(b, "key_shares", o.KeyShares, iana.Group.IsGREASE)
	b = appendCodes(b, "signature_algorithms", o.SignatureAlgorithms, iana.SignatureScheme.IsGREASE)
	b = appendStrings(b, "alpn", o.ALPN)
	if len(o.PSKModes) > 0 {
		b = append(appendKey(b, "psk_modes"), '[')
		for i, m := range o.PSKModes {
			if i > 0 {
				b = append(b, ',')
			}
			switch m {
			case 0:
				b = append(b, `"psk_ke"`...)
			case 1:
				b = append(b, `"psk_dhe_ke"`...)
			default:
				b = append(b, '"')
				b = strconv.AppendUint(b, uint64(m), 10)
				b = append(b, '"')
			}
		}
		b = append(b, ']')
	}
	b = appendTri(b, "supported_versions", o.SupportedVersions)
	b = appendTri(b, "extended_master_secret", o.ExtendedMaster)
	b = appendTri(b, "renegotiation_info", o.RenegotiationInfo)
	b = appendTrue(b, "compressed_points_only", o.CompressedPointsOnly)
	b = appendTrue(b, "incomplete", o.Incomplete)
	return append(b, '}')
}

// appendKinds writes what a hello of SSL 2.0 offers: its own kinds, and the
// suites of later versions.
func appendKinds(b []byte, o *report.Offer) []byte {
	var names []string
	for _, k := range o.SSLv2Kinds {
		names = append(names, k.String())
	}
	for _, s := range o.CipherSuites {
		names = append(names, s.String())
	}
	return appendStrings(b, "cipher_suites", names)
}

// code is a code point with a name.
type code interface {
	~uint16
	String() string
}

func appendCodes[T code](b []byte, name string, list []T, grease func(T) bool) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(appendKey(b, name), '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		if grease(v) {
			b = append(b, '0', 'x')
			for shift := 12; shift >= 0; shift -= 4 {
				b = append(b, "0123456789abcdef"[uint16(v)>>shift&15])
			}
		} else {
			b = append(b, v.String()...) // registered names need no escape
		}
		b = append(b, '"')
	}
	return append(b, ']')
}

// appendString writes s, as report.Text has it, as a JSON string. What a terminal would
// not show, or a reader of lines take for the end of one, is an escape; so is
// U+FFFD, which others write where they lose a byte.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < 0x7f && c != '"' && c != '\\' {
			b = append(b, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, c == '\\' && report.IsByteEscape(s[i:]):
			b = append(append(b, `\\x`...), hex2(c)...)
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case r == utf8.RuneError:
			b = append(b, `\ufffd`...)
		case !shown(r):
			b = appendRune(b, r)
		default:
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return append(b, '"')
}
