package parse

import (
	"pfsight/capture/stream"
	"pfsight/parse/starttls"
)

// read reads a conversation into p.hs.
func (p *Parser) read(c *stream.Conversation) *Handshake {
	if by := protocolOf(c); by != nil {
		return by.read(p, c)
	}
	if c.Transport != stream.TCP {
		return nil
	}
	client, server := records{half: &c.Half[stream.ToServer]}, records{half: &c.Half[stream.ToClient]}
	if a, b := client.half, server.half; !beginsTLS(a.Data[:a.Contiguous()]) || !beginsTLS(b.Data[:b.Contiguous()]) {
		p.upgrade(c, &client, &server)
	}
	if swapped(client, server) {
		p.hs.Swapped = true
		client, server = server, client
	}
	return p.overRecords(client, server)
}

// overRecords reads a handshake in the records of TLS.
func (p *Parser) overRecords(client, server records) *Handshake {
	// The server's half comes first: the format of the client's key exchange
	// depends on the suite.
	p.readRecords(server, stream.ToClient)
	p.readRecords(client, stream.ToServer)
	if !p.hs.ClientSeen && !p.hs.ServerSeen {
		return nil
	}
	p.settleHellos()
	if unfinished(&p.hs, client.half) {
		return nil
	}
	p.settleEnd(client.half, server.half)
	return &p.hs
}

// records are the TLS records of one endpoint.
type records struct {
	half *stream.Half
	from int // where they begin
}

// upgrade finds what precedes TLS, and where TLS begins behind it.
func (p *Parser) upgrade(c *stream.Conversation, client, server *records) {
	u, ok := starttls.Find(c)
	if !ok {
		return
	}
	p.hs.Upgrade, p.hs.UpgradeChain, p.hs.Target = u.Protocol, u.Chain, u.Target
	for d, r := range [2]*records{client, server} {
		r.from = u.From[d]
		if u.Framed {
			u.Unframe(stream.Dir(d), r.half, &p.bare[d])
			*r = records{half: &p.bare[d]}
		}
	}
}

// unfinished reports whether the conversation is the start of a ClientHello only,
// and nothing was lost: no handshake began.
func unfinished(hs *Handshake, client *stream.Half) bool {
	return hs.ClientHello != nil && hs.ClientHello.Incomplete && !hs.ServerSeen && len(hs.Alerts) == 0 &&
		!client.Cut && !client.Full && !client.Lost && len(client.Gaps) == 0
}

// swapped reports whether the halves show that the client of the transport is the
// server.
func swapped(client, server records) bool {
	a, b := opens(client), opens(server)
	return b == msgClientHello && a != msgClientHello || a == msgServerHello && b != msgServerHello
}

// opens returns the type of the first handshake message of a half, 0 if it is
// undetermined.
func opens(r records) uint8 {
	b := r.half.Data[:r.half.Contiguous()]
	b = b[min(r.from, len(b)):]
	if len(b) > 0 && b[0]&0x80 != 0 {
		if _, s := sslv2Hello(b); s == have {
			return msgClientHello
		}
		if _, s := sslv2Answer(b); s == have {
			return msgServerHello
		}
	}
	for off, n := 0, 0; n < 1024; n++ {
		r, s := nextRecord(b, off)
		if s != have {
			return 0
		}
		if r.typ == recHandshake && r.from < min(r.to, len(b)) {
			return b[r.from]
		}
		off = r.to
	}
	return 0
}

// message reads one handshake message, whose body may be cut.
func (p *Parser) message(m message) {
	if p.role == stream.ToServer {
		switch m.typ {
		case msgClientHello:
			p.clientHello(m)
		case msgCertificate:
			p.hs.ClientCertificatesSeen = true
			p.certificates(m, &p.hs.ClientCertificates)
		case msgClientKeyExchange:
			p.clientKeyExchange(m)
		case msgCertificateVerify:
			p.hs.CertificateVerify = true
		case msgFinished, msgCertificateStatus, 23, 67, 203: // NULL encryption shows Finished; NPN, Channel ID
		default:
			p.problem(m.off, "handshake", "unexpected message of the client")
			return
		}
		p.hs.ClientSeen = true
		return
	}
	switch m.typ {
	case msgServerHello, msgHelloRetryRequest:
		p.serverHello(m)
	case msgCertificate:
		if p.hs.CertificatesSeen {
			return // of a renegotiation
		}
		p.hs.CertificatesSeen = true
		p.certificates(m, &p.hs.Certificates)
	case msgServerKeyExchange:
		p.serverKeyExchange(m)
	case msgCertificateRequest:
		p.hs.CertificateRequest = true
	case msgServerHelloDone:
		p.hs.ServerHelloDone = true
	case msgNewSessionTicket:
		p.newSessionTicket(m)
	case 0, msgFinished, msgCertificateStatus, 23: // HelloRequest, SupplementalData
	default:
		p.problem(m.off, "handshake", "unexpected message of the server")
		return
	}
	p.hs.ServerSeen = true
}
