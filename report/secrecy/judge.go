package secrecy

import (
	"bytes"
	"strings"

	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/parse/iana"
)

// minDHBits is the lowest size of a finite-field group that is not weak, RFC
// 9325 section 4.1.
const minDHBits = 2048

// A Judgement is the verdict on one handshake, with the facts that it is based
// on.
type Judgement struct {
	Verdict        Verdict
	Reasons        Reasons
	KeyExchange    string // family; "" without a ServerHello
	Authentication string
	Group          iana.Group
	HasGroup       bool
	DHBits         int
	DHPrime        string
	Resumed        Tri
	Resumption     string // ticket, session_id, psk
	PSKMode        string // psk_ke, psk_dhe_ke
	EarlyData      string // offered, sent, rejected
	PostQuantum    Tri
}

// Judge returns the verdict on a handshake. It is a pure function. It never
// treats a message that was not seen as a message that was not sent.
func Judge(h *parse.Handshake) Judgement {
	var j Judgement
	sh := h.ServerHello
	j.early(h)
	switch {
	case sh == nil:
		j.Verdict = Unknown
		wentOn := h.ClientFinished || h.ClientKeyExchange != nil // the client continued, so there was an answer
		switch {
		case h.ServerUnseen && wentOn:
			j.Reasons.Add(OneDirection)
		case h.ServerHelloSeen, h.ServerDamaged, wentOn:
			j.Reasons.Add(Damaged)
		default:
			j.Reasons.Add(NoServerHello)
		}
	case sh.Version().IsTLS13():
		j.tls13(h)
	case sh.Version() == iana.SSL20:
		j.sslv2(h)
	default:
		j.tls12(h)
	}
	return j
}

// tls13 judges by the extensions of the ServerHello, RFC 9846 section 2.2.
func (j *Judgement) tls13(h *parse.Handshake) {
	sh := h.ServerHello
	info := sh.CipherSuite.Info()
	j.KeyExchange = iana.KexTLS13.String()
	if sh.HasKeyShare {
		j.Group, j.HasGroup = sh.Group, !sh.GroupCut
		g := sh.Group.Info()
		switch kind := g.Kind; {
		case sh.GroupCut:
		case kind == "ec":
			j.KeyExchange, j.PostQuantum = "ECDHE", False
		case kind == "ff":
			j.KeyExchange, j.PostQuantum = "DHE", False
		case kind == "hybrid":
			j.KeyExchange, j.PostQuantum = "hybrid", TriOf(g.PostQuantum)
		case kind == "pq":
			j.KeyExchange, j.PostQuantum = "KEM", TriOf(g.PostQuantum)
		}
	}
	if sh.Incomplete && (sh.GroupCut || !sh.HasKeyShare) {
		j.KeyExchange = ""
	}
	switch external := externalPSK(h); {
	case sh.HasPSK && external == True:
		j.Resumed, j.Authentication = False, "PSK"
		j.Reasons.Add(ExternalPSK)
	case sh.HasPSK && external == False:
		j.Resumed, j.Resumption, j.Authentication = True, "psk", "PSK"
	case sh.HasPSK:
		j.Authentication = "PSK" // a session or an external PSK; only the ClientHello distinguishes them
	case !sh.Incomplete:
		j.Resumed = False
	}
	switch {
	case sh.HasKeyShare && sh.HasPSK:
		j.PSKMode, j.Verdict = "psk_dhe_ke", Yes
		j.Reasons.Add(PSKWithKeyShare)
	case sh.HasKeyShare:
		j.Verdict = Yes
		j.Reasons.Add(TLS13KeyShare)
	case sh.HasPSK && !sh.Incomplete:
		j.PSKMode, j.Verdict, j.KeyExchange = "psk_ke", No, "PSK"
		j.Reasons.Add(PSKKE)
	default:
		j.Verdict = Unknown
		j.Reasons.Add(Damaged)
	}
	if info.NoEncryption {
		j.Verdict = No
		j.Reasons.Add(NullEncryption)
	}
}

