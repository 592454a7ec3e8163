package parse

import (
	"golang.org/x/crypto/cryptobyte"

	"pfsight/parse/iana"
)

// clientHello reads a ClientHello. All of them are read up to a limit, since one
// may follow a HelloRetryRequest.
func (p *Parser) clientHello(m message) {
	i := min(p.nHello, maxHellos-1)
	h := &p.hellos[i]
	*h = ClientHello{
		CipherSuites: h.CipherSuites[:0], Extensions: h.Extensions[:0], ALPN: h.ALPN[:0], Versions: h.Versions[:0],
		Groups: h.Groups[:0], SignatureSchemes: h.SignatureSchemes[:0], KeyShares: h.KeyShares[:0], PSKs: h.PSKs[:0],
		Offset: m.off, Length: m.length, Incomplete: m.cut(),
	}
	h.Mark = p.markOf(&m)
	h.Split = !m.cut() && p.isSplit(&m)
	p.nHello = i + 1
	h.unmarshal(p, &m)
}

// unmarshal reads RFC 8446 section 4.1.2 as far as it is complete.
func (h *ClientHello) unmarshal(p *Parser, m *message) {
	const name = "client_hello"
	s := cryptobyte.String(m.body)
	// ProtocolVersion legacy_version; Random random; opaque
	// legacy_session_id<0..32>;
	if !s.ReadUint16((*uint16)(&h.LegacyVersion)) || !s.ReadBytes(&h.Random, 32) || !readUint8Prefixed(&s, &h.SessionID) {
		p.malformed(m, s, name, "random or session_id")
		return
	}
	if len(h.SessionID) > 32 {
		p.malformed(m, s, name, "session_id")
	}
	// opaque cookie<0..2^8-1>; of DTLS, RFC 9147 section 5.3.
	if p.hs.Protocol == DTLS {
		var cookie []byte
		if !readUint8Prefixed(&s, &cookie) {
			p.malformed(m, s, name, "cookie")
			return
		}
		h.Cookie = len(cookie) > 0
	}
	// CipherSuite cipher_suites<2..2^16-2>;
	var suites cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&suites) {
		p.malformed(m, s, name, "cipher_suites")
		return
	}
	h.CipherSuites = appendUint16s(h.CipherSuites, &suites)
	if !suites.Empty() || len(h.CipherSuites) == 0 {
		p.malformed(m, suites, name, "cipher_suites")
	}
	// opaque legacy_compression_methods<1..2^8-1>;
	if !readUint8Prefixed(&s, &h.Compression) {
		p.malformed(m, s, name, "compression_methods")
		return
	}
	if s.Empty() {
		return // no extensions, RFC 5246 section 7.4.1.2
	}
	// Extension extensions<8..2^16-1>;
	var exts cryptobyte.String
	rest := s
	if !s.ReadUint16LengthPrefixed(&exts) {
		p.malformed(m, rest, name, "extensions")
		// The part that is there is read anyway.
		if !rest.Skip(2) {
			return
		}
		exts = rest
	}
	if !s.Empty() && !m.cut() {
		p.malformed(m, s, name, "trailing bytes")
	}
	for !exts.Empty() {
		var e Extension
		var data cryptobyte.String
		before := exts
		if !exts.ReadUint16((*uint16)(&e.Type)) || !exts.ReadUint16LengthPrefixed(&data) {
			p.malformed(m, before, name, "extensions")
			if m.cut() {
				h.cutExtension(before)
			}
			return
		}
		e.Data = data
		h.Extensions = append(h.Extensions, e)
		if at := data; !h.extension(e.Type, &data) || !data.Empty() {
			p.malformed(m, at, name, extensionField(e.Type))
		}
	}
}

