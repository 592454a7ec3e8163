package record

import (
	"bytes"
	"strconv"

	"pfsight/parse/iana"
	"pfsight/report"
)

// offer reads what a ClientHello offered. Equal ones are found by their JSON:
// no object is the beginning of another one, so what ends at the first
// bracket and is known was read to its end.
func (p *Parser) offer(to **report.Offer) bool {
	start := p.i
	if end := p.closing('}'); end > 0 {
		if o, ok := p.offers[string(p.b[start:end])]; ok {
			*to, p.i = o.v, end
			p.tell(o.note)
			return true
		}
	}
	o := new(report.Offer)
	before := p.note
	p.note = ""
	if !p.readOffer(o) {
		return false
	}
	made := shared[*report.Offer]{o, p.note}
	p.note = before
	p.tell(made.note)
	key := p.b[start:p.i]
	if known, ok := p.offers[string(key)]; ok {
		made = known
	} else if len(p.offers) < maxOffers && p.room(len(key)) {
		p.offers[string(key)] = made
	}
	*to = made.v
	return true
}

func (p *Parser) readOffer(o *report.Offer) bool {
	if !p.open('{') {
		return false
	}
	for more := p.more('}'); more; more = p.next('}') {
		key, ok := p.key()
		if !ok {
			return false
		}
		if p.null() {
			continue
		}
		switch string(key) {
		case "versions":
			o.Versions, ok = codeList[iana.Version](p, p.codes.versions, "offered.versions", o)
		case "cipher_suites":
			ok = p.suites(o)
		case "groups":
			o.Groups, ok = codeList[iana.Group](p, p.codes.groups, "offered.groups", o)
		case "key_shares":
			o.KeyShares, ok = codeList[iana.Group](p, p.codes.groups, "offered.key_shares", o)
		case "signature_algorithms":
			o.SignatureAlgorithms, ok = codeList[iana.SignatureScheme](p, p.codes.schemes, "offered.signature_algorithms", o)
		case "alpn":
			o.ALPN, ok = p.texts()
		case "psk_modes":
			ok = p.pskModes(o)
		case "supported_versions":
			ok = p.tri(&o.SupportedVersions)
		case "extended_master_secret":
			ok = p.tri(&o.ExtendedMaster)
		case "renegotiation_info":
			ok = p.tri(&o.RenegotiationInfo)
		case "compressed_points_only":
			ok = p.boolean(&o.CompressedPointsOnly)
		case "incomplete":
			ok = p.boolean(&o.Incomplete)
		default:
			ok = p.skip()
		}
		if !ok {
			return false
		}
	}
	return !p.bad
}

// suites reads cipher suites, and the kinds of a hello in SSL 2.0's form.
func (p *Parser) suites(o *report.Offer) bool {
	start := p.i
	end := p.bracket()
	if end <= start || !bytes.Contains(p.b[start:end], []byte("SSL_CK_")) {
		var ok bool
		o.CipherSuites, ok = codeList[iana.CipherSuite](p, p.codes.suites, "offered.cipher_suites", o)
		return ok
	}
	if !p.open('[') {
		return false
	}
	for more := p.more(']'); more; more = p.next(']') {
		if kind, ok := p.sslv2Kind(); ok {
			o.SSLv2Kinds = append(o.SSLv2Kinds, kind)
			continue
		}
		raw, escaped := p.raw()
		if p.bad || escaped {
			return false
		}
		v, known := hexCode(raw)
		if !known {
			if v, known = p.codes.suites[string(raw)]; !known {
				o.Incomplete = true
				p.tell("offered.cipher_suites: " + clip(raw) + " is not registered")
				continue
			}
		}
		o.CipherSuites = append(o.CipherSuites, iana.CipherSuite(v))
	}
	return !p.bad
}

