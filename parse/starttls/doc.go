// Package starttls follows the plaintext that precedes TLS on a TCP connection and
// finds where TLS begins in each direction. It knows:
//
//   - protocols that switch to TLS: SMTP (RFC 3207), LMTP (RFC 2033), IMAP (RFC
//     9051), POP3 (RFC 2595), ManageSieve (RFC 5804), FTP (RFC 4217, RFC 2228), NNTP
//     (RFC 4642), IRC, XMPP (RFC 6120), LDAP (RFC 4511), PostgreSQL, MySQL, RDP
//     (MS-RDPBCGR), TDS (MS-TDS), HTTP (RFC 2817), SIP, AMQP 1.0
//   - WebSockets that carry TLS (RFC 6455)
//   - proxies before these protocols or before TLS: HTTP CONNECT (RFC 9110), SOCKS 4
//     and 5 (RFC 1928), the PROXY protocol
//
// Each direction is read separately, one command or reply after another. TLS is
// recognized by its record header, where the next command or reply would begin.
// So the result does not depend on the interleaving of the directions, on
// pipelining, or on both directions being captured.
//
//	starttls.go   Ask: is more of the conversation wanted? Find: where does TLS begin?
//	sniff.go      Sniff: do these bytes begin one of the protocols?
//	partial.go    Sniff for segments that end too early
//	walk.go       the walker, which reads one direction layer by layer
//	classify.go   which layer do these bytes begin?
//	text.go       protocols made of lines: SMTP, LMTP, IMAP, POP3, FTP, NNTP, Sieve, IRC
//	xmpp.go, http.go, proxy.go, binary.go, tds.go, adat.go, websocket.go
//	              the other layers
//	follow.go     follows TLS records inside WebSocket frames
//	unframe.go    Unframe: TLS without the TDS, WebSocket or base64 around it
package starttls
