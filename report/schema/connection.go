package schema

import (
	"math"
	"net/netip"

	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/secrecy"
)

// Fields are the fields of the record, in the order in which JSON writes them.
// Do not write.
var Fields = []Field[conn]{
	{Name: "time", Meaning: "time of the first packet of the connection; a packet without a time has the time of the packet before it in its file, or after it", Absent: "no packet of the input has a time",
		Value: Time[conn]{func(c *conn) int64 { return c.Time }, func(c *conn, ns int64) { c.Time = ns }}},
	{Name: "client_ip", Meaning: "address of the side that sent the ClientHello", Absent: "EAPOL, which has no IP",
		Value: IP[conn]{func(c *conn) *netip.AddrPort { return &c.Client.AddrPort }}},
	{Name: "client_port", Meaning: "its port", Absent: "as client_ip",
		Value: Port[conn]{func(c *conn) *netip.AddrPort { return &c.Client.AddrPort }}},
	{Name: "client_mac", Meaning: "EAPOL: address of the station that authenticates", Absent: "another transport, or not seen",
		Value: MAC[conn]{func(c *conn) *stream.MAC { return &c.Client.MAC }}},
	{Name: "server_ip", Meaning: "address of the other side", Absent: "as client_ip",
		Value: IP[conn]{func(c *conn) *netip.AddrPort { return &c.Server.AddrPort }}},
	{Name: "server_port", Meaning: "its port", Absent: "as client_ip",
		Value: Port[conn]{func(c *conn) *netip.AddrPort { return &c.Server.AddrPort }}},
	{Name: "server_mac", Meaning: "EAPOL: address of the authenticator", Absent: "another transport, or not seen",
		Value: MAC[conn]{func(c *conn) *stream.MAC { return &c.Server.MAC }}},
	{Name: "migrated_to", Column: 1, Meaning: "QUIC: last address:port to which the client changed during the handshake, as behind a NAT", Absent: "it did not change, or another protocol",
		Value: AddrPort[conn]{func(c *conn) *netip.AddrPort { return &c.MigratedTo }}},
	{Name: "transport", Meaning: "what carried the handshake; eapol is IEEE 802.1X", Absent: Never,
		Value: Enum[conn]{At: func(c *conn) *uint8 { return (*uint8)(&c.Transport) }, Values: enumOf(stream.TCP, stream.UDP, stream.EAPOL)}},
	{Name: "protocol", Meaning: "how it was carried", Absent: Never,
		Value: Enum[conn]{At: func(c *conn) *uint8 { return (*uint8)(&c.Protocol) }, Values: enumOf(parse.TLS, parse.DTLS, parse.QUIC)}},
	{Name: "quic_version", Column: 1, Meaning: "version of QUIC", Absent: "another protocol",
		Value: Text[conn]{At: func(c *conn) *string { return &c.QUICVersion }}},
	{Name: "upgrade", Meaning: "the protocol that was upgraded to TLS, or that carries it: eap-tls, peap, openvpn, …", Absent: "TLS came first",
		Value: Text[conn]{At: func(c *conn) *string { return &c.Upgrade }}},
	{Name: "upgrade_chain", Column: 1, Meaning: "all protocols before TLS, outermost first", Absent: "one protocol or none",
		Value: Texts[conn]{func(c *conn) *[]string { return &c.UpgradeChain }}},
	{Name: "target", Meaning: "host:port that the client asked a proxy to connect to", Absent: "no proxy, or not seen",
		Value: Text[conn]{At: func(c *conn) *string { return &c.Target }}},
	{Name: "encapsulation", Meaning: "tunnels around the addresses, outermost first", Absent: "none",
		Value: Texts[conn]{func(c *conn) *[]string { return &c.Encapsulation }}},
	{Name: "source", Meaning: "file or interface of the first packet", Absent: Never,
		Value: Text[conn]{At: func(c *conn) *string { return &c.Source }}},
	{Name: "server_name", Meaning: "server_name of the ClientHello, RFC 6066", Absent: "not sent or not seen",
		Value: Text[conn]{At: func(c *conn) *string { return &c.ServerName }}},
	{Name: "alpn", Meaning: "protocol selected by ALPN, RFC 7301", Absent: "none, encrypted or not seen",
		Value: Text[conn]{At: func(c *conn) *string { return &c.ALPN }}},
	{Name: "version", Meaning: "negotiated version; without a ServerHello that of the HelloRetryRequest", Absent: "neither was seen", Value: version(false)},
	{Name: "version_id", Meaning: "its number", Absent: "as version", Value: version(true)},
	{Name: "cipher_suite", Meaning: "negotiated suite by its IANA name, or its number", Absent: "as version", Value: suite(false)},
	{Name: "cipher_suite_id", Meaning: "its number", Absent: "as version", Value: suite(true)},
	{Name: "key_exchange", Meaning: "family: RSA, DHE, ECDHE, PSK, …; of TLS 1.3 ECDHE, DHE, hybrid, KEM, PSK", Absent: "as version",
		Value: Text[conn]{At: func(c *conn) *string { return &c.KeyExchange }}},
	{Name: "authentication", Meaning: "RSA, ECDSA, anon, PSK, …", Absent: "encrypted (TLS 1.3) or not seen",
		Value: Text[conn]{At: func(c *conn) *string { return &c.Authentication }}},
	{Name: "group", Meaning: "named group of the exchange", Absent: "none, or not seen", Value: group(false)},
	{Name: "group_id", Meaning: "its number", Absent: "as group", Value: group(true)},
	{Name: "dh_bits", Meaning: "size of the finite-field prime, bits", Absent: "another key exchange, or not seen",
		Value: Number[conn]{func(c *conn) (uint64, bool) { return uint64(c.DHBits), c.DHBits > 0 }, func(c *conn, n uint64) { c.DHBits = int(n) }, math.MaxInt32}},
	{Name: "dh_prime", Meaning: "name of the prime", Absent: "the prime is not a known one",
		Value: Text[conn]{At: func(c *conn) *string { return &c.DHPrime }}},
	{Name: "curve_bits", Column: 1, Meaning: "size of the field of a curve that is given by its parameters and not by name, bits", Absent: "a named group",
		Value: Number[conn]{func(c *conn) (uint64, bool) { return uint64(c.CurveBits), c.CurveBits > 0 }, func(c *conn, n uint64) { c.CurveBits = int(n) }, math.MaxInt32}},
	{Name: "psk_mode", Meaning: "TLS 1.3: how the PSK was used", Absent: "no PSK was accepted",
		Value: Text[conn]{At: func(c *conn) *string { return &c.PSKMode }, Values: pskModeNames[:]}},
	{Name: "resumed", Meaning: "the connection resumed a session", Absent: "undetermined",
		Value: Tri[conn]{func(c *conn) *secrecy.Tri { return &c.Resumed }}},
	{Name: "resumption", Meaning: "how it did", Absent: "not resumed, or undetermined",
		Value: Text[conn]{At: func(c *conn) *string { return &c.Resumption }, Values: []string{"ticket", "session_id", "psk"}}},
	{Name: "session_time", Column: 1, Meaning: "time of the connection that made the session which this one resumed", Absent: "not resumed, TLS 1.3, or that connection was not seen",
		Value: Time[conn]{func(c *conn) int64 {
			if !c.HasSession {
				return 0
			}
			return c.Session.Time
		}, func(c *conn, ns int64) { c.HasSession, c.Session.Time = true, ns }}},
	{Name: "session_packet", Column: 1, Meaning: "packet that completed its ServerHello", Absent: "as session_time",
		Value: Number[conn]{Get: func(c *conn) (uint64, bool) { return c.Session.Packet, c.HasSession }, Set: func(c *conn, n uint64) { c.HasSession, c.Session.Packet = true, n }}},
	{Name: "session_source", Column: 1, Meaning: "its file or interface", Absent: "as session_time, or the same as source",
		Value: Text[conn]{At: func(c *conn) *string { return &c.Session.Source }, Omit: func(c *conn) bool { return !c.HasSession || c.Session.Source == c.Source }}},
	{Name: "session_forward_secrecy", Column: 1, Meaning: "its verdict; a resumed session is conditional at best", Absent: "as session_time",
		Value: Enum[conn]{At: func(c *conn) *uint8 { return (*uint8)(&c.Session.ForwardSecrecy) }, Values: verdicts, Omit: func(c *conn) bool { return !c.HasSession }}},
	{Name: "early_data", Meaning: "TLS 1.3 early data; whether the server accepted sent data is encrypted", Absent: "not offered, or undetermined",
		Value: Text[conn]{At: func(c *conn) *string { return &c.EarlyData }, Values: []string{"offered", "sent", "rejected"}}},
	{Name: "hello_retry_request", Meaning: "the server asked for a second ClientHello", Absent: "no ServerHello was seen, or what precedes it was not",
		Value: Tri[conn]{func(c *conn) *secrecy.Tri { return &c.HelloRetryRequest }}},
	{Name: "hello_retry_group", Column: 1, Meaning: "group that the HelloRetryRequest asked for", Absent: "none, or another reason for it",
		Value: CodePoint[conn]{Points: Groups, Get: func(c *conn) (Code, bool) { return Code(c.RetryGroup), c.HasRetryGroup },
			Set: func(c *conn, v Code) { c.HasRetryGroup, c.RetryGroup = true, iana.Group(v) }}},
	{Name: "ech", Meaning: "the ClientHello has encrypted_client_hello, real or GREASE", Absent: "no ClientHello was seen",
		Value: Tri[conn]{func(c *conn) *secrecy.Tri { return &c.ECH }}},
	{Name: "extended_master_secret", Meaning: "negotiated, RFC 7627", Absent: "TLS 1.3, or not seen",
		Value: Tri[conn]{func(c *conn) *secrecy.Tri { return &c.ExtendedMaster }}},
	{Name: "encrypt_then_mac", Column: 1, Meaning: "negotiated, RFC 7366", Absent: "as extended_master_secret",
		Value: Tri[conn]{func(c *conn) *secrecy.Tri { return &c.EncryptThenMAC }}},
	{Name: "secure_renegotiation", Column: 1, Meaning: "renegotiation_info negotiated, RFC 5746", Absent: "as extended_master_secret",
		Value: Tri[conn]{func(c *conn) *secrecy.Tri { return &c.Renegotiation }}},
	{Name: "forward_secrecy", Meaning: "the verdict", Absent: Never,
		Value: Enum[conn]{At: func(c *conn) *uint8 { return (*uint8)(&c.ForwardSecrecy) }, Values: verdicts}},
	{Name: "reasons", Meaning: "why; see pfsight explain CODE", Absent: "none",
		Value: ReasonSet[conn]{func(c *conn) *secrecy.Reasons { return &c.Reasons }}},
	{Name: "post_quantum", Meaning: "the key exchange withstands a quantum computer", Absent: "undetermined",
		Value: Tri[conn]{func(c *conn) *secrecy.Tri { return &c.PostQuantum }}},
	{Name: "outcome", Meaning: "how the handshake ended", Absent: Never,
		Value: Enum[conn]{At: func(c *conn) *uint8 { return (*uint8)(&c.Outcome) }, Values: enumOf(report.Established, report.Rejected, report.Incomplete)}},
	{Name: "alert", Meaning: "first fatal alert; encrypted where its content is", Absent: "none was seen",
		Value: Text[conn]{At: func(c *conn) *string { return &c.Alert }}},
	{Name: "alert_from", Meaning: "the side that sent it", Absent: "as alert",
		Value: Text[conn]{At: func(c *conn) *string { return &c.AlertFrom }, Values: sides, Closed: true}},
	{Name: "one_direction", Meaning: "the only side that was seen", Absent: "both were seen",
		Value: Text[conn]{At: func(c *conn) *string { return &c.OneWay }, Values: sides, Closed: true}},
	{Name: "certificate", Meaning: "end-entity certificate of the server", Absent: "encrypted (TLS 1.3), none, or not seen",
		Value: Object[conn, report.Certificate]{func(c *conn) **report.Certificate { return &c.Certificate }, CertificateFields}},
	{Name: "client_certificate", Column: 1, Meaning: "end-entity certificate of the client, with the same fields", Absent: "as certificate",
		Value: Object[conn, report.Certificate]{func(c *conn) **report.Certificate { return &c.ClientCert }, CertificateFields}},
	{Name: "ephemeral_key_id", Meaning: "name of the server's ephemeral public value; equal values have equal names", Absent: "none, or not seen",
		Value: Hex[conn]{func(c *conn) []byte { return c.EphemeralKey[:] }}},
	{Name: "ticket_key_id", Meaning: "name of the key of the session ticket, RFC 5077; TLS 1.2 and older", Absent: "no ticket",
		Value: Text[conn]{At: func(c *conn) *string { return &c.TicketKey }, Hex: true}},
	{Name: "ticket_lifetime", Column: 1, Meaning: "lifetime hint of the server, seconds; 0 is unspecified", Absent: "no ticket was issued",
		Value: Number[conn]{func(c *conn) (uint64, bool) { return uint64(c.TicketLifetime), c.TicketLifetime >= 0 }, func(c *conn, n uint64) { c.TicketLifetime = int64(n) }, math.MaxUint32}},
	{Name: "ja3", Meaning: "fingerprint of the ClientHello", Absent: "no ClientHello was seen",
		Value: Text[conn]{At: func(c *conn) *string { return &c.JA3 }}},
	{Name: "ja3s", Meaning: "fingerprint of the ServerHello", Absent: "no ServerHello was seen",
		Value: Text[conn]{At: func(c *conn) *string { return &c.JA3S }}},
	{Name: "ja4", Meaning: "fingerprint of the ClientHello", Absent: "no ClientHello was seen",
		Value: Text[conn]{At: func(c *conn) *string { return &c.JA4 }}},
	{Name: "client_hello_packet", Meaning: "packet that completed the ClientHello, from 1 in its file", Absent: "no whole one was seen",
		Value: Number[conn]{Get: func(c *conn) (uint64, bool) { return c.ClientHelloPacket, c.ClientHelloPacket > 0 }, Set: func(c *conn, n uint64) { c.ClientHelloPacket = n }}},
	{Name: "server_hello_packet", Meaning: "packet that completed the ServerHello", Absent: "none was seen",
		Value: Number[conn]{Get: func(c *conn) (uint64, bool) { return c.ServerHelloPacket, c.ServerHelloPacket > 0 }, Set: func(c *conn, n uint64) { c.ServerHelloPacket = n }}},
	{Name: "bytes_to_server", AtEnd: true, Meaning: "payload bytes to the server; a retransmission counts once", Absent: Never,
		Value: Number[conn]{Get: func(c *conn) (uint64, bool) { return c.Totals.Bytes[0], true }, Set: func(c *conn, n uint64) { c.Totals.Bytes[0] = n }}},
	{Name: "bytes_to_client", AtEnd: true, Meaning: "the same of the other direction", Absent: Never,
		Value: Number[conn]{Get: func(c *conn) (uint64, bool) { return c.Totals.Bytes[1], true }, Set: func(c *conn, n uint64) { c.Totals.Bytes[1] = n }}},
	{Name: "packets", AtEnd: true, Meaning: "packets of the connection, as far as it was followed", Absent: Never,
		Value: Number[conn]{Get: func(c *conn) (uint64, bool) { return c.Totals.Packets, true }, Set: func(c *conn, n uint64) { c.Totals.Packets = n }}},
	{Name: "last_time", AtEnd: true, Meaning: "time of the last packet of the connection", Absent: "not known",
		Value: Time[conn]{func(c *conn) int64 { return c.Totals.Last }, func(c *conn, ns int64) { c.Totals.Last = ns }}},
	{Name: "client_hello_split", Meaning: "the (first) ClientHello came in more than one packet", Absent: "it came in one, or was not seen",
		Value: Flag[conn]{func(c *conn) *bool { return &c.FirstHelloSplit }, func(c *conn) bool { return c.Offered != nil }}},
	{Name: "gap", Meaning: "bytes of the handshake are missing for another reason than the snaplen of the capture", Absent: "none are",
		Value: Flag[conn]{At: func(c *conn) *bool { return &c.Gap }}},
	{Name: "offered", Column: 1, Meaning: "what the (first) ClientHello offered; a field of it is absent where the client did not send it", Absent: "no ClientHello was seen",
		Value: Object[conn, report.Offer]{func(c *conn) **report.Offer { return &c.Offered }, OfferFields}},
	{Name: "problems", Meaning: "what was malformed, missing or contradictory", Absent: "nothing",
		Value: Texts[conn]{func(c *conn) *[]string { return &c.Problems }}},
}

