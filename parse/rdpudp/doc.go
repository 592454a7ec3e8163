// Package rdpudp finds the TLS and DTLS records in the UDP transport of the
// Remote Desktop Protocol: in MS-RDPEUDP, whose reliable mode carries TLS and
// whose lossy mode carries DTLS, and in MS-RDPEUDP2, which the same SYN
// negotiates. It puts the source packets of each direction in order and says
// which datagram brought which bytes. Forward error correction is not used: the
// packets that it protects are read as they come.
//
// Files:
//
//   - packet.go: the formats of packets, and Sniff.
//   - ask.go: Ask, whether a handshake is complete.
//   - reader.go: Reader, the records of a whole conversation.
package rdpudp
