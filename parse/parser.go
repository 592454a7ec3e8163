package parse

import (
	"slices"

	"pfsight/capture/stream"
	"pfsight/parse/dtls"
	"pfsight/parse/eap"
	"pfsight/parse/iana"
	"pfsight/parse/openvpn"
	"pfsight/parse/quic"
	"pfsight/parse/rdpudp"
	"pfsight/parse/starttls"
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

// Limits of what one handshake may make the Parser do.
const (
	maxProblems = 32      // problems kept
	maxMessage  = 1 << 18 // a handshake message longer than this is not waited for
	maxHellos   = 3       // ClientHellos looked at
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
	bare    [2]stream.Half // by stream.Dir: TLS records without what carried them

	role   stream.Dir // of the half being read: ToServer is the client's
	half   *stream.Half
	nHello int
	enc    [2][]record // records after the keys changed, by role, the first few
	data   [2][]record // application data records, by role, the first few
}

// Parse reads a conversation. It returns nil where no handshake message of
// TLS is in it. The result is valid until the next call and aliases c.
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
	d := stream.ToClient
	if hs.Swapped {
		d = stream.ToServer
	}
	server := &c.Half[d]
	client := &c.Half[d.Opposite()]
	hs.ServerUnseen = !server.Seen()
	hs.ServerDamaged = damaged(server) || hs.Carried != nil && damaged(&hs.Carried[stream.ToClient])
	hs.ClientDamaged = damaged(client) || hs.Carried != nil && damaged(&hs.Carried[stream.ToServer])
	if hs.RetryRequest == nil && hs.FirstHello == nil {
		switch ch := hs.ClientHello; {
		case ch == nil:
			hs.LateStart = server.Midstream && hs.ServerHello != nil && hs.ServerHello.Version().IsTLS13()
		case client.Midstream && mayBeSecond(ch, hs.ServerHello):
			hs.LateStart, hs.FirstHelloUnseen = true, true
		}
		hs.RetryUnseen = hs.RetryUnseen || hs.LateStart
	}
	hs.Lost[stream.ToServer] = hs.Lost[stream.ToServer] || hs.RetryRequest != nil && hs.ServerHello != nil && hs.FirstHello == nil
	answered := hs.ClientFinished || hs.ClientKeyExchange != nil || slices.ContainsFunc(hs.Alerts, blames)
	hs.Lost[stream.ToServer] = hs.Lost[stream.ToServer] || hs.ServerHello != nil && hs.ClientHello == nil && client.Seen()
	hs.Lost[stream.ToClient] = hs.Lost[stream.ToClient] || hs.ServerHello == nil && answered && server.Seen()
	if hs.RetryRequest != nil && hs.FirstHello == nil && hs.ClientHello != nil {
		hs.FirstHelloUnseen = obeys(hs.ClientHello, hs.RetryRequest)
		hs.SecondHelloCut = !hs.FirstHelloUnseen && (hs.ServerHello != nil || hs.ClientDamaged)
	}
	return hs
}

// mayBeSecond reports whether a ClientHello may answer a HelloRetryRequest: it
// has the one key share that this asked for, or its cookie (RFC 8446 section
// 4.1.2). Where its end is missing, the server's answer may tell that it is not
// TLS 1.3.
func mayBeSecond(h *ClientHello, answer *ServerHello) bool {
	switch {
	case h.Cookie:
		return true
	case h.EarlyData || len(h.KeyShares) > 1:
		return false
	case h.Incomplete:
		return answer == nil || answer.Incomplete || answer.Version().IsTLS13()
	}
	return len(h.KeyShares) == 1 && offers13(h)
}

// blames reports whether an alert is one that a client sends for what the server
// said from its ServerHello on.
func blames(a Alert) bool {
	if a.From != stream.ToServer || a.Encrypted || !a.Fatal {
		return false
	}
	switch a.Code {
	case 42, 43, 44, 45, 46, 47, 48, 49, 51, 70, 71, 110, 113: // those of certificates, of versions, illegal_parameter, decrypt_error and others
		return true
	}
	return false
}

// obeys reports whether a ClientHello is the answer to a HelloRetryRequest.
func obeys(h *ClientHello, retry *ServerHello) bool {
	return h.Cookie || retry.HasKeyShare && len(h.KeyShares) == 1 && h.KeyShares[0].Group == retry.Group
}

// damaged reports whether bytes of a half are missing.
func damaged(h *stream.Half) bool { return h.Cut || h.Full || h.Lost || len(h.Gaps) > 0 }

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
	// The server's half first: the suite says how the client's key exchange is
	// to be read.
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

// upgrade finds what was said before TLS, and where TLS begins behind it.
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

// unfinished reports whether all that was said is a part of a ClientHello,
// with nothing missing but its end: no handshake began.
func unfinished(hs *Handshake, client *stream.Half) bool {
	return hs.ClientHello != nil && hs.ClientHello.Incomplete && !hs.ServerSeen && len(hs.Alerts) == 0 &&
		!client.Cut && !client.Full && !client.Lost && len(client.Gaps) == 0
}

// swapped reports whether the halves say that the transport's guess of who is
// the client is wrong.
func swapped(client, server records) bool {
	a, b := opens(client), opens(server)
	return b == msgClientHello && a != msgClientHello || a == msgServerHello && b != msgServerHello
}

// opens returns the type of the first handshake message of a half, 0 if it
// cannot be told.
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

// message reads one handshake message; body may be cut short of length.
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
			return // a renegotiation's
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

