// Package eap extracts the TLS records that EAP methods carry, from RADIUS datagrams
// and from frames of IEEE 802.1X (EAPOL).
//
// It joins the fragments of each direction and keeps which captured packet carried
// which bytes; package parse reads the records. It does not keep identities.
//
// The methods are EAP-TLS (RFC 5216, RFC 9190), EAP-TTLS (RFC 5281), PEAP, EAP-FAST
// (RFC 4851) and TEAP (RFC 7170). EAP is RFC 3748; EAP in RADIUS is RFC 3579.
//
//	packet.go    the format of EAP packets and of the methods that carry TLS
//	radius.go    the format of RADIUS packets; Sniff: is this RADIUS with EAP?
//	ask.go       Ask: is more of the session wanted?
//	sessions.go  Sessions: which session does a RADIUS datagram belong to?
//	lan.go       the same for a frame of IEEE 802.1X
//	reader.go    Reader: conversation to TLS streams
//	order.go     the order in which the datagrams of both directions were sent
//	side.go      the TLS stream of one direction
//	turns.go     turns: are packets of the session missing?
package eap
