package parse

import (
	"golang.org/x/crypto/cryptobyte"

	"pfsight/parse/iana"
)

// serverHello reads a ServerHello or a HelloRetryRequest. The first of each
// counts; later ones belong to renegotiations.
func (p *Parser) serverHello(m message) {
	retry := m.typ == msgHelloRetryRequest || len(m.body) >= 34 && string(m.body[2:34]) == retryRandom
	i, to := 1, &p.hs.ServerHello
	if retry {
		i, to = 0, &p.hs.RetryRequest
	}
	if *to != nil {
		return
	}
	p.hs.ServerHelloSeen = true
	h := &p.server[i]
	*h = ServerHello{Extensions: h.Extensions[:0], Offset: m.off, Length: m.length, Incomplete: m.cut(), end: m.end}
	h.Mark = p.markOf(&m)
	if !retry && !m.placed && p.half.Missing(0, m.off) {
		p.hs.RetryUnseen = true
	}
	if h.unmarshal(p, &m, retry) {
		*to = h
	} else if len(m.body) < 34 {
		p.hs.RetryUnseen = true // it may be a HelloRetryRequest
	}
}

// unmarshal reads RFC 8446 section 4.1.3. It reports whether the suite was read;
// without it the message is useless.
func (h *ServerHello) unmarshal(p *Parser, m *message, retry bool) bool {
	name := messageName(m.typ)
	s := cryptobyte.String(m.body)
	// ProtocolVersion legacy_version;
	if !s.ReadUint16((*uint16)(&h.LegacyVersion)) {
		p.malformed(m, s, name, "version")
		return false
	}
	// Drafts 18 to 21 have neither a session ID nor compression, and their
	// HelloRetryRequest has no Random: draft-ietf-tls-tls13-18 section 4.1.3.
	// Drafts before 16 have the version without the number of the draft, and some
	// of them have a session ID.
	old := h.LegacyVersion > 0x7f00 && h.LegacyVersion <= 0x7f15 || h.LegacyVersion == iana.TLS13 && !holdsSessionID(m)
	if m.typ == msgHelloRetryRequest {
		if h.LegacyVersion > 0x7f12 && !s.ReadUint16((*uint16)(&h.CipherSuite)) {
			p.malformed(m, s, name, "cipher_suite")
			return false
		}
		h.extensions(p, m, &s, name, retry)
		return true
	}
	// Random random; opaque legacy_session_id_echo<0..32>;
	if !s.ReadBytes(&h.Random, 32) || !old && !readUint8Prefixed(&s, &h.SessionID) {
		p.malformed(m, s, name, "random or session_id")
		return false
	}
	// CipherSuite cipher_suite;
	if !s.ReadUint16((*uint16)(&h.CipherSuite)) {
		p.malformed(m, s, name, "cipher_suite")
		return false
	}
	// uint8 legacy_compression_method;
	if !old && !s.ReadUint8(&h.Compression) {
		p.malformed(m, s, name, "compression_method")
		return true
	}
	h.extensions(p, m, &s, name, retry)
	return true
}

// extensions reads Extension extensions<6..2^16-1>; before TLS 1.3 they may
// be absent.
func (h *ServerHello) extensions(p *Parser, m *message, s *cryptobyte.String, name string, retry bool) {
	if s.Empty() {
		return
	}
	var exts cryptobyte.String
	rest := *s
	if !s.ReadUint16LengthPrefixed(&exts) {
		p.malformed(m, rest, name, "extensions")
		if !rest.Skip(2) {
			return
		}
		exts = rest
	}
	if !s.Empty() && !m.cut() {
		p.malformed(m, *s, name, "trailing bytes")
	}
	for !exts.Empty() {
		var e Extension
		var data cryptobyte.String
		before := exts
		if !exts.ReadUint16((*uint16)(&e.Type)) || !exts.ReadUint16LengthPrefixed(&data) {
			p.malformed(m, before, name, "extensions")
			if m.cut() {
				h.cutExtension(before, retry)
			}
			return
		}
		e.Data = data
		h.Extensions = append(h.Extensions, e)
		if at := data; !h.extension(e.Type, &data, retry) || !data.Empty() {
			p.malformed(m, at, name, extensionField(e.Type))
		}
	}
}

func (h *ServerHello) extension(t iana.ExtensionType, s *cryptobyte.String, retry bool) bool {
	switch t {
	case iana.ExtSupportedVersions:
		// RFC 8446 section 4.2.1: ProtocolVersion selected_version.
		return s.ReadUint16((*uint16)(&h.SelectedVersion))
	case iana.ExtKeyShare, iana.ExtKeyShareDraft:
		// RFC 8446 section 4.2.8: KeyShareEntry server_share; in a
		// HelloRetryRequest NamedGroup selected_group.
		if !s.ReadUint16((*uint16)(&h.Group)) {
			return false
		}
		h.HasKeyShare = true
		return retry || readUint16Prefixed(s, &h.KeyShare)
	case iana.ExtPreSharedKey:
		// RFC 8446 section 4.2.11: uint16 selected_identity.
		h.HasPSK = true
		return s.ReadUint16(&h.SelectedPSK)
	case iana.ExtALPN:
		var list, name cryptobyte.String
		if !s.ReadUint16LengthPrefixed(&list) || !list.ReadUint8LengthPrefixed(&name) || !list.Empty() {
			return false
		}
		h.ALPN = name
	case iana.ExtSessionTicket:
		h.HasTicket = true
	case iana.ExtExtendedMasterSecret:
		h.ExtendedMaster = true
	case iana.ExtEncryptThenMAC:
		h.EncryptThenMAC = true
	case iana.ExtRenegotiationInfo:
		h.RenegotiationInfo = true
		s.Skip(len(*s))
	default:
		s.Skip(len(*s))
	}
	return true
}

// cutExtension reads an extension whose end, or more, was not seen. Its type
// shows that it was sent, and the first bytes of a key share show the group.
func (h *ServerHello) cutExtension(s cryptobyte.String, retry bool) {
	var t iana.ExtensionType
	if !s.ReadUint16((*uint16)(&t)) {
		return
	}
	s.Skip(min(2, len(s))) // the length
	switch t {
	case iana.ExtKeyShare, iana.ExtKeyShareDraft:
		h.HasKeyShare, h.GroupCut = true, len(s) < 2
		h.extension(t, &s, retry)
	case iana.ExtPreSharedKey:
		h.HasPSK, h.PSKCut = true, len(s) < 2
		h.extension(t, &s, retry)
	case iana.ExtSupportedVersions:
		h.extension(t, &s, retry)
	}
}

// holdsSessionID reports whether there is a session ID between the Random and the
// suite: with it, the extensions end with the message.
func holdsSessionID(m *message) bool {
	s := cryptobyte.String(m.body)
	var id, exts cryptobyte.String
	return s.Skip(2+32) && s.ReadUint8LengthPrefixed(&id) && len(id) <= 32 && s.Skip(2+1) && s.ReadUint16LengthPrefixed(&exts) && s.Empty()
}