// extension reads one extension of a ClientHello into h. It reports whether it is
// well-formed so far; bytes left in s are trailing ones.
func (h *ClientHello) extension(t iana.ExtensionType, s *cryptobyte.String) bool {
	switch t {
	case iana.ExtServerName:
		// RFC 6066 section 3: ServerName server_name_list<1..2^16-1>.
		var list cryptobyte.String
		if !s.ReadUint16LengthPrefixed(&list) || list.Empty() {
			return false
		}
		for !list.Empty() {
			var typ uint8
			var name cryptobyte.String
			if !list.ReadUint8(&typ) || !list.ReadUint16LengthPrefixed(&name) {
				return false
			}
			if typ == 0 && !h.HasServerName {
				h.HasServerName, h.ServerName = true, name
			}
		}
	case iana.ExtALPN:
		// RFC 7301 section 3.1: ProtocolName protocol_name_list<2..2^16-1>.
		var list cryptobyte.String
		if !s.ReadUint16LengthPrefixed(&list) {
			return false
		}
		for !list.Empty() {
			var name cryptobyte.String
			if !list.ReadUint8LengthPrefixed(&name) {
				return false
			}
			h.ALPN = append(h.ALPN, name)
		}
	case iana.ExtSupportedVersions:
		// RFC 8446 section 4.2.1: ProtocolVersion versions<2..254>.
		var list cryptobyte.String
		if !s.ReadUint8LengthPrefixed(&list) {
			return false
		}
		h.Versions = appendUint16s(h.Versions, &list)
		return list.Empty()
	case iana.ExtSupportedGroups:
		// RFC 8422 section 5.1.1: NamedCurve named_curve_list<2..2^16-1>.
		var list cryptobyte.String
		if !s.ReadUint16LengthPrefixed(&list) {
			return false
		}
		h.HasGroups = true
		h.Groups = appendUint16s(h.Groups, &list)
		return list.Empty()
	case iana.ExtPointFormats:
		return readUint8Prefixed(s, &h.PointFormats)
	case iana.ExtSignatureAlgorithms:
		// RFC 8446 section 4.2.3: SignatureScheme supported_signature_algorithms<2..2^16-2>.
		var list cryptobyte.String
		if !s.ReadUint16LengthPrefixed(&list) {
			return false
		}
		h.SignatureSchemes = appendUint16s(h.SignatureSchemes, &list)
		return list.Empty()
	case iana.ExtKeyShare, iana.ExtKeyShareDraft:
		// RFC 8446 section 4.2.8: KeyShareEntry client_shares<0..2^16-1>.
		var list cryptobyte.String
		if !s.ReadUint16LengthPrefixed(&list) {
			return false
		}
		h.HasKeyShare = true
		for !list.Empty() {
			var k KeyShare
			var data cryptobyte.String
			if !list.ReadUint16((*uint16)(&k.Group)) || !list.ReadUint16LengthPrefixed(&data) {
				return false
			}
			k.Data = data
			h.KeyShares = append(h.KeyShares, k)
		}
	case iana.ExtPSKModes:
		// RFC 8446 section 4.2.9: PskKeyExchangeMode ke_modes<1..255>.
		return readUint8Prefixed(s, &h.PSKModes)
	case iana.ExtPreSharedKey:
		// RFC 8446 section 4.2.11: PskIdentity identities<7..2^16-1>; binders.
		var ids, binders cryptobyte.String
		if !s.ReadUint16LengthPrefixed(&ids) {
			return false
		}
		h.HasPSK = true
		for !ids.Empty() {
			var k PSK
			var id cryptobyte.String
			if !ids.ReadUint16LengthPrefixed(&id) || !ids.ReadUint32(&k.ObfuscatedAge) {
				return false
			}
			k.Identity = id
			h.PSKs = append(h.PSKs, k)
		}
		return s.ReadUint16LengthPrefixed(&binders)
	case iana.ExtEarlyData:
		h.EarlyData = true
	case iana.ExtSessionTicket:
		// RFC 5077 section 3.2: the ticket is the whole extension.
		h.HasTicket, h.Ticket = true, *s
		s.Skip(len(*s))
	case iana.ExtExtendedMasterSecret:
		h.ExtendedMaster = true
	case iana.ExtEncryptThenMAC:
		h.EncryptThenMAC = true
	case iana.ExtRenegotiationInfo:
		h.RenegotiationInfo = true
		s.Skip(len(*s))
	case iana.ExtCookie:
		h.Cookie = true
		s.Skip(len(*s))
	case iana.ExtECH:
		h.ECH = true
		s.Skip(len(*s))
	default:
		s.Skip(len(*s))
	}
	return true
}

// cutExtension reads an extension whose end, or more, was not seen. Its type
// shows that it was sent. Lists are omitted, because a part of one would pass for
// the whole.
func (h *ClientHello) cutExtension(s cryptobyte.String) {
	var t iana.ExtensionType
	if !s.ReadUint16((*uint16)(&t)) {
		return
	}
	var n uint16
	known := s.ReadUint16(&n)
	switch t {
	case iana.ExtSessionTicket:
		h.HasTicket, h.TicketCut = true, !known
		if known && n > 0 {
			h.Ticket, h.TicketCut = s, len(s) == 0
		}
	case iana.ExtPreSharedKey:
		h.HasPSK = true
	case iana.ExtKeyShare, iana.ExtKeyShareDraft:
		h.HasKeyShare = true
	case iana.ExtEarlyData, iana.ExtECH, iana.ExtCookie, iana.ExtRenegotiationInfo, iana.ExtExtendedMasterSecret, iana.ExtEncryptThenMAC:
		s = nil
		h.extension(t, &s)
	}
}