// externalPSK reports whether the selected PSK was agreed on outside of TLS:
// its obfuscated_ticket_age is 0, RFC 8446 section 4.2.11. The age of a ticket
// is masked with a random number, so it is 0 with probability 2^-32.
func externalPSK(h *parse.Handshake) Tri {
	i := int(h.ServerHello.SelectedPSK)
	if h.ClientHello == nil || h.SecondHelloCut || h.ServerHello.PSKCut || i >= len(h.ClientHello.PSKs) {
		return Undetermined
	}
	return TriOf(h.ClientHello.PSKs[i].ObfuscatedAge == 0)
}

// early sets the state of early data, as far as the clear part shows it.
func (j *Judgement) early(h *parse.Handshake) {
	first := h.ClientHello
	if h.FirstHello != nil {
		first = h.FirstHello
	}
	if first == nil || !first.EarlyData {
		return
	}
	sh := h.ServerHello
	switch {
	case h.RetryRequest == nil && (sh == nil && (h.ServerDamaged || h.ServerUnseen) || sh != nil && sh.Incomplete && !sh.HasPSK):
		// The server's answer was not seen, and may reject early data.
	case h.RetryRequest != nil, sh != nil && !sh.Incomplete && (!sh.HasPSK || sh.SelectedPSK != 0 || !sh.Version().IsTLS13()):
		j.EarlyData = "rejected" // RFC 8446 section 4.2.10
	case h.EarlyDataSent:
		j.EarlyData = "sent"
		j.Reasons.Add(EarlyData)
	case !h.ClientDamaged:
		j.EarlyData = "offered"
	}
}

// tls12 judges SSL 3.0 to TLS 1.2.
func (j *Judgement) tls12(h *parse.Handshake) {
	sh := h.ServerHello
	version := sh.Version()
	info := sh.CipherSuite.Info()
	if version == iana.SSL30 {
		info = iana.SSLv3Suite(sh.CipherSuite)
	}
	f := families[info.KeyExchange]
	if info.KeyExchange == iana.KexTLS13 {
		// A TLS 1.3 suite in an older version has no key exchange.
		f = families[iana.KexUnknown]
	}
	j.KeyExchange = info.KeyExchange.String()
	j.Authentication = info.Authentication
	j.PostQuantum = f.quantum
	j.resumption(h)
	j.Verdict = f.verdict
	switch {
	case f.verdict == Unknown:
		j.Reasons.Add(UnknownSuite)
	case f.verdict == Yes && j.Resumed == True:
		j.Verdict = Conditional
		switch j.Resumption {
		case "session_id":
			j.Reasons.Add(SessionIDResumption)
		case "ticket":
			j.Reasons.Add(TicketResumption)
		default:
			j.Reasons.Add(SessionResumption)
		}
	case f.verdict == Yes && j.Resumed == Undetermined:
		j.Verdict = Unknown
		if h.ClientHello == nil && !h.ClientSeen && !h.ServerDamaged {
			j.Reasons.Add(OneDirection)
		} else {
			j.Reasons.Add(UnknownResumption)
		}
	default:
		j.Reasons.Add(f.reason)
		if j.Resumed == True {
			j.Reasons.Add(ResumedNotForwardSecret)
		}
	}
	j.parameters(h, info)
	if info.NoEncryption && f.verdict != Unknown {
		j.Verdict = No
		j.Reasons.Add(NullEncryption)
	}
	if info.Export {
		j.Reasons.Add(ExportGrade)
	}
	if f.anonymous {
		j.Reasons.Add(Anonymous)
	}
	if info.RFC10015 != "" && (version == iana.TLS12 || version == iana.DTLS12) {
		j.Reasons.Add(DeprecatedKeyExchange)
	}
	if h.Ticket != nil && len(h.Ticket.Ticket) > 0 && j.Verdict == Yes {
		j.Reasons.Add(TicketIssued)
	}
}

