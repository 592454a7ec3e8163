package parse

import (
	"math/bits"

	"golang.org/x/crypto/cryptobyte"

	"pfsight/parse/iana"
)

// serverKeyExchange reads a ServerKeyExchange. Its structure follows from the key
// exchange of the suite, not from the suite itself, so that new suites of a known
// key exchange are read too.
func (p *Parser) serverKeyExchange(m message) {
	if p.hs.ServerKeyExchange != nil {
		return
	}
	p.ske = ServerKeyExchange{Mark: p.markOf(&m)}
	p.hs.ServerKeyExchange = &p.ske
	s := cryptobyte.String(m.body)
	if len(m.body) == 0 && m.cut() {
		p.ske.Unread = true
		return
	}
	if ok, field := p.ske.unmarshal(&s, p.suite().KeyExchange); !ok {
		p.malformed(&m, s, "server_key_exchange", field)
	}
}

// unmarshal reads the parameters, without the signature behind them. It returns
// the field that it could not read.
func (k *ServerKeyExchange) unmarshal(s *cryptobyte.String, kex iana.KeyExchange) (bool, string) {
	if kex.UsesPSK() {
		// RFC 4279 section 2: opaque psk_identity_hint<0..2^16-1>.
		if !readUint16Prefixed(s, &k.PSKHint) {
			return false, "psk_identity_hint"
		}
	}
	switch {
	case kex.UsesECParams():
		return k.ec(s)
	case kex.UsesDHParams():
		// RFC 5246 section 7.4.3: opaque dh_p<1..2^16-1>, dh_g, dh_Ys.
		return readUint16Prefixed(s, &k.P) && readUint16Prefixed(s, &k.G) && readUint16Prefixed(s, &k.Public), "dh_params"
	case kex == iana.KexSRP:
		// RFC 5054 section 2.5.3: srp_N<1..2^16-1>, srp_g, srp_s<1..2^8-1>, srp_B.
		var salt []byte
		return readUint16Prefixed(s, &k.P) && readUint16Prefixed(s, &k.G) && readUint8Prefixed(s, &salt) && readUint16Prefixed(s, &k.Public), "srp_params"
	case kex == iana.KexRSAExport || kex == iana.KexRSA:
		// RFC 2246 section D.1: opaque rsa_modulus<1..2^16-1>, rsa_exponent.
		return readUint16Prefixed(s, &k.RSAModulus), "rsa_modulus"
	case kex == iana.KexPSK, kex == iana.KexRSAPSK:
	default:
		k.Unread = true
	}
	return true, ""
}

// ec reads ServerECDHParams, RFC 8422 section 5.4, and the explicit curves of
// RFC 4492 section 5.4.
func (k *ServerKeyExchange) ec(s *cryptobyte.String) (bool, string) {
	if !s.ReadUint8(&k.CurveType) {
		return false, "curve_type"
	}
	var a, b, base, order, cofactor []byte
	switch k.CurveType {
	case 3: // named_curve
		if !s.ReadUint16((*uint16)(&k.Group)) {
			return false, "named_curve"
		}
	case 1: // explicit_prime: prime_p, curve (a, b), base, order, cofactor
		k.ExplicitCurve = true
		var prime []byte
		if !readUint8Prefixed(s, &prime) {
			return false, "prime_p"
		}
		k.ExplicitBits = BitLen(prime)
		if !readUint8Prefixed(s, &a) || !readUint8Prefixed(s, &b) || !readUint8Prefixed(s, &base) || !readUint8Prefixed(s, &order) || !readUint8Prefixed(s, &cofactor) {
			return false, "explicit_prime"
		}
	case 2: // explicit_char2: m, basis, k or k1 k2 k3, curve, base, order, cofactor
		k.ExplicitCurve = true
		var m uint16
		var basis uint8
		if !s.ReadUint16(&m) || !s.ReadUint8(&basis) {
			return false, "explicit_char2"
		}
		k.ExplicitBits = int(m)
		terms := 1
		if basis == 2 {
			terms = 3
		}
		for range terms {
			if !readUint8Prefixed(s, &a) {
				return false, "explicit_char2"
			}
		}
		if !readUint8Prefixed(s, &a) || !readUint8Prefixed(s, &b) || !readUint8Prefixed(s, &base) || !readUint8Prefixed(s, &order) || !readUint8Prefixed(s, &cofactor) {
			return false, "explicit_char2"
		}
	default:
		return false, "curve_type"
	}
	// opaque point<1..2^8-1>
	return readUint8Prefixed(s, &k.Public), "public"
}

// BitLen returns the length in bits of a big-endian number.
func BitLen(b []byte) int {
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) == 0 {
		return 0
	}
	return (len(b)-1)*8 + bits.Len8(b[0])
}

// clientKeyExchange reads a ClientKeyExchange, RFC 5246 section 7.4.7. If the
// suite was not seen, only its length is known.
func (p *Parser) clientKeyExchange(m message) {
	if p.hs.ClientKeyExchange != nil {
		return
	}
	k := &p.cke
	*k = ClientKeyExchange{Length: m.length}
	p.hs.ClientKeyExchange = k
	if m.cut() {
		return
	}
	s := cryptobyte.String(m.body)
	kex := p.suite().KeyExchange
	if kex.UsesPSK() && !readUint16Prefixed(&s, &k.PSKIdentity) {
		p.malformed(&m, s, "client_key_exchange", "psk_identity")
		return
	}
	ok := true
	switch {
	case kex.UsesECParams():
		ok = readUint8Prefixed(&s, &k.Public)
	case kex.UsesDHParams(), kex == iana.KexSRP:
		ok = readUint16Prefixed(&s, &k.Public)
	}
	if !ok {
		p.malformed(&m, s, "client_key_exchange", "public")
	}
}

// newSessionTicket reads RFC 5077 section 3.3. Of several, the last one is kept.
func (p *Parser) newSessionTicket(m message) {
	t := &p.ticket
	*t = NewSessionTicket{}
	s := cryptobyte.String(m.body)
	if !s.ReadUint32(&t.Lifetime) || !readUint16Prefixed(&s, &t.Ticket) {
		p.malformed(&m, s, "new_session_ticket", "ticket")
		return
	}
	p.hs.Ticket = t
}
