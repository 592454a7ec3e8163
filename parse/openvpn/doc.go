// Package openvpn extracts TLS records from OpenVPN's control channel.
//
// It reads OpenVPN over UDP and TCP, with and without --tls-auth. It puts the
// packets of each direction in order and keeps which captured packet carried
// which bytes; package parse reads the records. With --tls-crypt the control
// channel is encrypted, so there is nothing to read and no session is reported.
//
// The format is described in draft-openvpn-wire-protocol and in OpenVPN's
// ssl_pkt.h.
//
//	packet.go    the format of a control packet, the length of its HMAC
//	sniff.go     Sniff: do these bytes begin an OpenVPN session?
//	ask.go       Ask: is more of the conversation wanted?
//	sessions.go  Sessions: which key exchange does a datagram belong to?
//	reader.go    Reader: conversation to TLS streams
package openvpn
