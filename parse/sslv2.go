package parse

import (
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"

	"pfsight/capture/stream"
	"pfsight/parse/iana"
)

// Message types of SSL 2.0, draft-hickman-netscape-ssl-00 section 5.
const (
	ssl2ClientHello     = 1
	ssl2ClientMasterKey = 2
	ssl2ServerHello     = 4
)

// An SSLv2 is the part of a handshake of SSL 2.0 that later versions do not have.
type SSLv2 struct {
	Offered   []iana.SSLv2Kind // of the client
	Agreed    []iana.SSLv2Kind // of the server: the known ones of Offered
	Kind      iana.SSLv2Kind   // chosen by the client
	HasKind   bool
	SessionID bool // the server resumed the session of the client
}

// sslv2Hello reads the header of a ClientHello in SSL 2.0's form, RFC 5246
// appendix E.2: its length without the two bytes of the record.
func sslv2Hello(b []byte) (length int, s state) {
	switch {
	case len(b) == 0:
		return 0, needMore
	case b[0]&0x80 == 0:
		return 0, notTLS
	case len(b) > 2 && b[2] != ssl2ClientHello:
		return 0, notTLS
	case len(b) > 3 && b[3] != 3 && b[3] != 0, len(b) > 4 && (b[3] == 3 && b[4] > 4 || b[3] == 0 && b[4] != 2):
		return 0, notTLS
	case len(b) < 11:
		return 0, needMore
	}
	n := int(b[0]&0x7f)<<8 | int(b[1])
	suites := int(binary.BigEndian.Uint16(b[5:]))
	session := int(binary.BigEndian.Uint16(b[7:]))
	challenge := int(binary.BigEndian.Uint16(b[9:]))
	if suites == 0 || suites%3 != 0 || session != 0 && session != 16 || challenge < 16 || challenge > 32 || n != 9+suites+session+challenge {
		return 0, notTLS
	}
	return n, have
}

// sslv2Answer reads the header of a SERVER-HELLO of SSL 2.0, and returns its
// length without the two bytes of the record.
func sslv2Answer(b []byte) (length int, s state) {
	switch {
	case len(b) == 0:
		return 0, needMore
	case b[0]&0x80 == 0:
		return 0, notTLS
	case len(b) > 2 && b[2] != ssl2ServerHello, len(b) > 3 && b[3] > 1, len(b) > 4 && b[4] > 1, len(b) > 5 && b[5] != 0, len(b) > 6 && b[6] != 2:
		return 0, notTLS
	case len(b) < 13:
		return 0, needMore
	}
	n := int(b[0]&0x7f)<<8 | int(b[1])
	cert := int(binary.BigEndian.Uint16(b[7:]))
	kinds := int(binary.BigEndian.Uint16(b[9:]))
	id := int(binary.BigEndian.Uint16(b[11:]))
	if kinds%3 != 0 || n != 11+cert+kinds+id {
		return 0, notTLS
	}
	return n, have
}

// sslv2Key reads the header of a CLIENT-MASTER-KEY of SSL 2.0.
func sslv2Key(b []byte) (length int, s state) {
	switch {
	case len(b) == 0:
		return 0, needMore
	case b[0]&0x80 == 0, len(b) > 2 && b[2] != ssl2ClientMasterKey:
		return 0, notTLS
	case len(b) < 6:
		return 0, needMore
	}
	return int(b[0]&0x7f)<<8 | int(b[1]), have
}

func sniffSSLv2(b []byte) stream.Sniff {
	if b[0]&0x80 == 0 {
		return stream.SniffNone
	}
	switch _, s := sslv2Hello(b); s {
	case have:
		return stream.SniffClient
	case needMore:
		return stream.SniffMaybe
	}
	switch _, s := sslv2Answer(b); s {
	case have:
		return stream.SniffServer
	case needMore:
		return stream.SniffMaybe
	}
	return stream.SniffNone
}