var (
	verdicts = enumOf(secrecy.Yes, secrecy.No, secrecy.Conditional, secrecy.Unknown)
	sides    = []string{"client", "server"}
)

func version(number bool) CodePoint[conn] {
	return CodePoint[conn]{Points: Versions, Number: number,
		Get: func(c *conn) (Code, bool) { return Code(c.Version), c.Version != 0 },
		Set: func(c *conn, v Code) { c.Version = iana.Version(v) },
		// Only a ServerHello or a HelloRetryRequest gives a version; Finish
		// distinguishes them.
		Seen: func(c *conn) { c.HasServerHello = true },
	}
}

func suite(number bool) CodePoint[conn] {
	return CodePoint[conn]{Points: Suites, Number: number,
		Get: func(c *conn) (Code, bool) {
			if c.SSLv2Kind != 0 {
				return SSLv2 | Code(c.SSLv2Kind), c.Version != 0
			}
			return Code(c.CipherSuite), c.Version != 0 && c.Version != iana.SSL20
		},
		Set: func(c *conn, v Code) {
			if v&SSLv2 != 0 {
				c.SSLv2Kind = iana.SSLv2Kind(v &^ SSLv2)
			} else {
				c.CipherSuite = iana.CipherSuite(v)
			}
		},
	}
}

func group(number bool) CodePoint[conn] {
	return CodePoint[conn]{Points: Groups, Number: number,
		Get: func(c *conn) (Code, bool) { return Code(c.Group), c.HasGroup },
		Set: func(c *conn, v Code) { c.HasGroup, c.Group = true, iana.Group(v) },
	}
}

// Empty returns a Connection of which nothing is known: what a reader sets the
// fields of a record in.
func Empty() report.Connection { return report.Connection{TicketLifetime: -1} }

// Finish completes a Connection in which a reader has set all fields of a
// record: with what follows from several of them.
func Finish(c *report.Connection) {
	// The version may be that of a HelloRetryRequest without a ServerHello.
	c.HasServerHello = c.HasServerHello && (c.HelloRetryRequest != secrecy.True || c.ServerHelloPacket > 0)
	if c.HasSession && c.Session.Source == "" {
		c.Session.Source = c.Source
	}
}