// settleHellos decides which ClientHello is the one answered.
func (p *Parser) settleHellos() {
	hs := &p.hs
	if p.nHello == 0 {
		return
	}
	pick := 0
	switch {
	case hs.RetryRequest != nil:
		if p.nHello > 1 {
			hs.FirstHello = &p.hellos[0]
			pick = 1
		}
	case p.nHello > 1 && string(p.hellos[0].Random) == string(p.hellos[1].Random):
		// A cookie of DTLS, or a HelloRetryRequest that was not seen.
		if hs.Protocol != DTLS || hs.ServerHello == nil {
			hs.FirstHello = &p.hellos[0]
		}
		for i := 1; i < p.nHello && string(p.hellos[0].Random) == string(p.hellos[i].Random); i++ {
			pick = i
		}
	}
	if p.hellos[pick].Incomplete && !p.hellos[0].Incomplete {
		hs.SecondHelloCut = true
		pick = 0 // but for its key shares, the second one repeats the first, RFC 8446 section 4.1.2
	}
	hs.ClientHello = &p.hellos[pick]
}

// settleEnd tells from the records after the hellos how far the handshake
// came.
func (p *Parser) settleEnd(client, server *stream.Half) {
	hs := &p.hs
	v13 := hs.ServerHello != nil && hs.ServerHello.Version().IsTLS13()
	if hs.ServerHello != nil && hs.ServerHello.LegacyVersion == iana.SSL20 {
		return
	}
	hs.ClientData, hs.ServerData = len(p.data[stream.ToServer]) > 0, len(p.data[stream.ToClient]) > 0
	if hs.ServerHello != nil && !v13 || hs.ServerHello == nil && len(p.enc[stream.ToServer]) > 0 {
		hs.ClientFinished = len(p.enc[stream.ToServer]) > 0
		hs.ServerFinished = hs.ServerHello != nil && len(p.enc[stream.ToClient]) > 0
		hs.ApplicationData = hs.ClientData || hs.ServerData
		return
	}
	hs.ClientData, hs.ServerData = false, false // handshake messages look alike
	if v13 {
		if d := p.data[stream.ToClient]; len(d) > 0 {
			if r := d[0]; p.alertLike(r) && server.Missing(hs.ServerHello.end, r.off) {
				// What it said before may be its Finished.
			} else if p.alertLike(r) {
				p.alert(Alert{From: stream.ToClient, Fatal: true, Encrypted: true, Packet: server.Completed(r.off, r.to).Packet})
			} else {
				hs.ServerFinished = true
			}
		}
	}
	early := hs.ClientHello != nil && hs.ClientHello.EarlyData || hs.FirstHello != nil && hs.FirstHello.EarlyData
	for _, r := range p.data[stream.ToServer] {
		m := client.Completed(r.off, r.to)
		after := hs.ServerHello != nil && m.Answers(hs.ServerHello.Mark, hs.ServerHello.end)
		switch {
		case early && !after:
			hs.EarlyDataSent = true
		case !v13:
			// Without the ServerHello, a client that offers TLS 1.3, and sends
			// what looks like data without the Finished of older versions, goes on.
			if hs.ServerHello == nil && !early && hs.ClientHello != nil && offers13(hs.ClientHello) && !p.alertLike(r) {
				// Behind a certificate more records may be of the handshake.
				hs.ClientFinished, hs.ClientData = true, finishedLike(r.to-r.from) && len(p.data[stream.ToServer]) > 1
			}
			return
		case p.alertLike(r) && (hs.ClientHello == nil || client.Missing(hs.ClientHello.Offset, r.off)):
			return // what it said before may be its Finished
		case p.alertLike(r):
			p.alert(Alert{From: stream.ToServer, Fatal: true, Encrypted: true, Packet: m.Packet})
			return
		case early && r.to-r.from == endOfEarlyData:
		default:
			hs.ClientFinished = true
			if !finishedLike(r.to-r.from) && !p.settleRefusal(client, server, m, r.to) {
				hs.AnswerUnseen = damaged(server) || hs.Carried == nil && !server.FIN && !server.RST // or not captured yet
			}
			return
		}
	}
}

// offers13 reports whether a ClientHello offers TLS 1.3.
func offers13(h *ClientHello) bool {
	return slices.ContainsFunc(h.Versions, iana.Version.IsTLS13)
}

// settleRefusal tells whether a TLS 1.3 server that asked for a certificate
// took what the client sent, up to offset to, in the packet of mark m: if not,
// its answer is an alert. Where the client had closed before, by an alert or a
// FIN, the server's alert only answers that. It reports whether an answer was
// seen.
func (p *Parser) settleRefusal(client, server *stream.Half, m stream.Mark, to int) bool {
	for _, r := range p.data[stream.ToClient] {
		at := server.Completed(r.off, r.to)
		if !at.Answers(m, to) {
			continue
		}
		if p.alertLike(r) && !p.closedBefore(client, at) {
			p.hs.ClientRefused = true
			p.alert(Alert{From: stream.ToClient, Fatal: true, Encrypted: true, Packet: at.Packet})
		}
		return true
	}
	return false
}

// closedBefore reports whether the client had closed, by what is as long as an
// alert or by a FIN, before the server sent the packet of mark at.
func (p *Parser) closedBefore(client *stream.Half, at stream.Mark) bool {
	if client.FIN && (at.Seq|at.Ack == 0 || int32(at.Ack-client.FINSeq) > 0) {
		return true
	}
	for _, r := range p.data[stream.ToServer] {
		if p.alertLike(r) && at.Answers(client.Completed(r.off, r.to), r.to) {
			return true
		}
	}
	return false
}

func (p *Parser) alertLike(r record) bool {
	return alertLike(r.to-r.from, p.hs.ServerHello != nil && p.hs.ServerHello.CipherSuite == 0x1305) // TLS_AES_128_CCM_8_SHA256
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
