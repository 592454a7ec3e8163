package parse

import "golang.org/x/crypto/cryptobyte"

// certificates reads a Certificate message of TLS <= 1.2, RFC 5246 section 7.4.2:
// ASN.1Cert certificate_list<0..2^24-1>. Of a list that is cut or malformed, the
// certificates up to there are kept.
func (p *Parser) certificates(m message, out *[][]byte) {
	s := cryptobyte.String(m.body)
	var list cryptobyte.String
	rest := s
	if !s.ReadUint24LengthPrefixed(&list) {
		p.malformed(&m, rest, "certificate", "certificate_list")
		if !rest.Skip(3) {
			return
		}
		list = rest
	}
	for !list.Empty() && len(*out) < maxCerts {
		var der cryptobyte.String
		before := list
		if !list.ReadUint24LengthPrefixed(&der) {
			p.malformed(&m, before, "certificate", "certificate_list")
			return
		}
		*out = append(*out, der)
	}
}