// sslv2Record reads the header of an encrypted record of SSL 2.0,
// draft-hickman-netscape-ssl-00 section 1.1, which has two bytes, or three where
// there is padding. It returns the length of the record, its header included.
func sslv2Record(b []byte) (length int, s state) {
	switch {
	case len(b) < 2:
		return 0, needMore
	case b[0]&0x80 != 0:
		length = 2 + (int(b[0]&0x7f)<<8 | int(b[1]))
	default:
		length = 3 + (int(b[0]&0x3f)<<8 | int(b[1]))
	}
	return length, have
}

// sslv2Enough is the number of encrypted records of a half that are waited for:
// the Finished and the first data of the client, SERVER-VERIFY and
// SERVER-FINISHED of the server.
const sslv2Enough = 2

// lookSSLv2 reads messages of SSL 2.0 in Half[d], behind what precedes TLS. It
// reports whether nothing more is to be done now.
func lookSSLv2(h *stream.Half, d stream.Dir, b []byte) (wait bool) {
	for !h.Done {
		st, rest := tlsState(h), b[min(h.Note.Offset, len(b)):]
		if len(rest) == 0 || st&(askSeen|askSSLv2Hello|askSSLv2) == askSeen {
			return false
		}
		read, least, gained := sslv2Hello, 11, uint32(askSSLv2Hello)
		switch {
		case st&askSSLv2 != 0:
			read, least, gained = sslv2Record, 2, 1<<askShift
		case st&askSSLv2Hello != 0:
			if rest[0]&0x80 == 0 {
				if _, s := nextRecord(rest, 0); s != notTLS {
					return false
				}
				h.Note.State |= askSSLv2
				continue
			}
			read, least, gained = sslv2Key, 6, askSSLv2
		case rest[0]&0x80 == 0:
			return false
		default:
			if _, s := sslv2Answer(rest); s != notTLS && (len(rest) < 3 && d == stream.ToClient || len(rest) >= 3) {
				read, least, gained = sslv2Answer, 13, askSSLv2
			}
		}
		n, s := read(rest)
		if st&askSSLv2 == 0 {
			n += 2 // the header, which the lengths exclude
		}
		switch {
		case s == needMore:
			h.Want = h.Note.Offset + least
			return true
		case s == notTLS && st&askSSLv2Hello != 0:
			h.Note.State |= askSSLv2 // a resumed session has no CLIENT-MASTER-KEY
			continue
		case s == notTLS:
			return false
		case len(rest) < n:
			h.Want = h.Note.Offset + n
			return true
		}
		h.Note.Kind = noteTLS
		h.Note.Offset += n
		h.Note.State = h.Note.State + gained | askSeen
		h.Done = h.Note.State>>askShift >= sslv2Enough
	}
	return true
}

// sslv2 reads messages of SSL 2.0 that begin at from, such as a ClientHello in
// this form for later versions (RFC 5246 appendix E.2). It returns where the TLS
// records begin.
func (p *Parser) sslv2(half *stream.Half, from int) int {
	b := half.Data[:half.Contiguous()]
	b = b[min(from, len(b)):]
	if len(b) == 0 || b[0]&0x80 == 0 {
		return from
	}
	if p.role == stream.ToClient {
		if n, s := sslv2Answer(b); s == have && len(b) >= 2+n {
			p.sslv2ServerHello(half, b[2:2+n], from)
			p.hs.ServerFinished = sslv2Records(b[2+n:]) >= sslv2Enough
			return from + 2 + n
		}
		return from
	}
	n, s := sslv2Hello(b)
	if s != have || len(b) < 2+n {
		return from
	}
	p.sslv2ClientHello(half, b[2:2+n], from)
	from += 2 + n
	if p.hs.ServerHello == nil || p.hs.ServerHello.LegacyVersion != iana.SSL20 {
		return from
	}
	b = b[2+n:]
	if n, s := sslv2Key(b); s == have {
		p.v2.Kind, p.v2.HasKind = kindAt(b[3:]), true
		p.cke = ClientKeyExchange{Length: n}
		p.hs.ClientKeyExchange = &p.cke
		b = b[min(2+n, len(b)):]
	}
	n = sslv2Records(b)
	p.hs.ClientFinished = n > 0
	p.hs.ClientData = n > 1
	return from + len(b)
}

