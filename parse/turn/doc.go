// Package turn finds what a TURN relay carries over UDP between its client and
// itself (RFC 8656): in ChannelData messages, and in Send and Data indications
// of STUN (RFC 8489). WebRTC carries DTLS there.
//
// Files:
//
//   - turn.go: Unwrap, the bytes that a datagram carries for a peer.
//   - sessions.go: Sessions, which peer a datagram belongs to.
package turn
