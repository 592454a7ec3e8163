// Package quic reads the part of the TLS handshake in QUIC that a passive
// observer can see: the CRYPTO streams of the Initial packets with the
// ClientHello and the ServerHello. The keys of these packets follow from a
// connection ID in the clear (RFC 9000, RFC 9001, RFC 9369). Of the other
// packets, whose keys are not on the wire, only the kind is read.
//
// Files:
//
//   - opening.go: Opening, what a Reader returns.
//   - sniff.go: Sniff, whether a handshake may begin in a datagram.
//   - sessions.go: Sessions, which of several connections between the same
//     endpoints a datagram belongs to.
//   - rebind.go: Rebinder, which finds datagrams of a client whose address changed.
//   - ask.go: Asker, whether a handshake is complete.
//   - read.go: Reader. scan.go: the headers of all packets.
//   - header.go: packet headers. keys.go: packet protection. frames.go: frames.
//     crypto.go: the CRYPTO stream of one direction.
//   - version.go: versions and their differences. google.go: Google QUIC.
package quic