// sslv2Records returns the number of complete encrypted records of SSL 2.0 at the
// start of b.
func sslv2Records(b []byte) (n int) {
	for n <= sslv2Enough {
		length, s := sslv2Record(b)
		if s != have || length > len(b) {
			break
		}
		b = b[length:]
		n++
	}
	return n
}

func kindAt(b []byte) iana.SSLv2Kind {
	return iana.SSLv2Kind(b[0])<<16 | iana.SSLv2Kind(b[1])<<8 | iana.SSLv2Kind(b[2])
}

func appendKinds(list []iana.SSLv2Kind, b []byte) []iana.SSLv2Kind {
	for ; len(b) >= 3; b = b[3:] {
		list = append(list, kindAt(b))
	}
	return list
}

// sslv2ClientHello reads a ClientHello whose lengths sslv2Hello has checked.
func (p *Parser) sslv2ClientHello(half *stream.Half, b []byte, from int) {
	h := &p.hellos[0]
	*h = ClientHello{
		CipherSuites: h.CipherSuites[:0], Extensions: h.Extensions[:0], ALPN: h.ALPN[:0], Versions: h.Versions[:0],
		Groups: h.Groups[:0], SignatureSchemes: h.SignatureSchemes[:0], KeyShares: h.KeyShares[:0], PSKs: h.PSKs[:0],
		Length: len(b), Mark: half.Completed(from, from+2+len(b)), Split: half.Split(from, from+2+len(b)),
	}
	p.nHello = 1
	p.hs.ClientSeen = true
	// uint8 msg_type; Version version; uint16 cipher_spec_length,
	// session_id_length, challenge_length; the three.
	s := cryptobyte.String(b[1:])
	var nSuites, nSession, nChallenge uint16
	var suites, session, challenge []byte
	if !s.ReadUint16((*uint16)(&h.LegacyVersion)) || !s.ReadUint16(&nSuites) || !s.ReadUint16(&nSession) || !s.ReadUint16(&nChallenge) ||
		!s.ReadBytes(&suites, int(nSuites)) || !s.ReadBytes(&session, int(nSession)) || !s.ReadBytes(&challenge, int(nChallenge)) {
		return
	}
	h.SessionID, h.Random = session, challenge
	p.v2.Offered = p.v2.Offered[:0]
	for i := 0; i+3 <= len(suites); i += 3 {
		if suites[i] == 0 {
			h.CipherSuites = append(h.CipherSuites, iana.CipherSuite(suites[i+1])<<8|iana.CipherSuite(suites[i+2]))
		} else {
			p.v2.Offered = append(p.v2.Offered, kindAt(suites[i:]))
		}
	}
	p.hs.SSLv2 = &p.v2
}

// sslv2ServerHello reads a SERVER-HELLO whose lengths sslv2Answer has checked.
func (p *Parser) sslv2ServerHello(half *stream.Half, b []byte, from int) {
	h := &p.server[1]
	*h = ServerHello{LegacyVersion: iana.SSL20, Extensions: h.Extensions[:0], Offset: from, Length: len(b), Mark: half.Completed(from, from+2+len(b))}
	p.hs.ServerSeen, p.hs.ServerHelloSeen, p.hs.ServerHello = true, true, h
	// uint8 msg_type, session_id_hit, certificate_type; Version; uint16
	// certificate_length, cipher_specs_length, connection_id_length; the three.
	s := cryptobyte.String(b[5:])
	var nCert, nKinds, nID uint16
	var cert, kinds []byte
	if !s.ReadUint16(&nCert) || !s.ReadUint16(&nKinds) || !s.ReadUint16(&nID) || !s.ReadBytes(&cert, int(nCert)) || !s.ReadBytes(&kinds, int(nKinds)) {
		return
	}
	p.v2.Agreed, p.v2.SessionID = appendKinds(p.v2.Agreed[:0], kinds), b[0] == ssl2ServerHello && b[1] == 1
	p.hs.SSLv2 = &p.v2
	if len(cert) > 0 {
		p.hs.CertificatesSeen = true
		p.hs.Certificates = append(p.hs.Certificates, cert)
	}
}
