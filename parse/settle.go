package parse

import (
	"slices"

	"pfsight/capture/stream"
	"pfsight/parse/iana"
)

// settleHellos decides which ClientHello the server answered.
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
		pick = 0 // the second one differs in its key shares only, RFC 8446 section 4.1.2
	}
	hs.ClientHello = &p.hellos[pick]
}

// settleEnd sets how far the handshake came, by the records after the hellos.
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
	hs.ClientData, hs.ServerData = false, false // encrypted handshake messages look the same
	if v13 {
		if d := p.data[stream.ToClient]; len(d) > 0 {
			if r := d[0]; p.alertLike(r) && server.Missing(hs.ServerHello.end, r.off) {
				// The record before it may be the Finished.
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
			// Without the ServerHello: a client that offers TLS 1.3, and sends
			// what looks like data without the Finished of older versions, has
			// continued.
			if hs.ServerHello == nil && !early && hs.ClientHello != nil && offers13(hs.ClientHello) && !p.alertLike(r) {
				// More records behind a certificate may belong to the handshake.
				hs.ClientFinished, hs.ClientData = true, finishedLike(r.to-r.from) && len(p.data[stream.ToServer]) > 1
			}
			return
		case p.alertLike(r) && (hs.ClientHello == nil || client.Missing(hs.ClientHello.Offset, r.off)):
			return // the record before it may be the Finished
		case p.alertLike(r):
			p.alert(Alert{From: stream.ToServer, Fatal: true, Encrypted: true, Packet: m.Packet})
			return
		case early && r.to-r.from == endOfEarlyData:
		default:
			hs.ClientFinished = true
			if !finishedLike(r.to-r.from) && !p.settleRefusal(client, server, m, r.to) {
				hs.AnswerUnseen = damaged(server) || hs.Carried == nil && !server.FIN && !server.RST // or the answer is not captured yet
			}
			return
		}
	}
}

// offers13 reports whether a ClientHello offers TLS 1.3.
func offers13(h *ClientHello) bool {
	return slices.ContainsFunc(h.Versions, iana.Version.IsTLS13)
}

// settleRefusal decides whether a TLS 1.3 server that asked for a certificate
// accepted what the client sent, up to offset to, in the packet of mark m. If
// not, its answer is an alert. If the client had closed before, with an alert or
// a FIN, the server's alert only answers that. It reports whether an answer was
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

// closedBefore reports whether the client had closed, with a record as long as an
// alert or with a FIN, before the server sent the packet of mark at.
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

// settleLosses notes what is missing in each direction of c.
func settleLosses(hs *Handshake, c *stream.Conversation) {
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
}

// mayBeSecond reports whether a ClientHello may answer a HelloRetryRequest: it
// has one key share, as that demands, or its cookie (RFC 8446 section 4.1.2). If
// its end is missing, the server's answer may show that it is not TLS 1.3.
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

// blames reports whether an alert is one that a client sends in answer to a
// ServerHello or what follows it.
func blames(a Alert) bool {
	if a.From != stream.ToServer || a.Encrypted || !a.Fatal {
		return false
	}
	switch a.Code {
	case 42, 43, 44, 45, 46, 47, 48, 49, 51, 70, 71, 110, 113: // of certificates, of versions, illegal_parameter, decrypt_error and others
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
