// Package parse turns the opening of a conversation into a Handshake: the
// messages that two endpoints exchanged to agree on keys. It names code points
// from the registries and never judges them. All input is hostile: nothing
// panics, every length is checked by construction, and what is malformed becomes
// a Problem while the rest of the message is kept.
//
// # How a Conversation becomes a Handshake
//
// While a connection is captured, package capture calls the functions of
// NewInspector. SniffTCP or SniffUDP looks at the first bytes of a segment or
// datagram and says whether a handshake may begin there. For UDP and EAPOL, Split
// says to which of several sessions between the same endpoints a datagram
// belongs. Ask looks at the conversation as it grows, and says when it has enough.
//
// The first question decides the protocol that carries the handshake; it is kept
// in Conversation.Protocol. Then Parser.Parse reads the whole conversation:
//
//	Conversation -> protocol    -> messages             -> Handshake
//	                TLS records    clientHello,            settleHellos,
//	                dtls, quic     serverHello,            settleEnd,
//	                openvpn, eap   certificates, ...       settleLosses
//	                rdpudp
//
// The reader of the protocol removes what lies around the handshake messages and
// hands them over in order. Each message is read by its own function. At the
// end, the settle functions decide which ClientHello was answered, how far the
// handshake came, and what is missing.
//
// # Files
//
//   - handshake.go: Handshake and the messages in it.
//   - parser.go: Parser and Parse. read.go: the way from a conversation to
//     messages. settle.go: the conclusions.
//   - ask.go: the Asker of TLS over TCP. protocol.go: the table of the other
//     protocols. wrapped.go: the Splitter, and protocols around TLS records.
//   - over_dtls.go, over_quic.go: handshakes of DTLS and QUIC.
//   - record.go: TLS records. message.go: messages in records. sslv2.go: SSL 2.0.
//   - client_hello.go, server_hello.go, certificate.go, key_exchange.go: one
//     message each. wire.go: vectors, and the names of fields in a Problem.
//   - hello_id.go: the identity of a hello, for copies and new connections.
package parse