// codeList reads names and numbers of code points. A name that is not
// registered is passed over, and the offer is incomplete then.
func codeList[T ~uint16](p *Parser, names map[string]uint16, what string, o *report.Offer) (list []T, ok bool) {
	if !p.open('[') {
		return nil, false
	}
	for more := p.more(']'); more; more = p.next(']') {
		raw, escaped := p.raw()
		if p.bad || escaped {
			return nil, false
		}
		v, known := hexCode(raw)
		if !known {
			if v, known = names[string(raw)]; !known {
				o.Incomplete = true
				p.tell(what + ": " + clip(raw) + " is not registered")
				continue
			}
		}
		list = append(list, T(v))
	}
	return list, !p.bad
}

func (p *Parser) pskModes(o *report.Offer) bool {
	list, ok := p.texts()
	for _, m := range list {
		switch m {
		case "psk_ke":
			o.PSKModes = append(o.PSKModes, 0)
		case "psk_dhe_ke":
			o.PSKModes = append(o.PSKModes, 1)
		default:
			v, err := strconv.ParseUint(m, 10, 8)
			if err != nil {
				return false
			}
			o.PSKModes = append(o.PSKModes, uint8(v))
		}
	}
	return ok
}

// certificate reads a certificate, equal ones once, as offer does.
func (p *Parser) certificate(to **report.Certificate) bool {
	start := p.i
	if end := p.closing('}'); end > 0 {
		if c, ok := p.certs[string(p.b[start:end])]; ok {
			*to, p.i = c.v, end
			return true
		}
	}
	c := new(report.Certificate)
	if !p.readCertificate(c) {
		return false
	}
	key := p.b[start:p.i]
	if known, ok := p.certs[string(key)]; ok {
		c = known.v
	} else if len(p.certs) < maxCertificates && p.room(len(key)) {
		p.certs[string(key)] = shared[*report.Certificate]{v: c}
	}
	*to = c
	return true
}

func (p *Parser) readCertificate(c *report.Certificate) bool {
	if !p.open('{') {
		return false
	}
	for more := p.more('}'); more; more = p.next('}') {
		key, ok := p.key()
		if !ok {
			return false
		}
		if p.null() {
			continue
		}
		switch string(key) {
		case "subject":
			ok = p.text(&c.Subject)
		case "issuer":
			ok = p.text(&c.Issuer)
		case "key":
			ok = p.text(&c.Key)
		case "bits":
			ok = p.small(&c.Bits)
		case "not_before", "not_after":
			raw, _ := p.raw()
			var sec int64
			sec, _, ok = p.clock.parse(raw)
			if string(key) == "not_before" {
				c.NotBefore = sec
			} else {
				c.NotAfter = sec
			}
		case "sha256":
			ok = p.hex(c.SHA256[:])
		case "spki_sha256":
			ok = p.hex(c.SPKI[:])
		default:
			ok = p.skip()
		}
		if !ok {
			return false
		}
	}
	return !p.bad
}

// codes are the registered names. Where several code points share a name, the
// lowest has it.
type codes struct {
	versions, suites, groups, schemes map[string]uint16
	kinds                             map[string]iana.SSLv2Kind
}

func newCodes() *codes {
	c := &codes{versions: map[string]uint16{}, suites: map[string]uint16{}, groups: map[string]uint16{}, schemes: map[string]uint16{}, kinds: map[string]iana.SSLv2Kind{}}
	put := func(m map[string]uint16, name string, v uint16) {
		if old, ok := m[name]; !ok || v < old {
			m[name] = v
		}
	}
	for i := range iana.Suites() {
		put(c.suites, iana.Suites()[i].Name, uint16(iana.Suites()[i].ID))
	}
	for i := range iana.Groups() {
		put(c.groups, iana.Groups()[i].Name, uint16(iana.Groups()[i].ID))
	}
	for k := range iana.SSLv2Kinds() {
		c.kinds[k.String()] = k
	}
	for s := range iana.SignatureSchemes() {
		put(c.schemes, s.String(), uint16(s))
	}
	for _, page := range []int{0x0000, 0x0100, 0x0300, 0x7e00, 0x7f00, 0xfb00, 0xfe00} {
		for v := page; v < page+256; v++ {
			if iana.Version(v).Known() {
				put(c.versions, iana.Version(v).String(), uint16(v))
			}
		}
	}
	c.versions[iana.DTLS10.String()] = uint16(iana.DTLS10) // not OpenSSL's old number
	return c
}
