package parse

import (
	"pfsight/capture/stream"
	"pfsight/parse/dtls"
	"pfsight/parse/eap"
	"pfsight/parse/iana"
	"pfsight/parse/openvpn"
	"pfsight/parse/quic"
	"pfsight/parse/rdpudp"
)

// Handshake message types, RFC 8446 section 4, RFC 5246 section 7.4.
const (
	msgClientHello        = 1
	msgServerHello        = 2
	msgNewSessionTicket   = 4
	msgHelloRetryRequest  = 6 // of drafts of TLS 1.3
	msgCertificate        = 11
	msgServerKeyExchange  = 12
	msgCertificateRequest = 13
	msgServerHelloDone    = 14
	msgCertificateVerify  = 15
	msgClientKeyExchange  = 16
	msgFinished           = 20
	msgCertificateStatus  = 22
)

// Limits of the work for one handshake.
const (
	maxProblems = 32      // problems kept
	maxMessage  = 1 << 18 // bytes; longer handshake messages are not assembled
	maxHellos   = 3       // ClientHellos read
	maxAlerts   = 16      // alerts kept
	maxCerts    = 64      // certificates of one message kept
)

// A Parser turns conversations into handshakes. It keeps its memory between
// calls. The zero value is ready; one goroutine uses it.
type Parser struct {
	hs      Handshake
	hellos  [maxHellos]ClientHello
	server  [2]ServerHello // the HelloRetryRequest and the ServerHello
	ske     ServerKeyExchange
	cke     ClientKeyExchange
	ticket  NewSessionTicket
	dtls    dtls.Reader
	quic    quic.Reader
	eap     eap.Reader
	openvpn openvpn.Reader
	rdp     rdpudp.Reader
	v2      SSLv2
	join    []byte         // messages that span records
	bare    [2]stream.Half // by stream.Dir: TLS records without their framing

	role   stream.Dir // of the half being read: ToServer is the client's
	half   *stream.Half
	nHello int
	enc    [2][]record // records after the keys changed, by role, the first few
	data   [2][]record // application data records, by role, the first few
}

// Parse reads a conversation. It returns nil if c has no handshake message. The
// result is valid until the next call and aliases c.
func (p *Parser) Parse(c *stream.Conversation) *Handshake {
	p.hs = Handshake{
		Certificates:       p.hs.Certificates[:0],
		ClientCertificates: p.hs.ClientCertificates[:0],
		Alerts:             p.hs.Alerts[:0],
		Problems:           p.hs.Problems[:0],
	}
	p.join = p.join[:0]
	p.v2 = SSLv2{Offered: p.v2.Offered[:0], Agreed: p.v2.Agreed[:0]}
	p.nHello = 0
	for i := range p.enc {
		p.enc[i], p.data[i] = p.enc[i][:0], p.data[i][:0]
	}
	hs := p.read(c)
	if hs == nil {
		return nil
	}
	settleLosses(hs, c)
	return hs
}

func (p *Parser) alert(a Alert) {
	if len(p.hs.Alerts) < maxAlerts {
		p.hs.Alerts = append(p.hs.Alerts, a)
	}
}

func (p *Parser) problem(off int, field, what string) {
	if len(p.hs.Problems) < maxProblems {
		p.hs.Problems = append(p.hs.Problems, Problem{p.role, off, field, what})
	}
}

// suite returns what is known of the suite that the server chose.
func (p *Parser) suite() *iana.Suite {
	if p.hs.ServerHello == nil {
		return iana.CipherSuite(0).Info()
	}
	if p.hs.ServerHello.Version() == iana.SSL30 {
		return iana.SSLv3Suite(p.hs.ServerHello.CipherSuite)
	}
	return p.hs.ServerHello.CipherSuite.Info()
}
