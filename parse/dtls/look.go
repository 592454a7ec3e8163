package dtls

import (
	"encoding/binary"
	"hash/maphash"
)

// A look is what Split sees of a datagram.
type look struct {
	capwap        bool   // the CAPWAP DTLS header
	hello, answer uint32 // hash of a Random, 0 if there is none
	cookie        uint32 // hash of the cookie in the ClientHello, 0 if there is none
	verify        bool   // a HelloVerifyRequest or a HelloRetryRequest
	asked         uint32 // hash of its cookie, 0 if there is none
	later         bool   // another message of epoch 0 or a ChangeCipherSpec
	alert         bool   // an alert of epoch 0
	protected     bool   // a later epoch, application data aside
	data          bool   // nothing but what may be application data
	records       prints
	messages      outline
}

// prints are hashes of the first records of an endpoint by epoch and sequence
// number: records of epoch 0, and behind them the first two of epoch 1. 0 is a
// record that was not seen. A sender uses a sequence number once (RFC 6347
// section 4.1), so two records with the same number are copies, or belong to
// different connections. Stateless answers to a ClientHello are not included:
// some servers give them all the same number.
type prints [plainPrints + 2]uint16

const plainPrints = 10

// An outline has a hash of the type and length of the first handshake messages of
// epoch 0, by message_seq, which is the same in all fragments of a message (RFC
// 6347 section 4.2.3). 0 is a message that was not seen. Hellos are not included:
// some stacks count the cookie exchange and some do not.
type outline [8]uint8

// look reads the records of a datagram as far as Split needs them.
func (s *Sessions) look(b []byte) (l look, ok bool) {
	off := 0
	if l.capwap = isCapwap(b); l.capwap {
		off = capwapHeader
	}
	if len(b) < off+recordHeader || b[off] < RecordChangeCipherSpec || b[off] > 63 {
		return l, false
	}
	for n := 0; n < maxLooked && off < len(b); n++ {
		r, st := nextRecord(b, off, -1)
		if st != have {
			break
		}
		ok = true
		if r.typ == RecordUnified {
			l.protected = l.protected || r.epoch == 2 // the handshake
			l.data = l.data || r.epoch != 2
			break
		}
		if r.hasCID {
			l.data = true
			break // its end is not known
		}
		body := b[min(r.from, len(b)):min(r.to, len(b))]
		switch {
		case r.epoch != 0:
			l.protected = l.protected || r.typ != RecordApplicationData
			l.data = l.data || r.typ == RecordApplicationData
		case r.typ == RecordHandshake:
			s.message(&l, body)
		case r.typ == RecordAlert:
			l.alert = true
		case r.typ == RecordChangeCipherSpec:
			l.later = true
		}
		l.records.add(&r, body)
		off = r.to
	}
	if l.verify {
		l.records = prints{}
	}
	l.data = l.data && l.hello == 0 && l.answer == 0 && !l.verify && !l.later && !l.alert && !l.protected
	return l, ok
}

// printed is the number of bytes of a record that are hashed. They include the
// Random of a hello, and a part of the public key of a key exchange.
const printed = 64

// add notes a record with this body, if its number is one of those that are kept.
// The snaplen cuts all copies of a record alike.
func (p *prints) add(r *record, body []byte) {
	i := r.seq
	switch {
	case r.typ == RecordApplicationData || len(body) == 0:
		return
	case r.epoch == 1:
		i += plainPrints
	case r.epoch > 1 || i >= plainPrints:
		return
	}
	if i >= uint32(len(p)) || r.seqHigh != 0 {
		return
	}
	h := uint64(r.typ)<<32 | uint64(r.to-r.from)
	body = body[:min(len(body), printed)]
	for ; len(body) >= 8; body = body[8:] {
		h = (h ^ binary.LittleEndian.Uint64(body)) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	for _, c := range body {
		h = (h ^ uint64(c)) * 0x9e3779b97f4a7c15
	}
	p[i] = uint16(h>>48) | 1
}

// Bytes of a hello before its session_id: version and Random.
const helloHead = 2 + 32

// retryRandom is the Random of a HelloRetryRequest, RFC 8446 section 4.1.3.
const retryRandom = "\xCF\x21\xAD\x74\xE5\x9A\x61\x11\xBE\x1D\x8C\x02\x1E\x65\xB8\x91" +
	"\xC2\xA2\x11\x16\x7A\xBB\x8C\x5E\x07\x9E\x09\xE2\xC8\xA8\x33\x9C"

// message reads the first fragment of a record of epoch 0.
func (s *Sessions) message(l *look, b []byte) {
	if len(b) < messageHeader {
		return
	}
	f, ok := readFragment(b)
	if !ok {
		return
	}
	body := b[messageHeader:]
	whole := f.off == 0 && len(body) >= helloHead
	switch f.typ {
	case TypeClientHello:
		if whole && l.hello == 0 {
			l.hello = s.hash(body[2:helloHead])
			l.cookie = s.vector(skipVector(body[helloHead:], 1))
		}
	case TypeServerHello:
		switch {
		case whole && string(body[2:helloHead]) == retryRandom:
			l.verify = true
			if m := (Message{Type: f.typ, Body: body[:min(f.len, len(body))]}); f.len == f.length && hasCookie(&m) {
				l.asked = s.hash(m.Body)
			}
		case whole && l.answer == 0:
			l.answer = s.hash(body[2:helloHead])
		}
	case TypeHelloVerifyRequest:
		l.verify = true
		if f.off == 0 && len(body) > 2 {
			l.asked = s.vector(body[2:])
		}
	default:
		l.later = true
		if int(f.seq) < len(l.messages) {
			l.messages[f.seq] = uint8((uint32(f.typ)<<24|uint32(f.length))*0x9e3779b1>>24) | 1
		}
	}
}

// hash returns a hash of b that is not 0.
func (s *Sessions) hash(b []byte) uint32 { return uint32(maphash.Bytes(s.seed, b)) | 1 }

// vector returns a hash of the vector with an 8-bit length at the start of b, 0
// if it is empty or incomplete.
func (s *Sessions) vector(b []byte) uint32 {
	if len(b) == 0 || b[0] == 0 || len(b) <= int(b[0]) {
		return 0
	}
	return s.hash(b[1 : 1+int(b[0])])
}

// hasCookie reports whether a hello has the extension cookie, RFC 8446 section
// 4.2.2.
func hasCookie(m *Message) bool {
	const extCookie = 44
	ext := extensions(m)
	for len(ext) >= 4 {
		if binary.BigEndian.Uint16(ext) == extCookie {
			return true
		}
		ext = skipVector(ext[2:], 2)
	}
	return false
}
