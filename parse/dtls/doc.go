// Package dtls reads the handshake messages in the datagrams of DTLS 1.0
// (RFC 4347), 1.2 (RFC 6347) and 1.3 (RFC 9147), and of OpenSSL's form before
// the standard (version 0x0100). It knows connection IDs (RFC 9146), CAPWAP
// (RFC 5415), TURN (RFC 8656), and ports that are shared with STUN, ZRTP, RTP
// and SRTP (RFC 7983).
//
// Fragments may come in any order, more than once, and overlapping; the bytes
// that came first are kept. The content of the messages is read by package
// parse: a ClientHello is handed over with its cookie.
//
// Files:
//
//   - dtls.go: Opening, what a Reader returns.
//   - sniff.go: Sniff, whether a handshake may begin in a datagram.
//   - sessions.go: Sessions, which of several connections between the same
//     endpoints a datagram belongs to. look.go: what it sees of a datagram.
//   - ask.go: Ask, whether a handshake is complete.
//   - reader.go, finish.go: Reader. assembly.go: messages from fragments.
//   - record.go: headers of records and fragments. numbers.go: record numbers.
package dtls
