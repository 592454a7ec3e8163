package report

import (
	"pfsight/parse"
	"pfsight/parse/fingerprint"
)

// A fingerprinter computes the fingerprints of rows. It reuses its buffers.
type fingerprinter struct {
	h fingerprint.Hasher
	c fingerprint.Client
	s fingerprint.Server
}

// fill sets JA3 and JA4 from the ClientHello, which after a HelloRetryRequest
// is the second one, and JA3S from the ServerHello, or from the
// HelloRetryRequest if no ServerHello was seen.
func (f *fingerprinter) fill(r *Connection, h *parse.Handshake) {
	if ch := h.ClientHello; ch != nil && !ch.Incomplete && !h.SecondHelloCut {
		c := &f.c
		*c = fingerprint.Client{
			Transport: 't', LegacyVersion: uint16(ch.LegacyVersion), Versions: appendAll(c.Versions[:0], ch.Versions),
			CipherSuites: appendAll(c.CipherSuites[:0], ch.CipherSuites), Extensions: appendTypes(c.Extensions[:0], ch.Extensions),
			Groups: appendAll(c.Groups[:0], ch.Groups), PointFormats: ch.PointFormats,
			SignatureSchemes: appendAll(c.SignatureSchemes[:0], ch.SignatureSchemes), HasServerName: ch.HasServerNameExtension(),
		}
		switch h.Protocol {
		case parse.QUIC:
			c.Transport = 'q'
		case parse.DTLS:
			c.Transport = 'd'
		}
		if len(ch.ALPN) > 0 {
			c.ALPN = ch.ALPN[0]
		}
		r.JA3, r.JA4 = f.h.Client(c)
	}
	sh := h.ServerHello
	if sh == nil {
		sh = h.RetryRequest
	}
	if sh != nil && !sh.Incomplete {
		s := &f.s
		*s = fingerprint.Server{LegacyVersion: uint16(sh.LegacyVersion), CipherSuite: uint16(sh.CipherSuite), Extensions: appendTypes(s.Extensions[:0], sh.Extensions)}
		r.JA3S = f.h.Server(s)
	}
}

func appendAll[T ~uint16](to []uint16, list []T) []uint16 {
	for _, v := range list {
		to = append(to, uint16(v))
	}
	return to
}

func appendTypes(to []uint16, list []parse.Extension) []uint16 {
	for i := range list {
		to = append(to, uint16(list[i].Type))
	}
	return to
}