// sslv2 judges SSL 2.0, whose only key exchange is RSA.
func (j *Judgement) sslv2(h *parse.Handshake) {
	j.KeyExchange, j.Authentication = iana.KexRSA.String(), "RSA"
	j.Verdict, j.PostQuantum = No, False
	j.Reasons.Add(RSAKeyTransport)
	if h.SSLv2 == nil {
		return
	}
	j.Resumed = TriOf(h.SSLv2.SessionID)
	if h.SSLv2.SessionID {
		j.Resumption = "session_id"
		j.Reasons.Add(ResumedNotForwardSecret)
	}
	if info, ok := h.SSLv2.Kind.Info(); ok && h.SSLv2.HasKind {
		if info.NoEncryption {
			j.Reasons.Add(NullEncryption)
		}
		if info.Export {
			j.Reasons.Add(ExportGrade)
		}
	}
}

// parameters reads the group from the ServerKeyExchange.
func (j *Judgement) parameters(h *parse.Handshake, info *iana.Suite) {
	k := h.ServerKeyExchange
	if k == nil || k.Unread {
		return
	}
	switch {
	case info.KeyExchange.UsesECParams():
		if k.CurveType == 3 && k.Group != 0 {
			j.Group, j.HasGroup = k.Group, true
			if k.Group.Info().PostQuantum {
				j.PostQuantum = True
			}
		}
		switch k.CurveType { // RFC 8422 section 5.1.1 reserves these code points
		case 1:
			j.Group, j.HasGroup = iana.ExplicitPrimeCurve, true
		case 2:
			j.Group, j.HasGroup = iana.ExplicitChar2Curve, true
		}
	case len(k.P) > 0:
		j.DHBits = parse.BitLen(k.P)
		prime, known := iana.LookupDHPrime(k.P)
		if known {
			j.DHPrime = prime.Name
			// The groups of RFC 7919 have code points, whether negotiated or
			// not.
			if name, ok := strings.CutPrefix(prime.Name, "RFC 7919 "); ok {
				j.Group, j.HasGroup = iana.LookupGroup(name)
			}
		}
		if j.DHBits < minDHBits {
			j.Reasons.Add(WeakDH)
			if known {
				j.Reasons.Add(KnownDHPrime)
			}
		}
	}
}

// resumption decides whether a session of TLS <= 1.2 was resumed. It relies
// only on what was seen. A message of the full handshake decides first. Then an
// echoed session ID does, RFC 5246 section 7.4.1.3, or RFC 5077 section 3.4 if
// a ticket was offered. Last, a ChangeCipherSpec directly after the ServerHello
// means a resumption, provided that no byte between them is missing.
func (j *Judgement) resumption(h *parse.Handshake) {
	ch, sh := h.ClientHello, h.ServerHello
	ticket := ch != nil && len(ch.Ticket) > 0
	switch {
	case h.CertificatesSeen, h.ServerKeyExchange != nil, h.ServerHelloDone, h.CertificateRequest, h.ClientKeyExchange != nil:
		j.Resumed = False
	case ch != nil && len(sh.SessionID) > 0 && bytes.Equal(ch.SessionID, sh.SessionID):
		j.Resumed = True
		switch {
		case ticket:
			j.Resumption = "ticket"
		case !ch.Incomplete:
			j.Resumption = "session_id"
		}
	case h.ServerCCS && whole(h):
		switch {
		case ticket:
			j.Resumed, j.Resumption = True, "ticket"
		case ch == nil, ch.Incomplete:
			j.Resumed = True // whether by ticket or by session ID is undetermined without the whole ClientHello
		}
	case ch != nil && !ch.Incomplete && !ticket && (len(ch.SessionID) == 0 || !sh.Incomplete):
		j.Resumed = False // nothing was offered, or the offer was not accepted
	}
}

// whole reports whether none of the server's messages is missing or malformed.
func whole(h *parse.Handshake) bool {
	for i := range h.Problems {
		if h.Problems[i].From == stream.ToClient {
			return false
		}
	}
	return !h.Lost[stream.ToClient]
}
