package parse

import (
	"encoding/binary"

	"pfsight/capture/stream"
	"pfsight/parse/iana"
	"pfsight/parse/openvpn"
	"pfsight/parse/quic"
	"pfsight/parse/starttls"
)

// Bits of stream.Note.State: what the records of a half have shown.
const (
	askSeen        = 1 << iota // a record that is one of TLS
	askHello                   // a ClientHello, or a ServerHello that is no HelloRetryRequest
	askServer                  // the hello is a ServerHello
	askEarly                   // the ClientHello offers early data
	askCCS                     // ChangeCipherSpec
	askRetry                   // a HelloRetryRequest was seen, on either half
	askUpgraded                // something was said before TLS
	askSSLv2Answer             // the SERVER-HELLO of SSL 2.0
	askSSLv2Key                // the CLIENT-MASTER-KEY of SSL 2.0
	askAuth                    // a TLS 1.3 client that sends more than its Finished
	askShift       = 11        // from here on: how many records of encrypted data
)

const (
	// maxEarly is how many records of the client are passed over while the
	// ServerHello has not come; behind that nothing of a handshake is expected.
	maxEarly = 64
	// maxEmpty is how many handshake records of a half may be empty. RFC 8446
	// section 5.1 forbids them, and stacks end a connection at 16 to 32 of them
	// in a row.
	maxEmpty = 32
	// maxFlight is how many encrypted records of a TLS 1.3 server are looked
	// at while the client's have not come. Its flight has five messages.
	maxFlight = 16
)

// An asker keeps the memory that asking needs.
type asker struct{ quic quic.Asker }

// NewAsker returns the stream.Asker of all that is followed. One Run uses it.
func NewAsker() stream.Asker { return new(asker).ask }

// ask is the stream.Asker. Of TLS over TCP it walks the record headers of
// Half[d], each once, and knows that a handshake is over by what follows it:
// in TLS <= 1.2 the encrypted Finished after the ChangeCipherSpec, in TLS 1.3
// the first encrypted record of the server after its hello and of the client
// after that. Where the client's is no Finished by its length, it sends a
// certificate, and whoever speaks next says whether it was taken: an alert of
// the server means no, unless the client had closed before it.
func (a *asker) ask(c *stream.Conversation, d stream.Dir) stream.Verdict {
	if c.Transport != stream.TCP {
		return a.overUDP(c, d)
	}
	if isOpenVPN(c) {
		return openvpn.Ask(c, d)
	}
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	b := h.Data[:h.Contiguous()]
	if h.Note.State&(askSeen|askUpgraded) == 0 || h.Note.State&askPreamble != 0 {
		if v, tls := askPreambles(c, d, b); !tls {
			return v
		}
	}
	if askSSLv2(h, other, d, b) {
		return stream.More
	}
	for !h.Done {
		r, s := nextRecord(b, h.Note.Offset)
		if s == notTLS {
			if h.Note.State&askSeen == 0 && other.Note.State&askSeen == 0 {
				return stream.Refuse
			}
			h.Done = true
			if h.Note.State&askSeen == 0 {
				return stream.Enough
			}
			break
		}
		if s == needMore {
			h.Want = h.Note.Offset + recordHeader
			return more(h, other)
		}
		if r.to > len(b) {
			h.Want = r.to
			return more(h, other)
		}
		h.Note.State |= askSeen
		h.Note.Offset = r.to
		if r.from == r.to && r.typ == recHandshake {
			if h.Note.Aux++; h.Note.Aux > maxEmpty {
				return stream.Refuse
			}
		}
		if look(h, other, r, b[r.from:r.to]) {
			h.Done = true
		}
	}
	return more(h, other)
}

// askPreamble is the bit of stream.Note.State by which package starttls knows
// its own notes.
const askPreamble = 1 << 31

// askPreambles follows what precedes TLS in Half[d], whose gapless bytes are
// b, and reports whether TLS begins at its Note.Offset.
func askPreambles(c *stream.Conversation, d stream.Dir, b []byte) (v stream.Verdict, tls bool) {
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	if h.Note.State&askPreamble == 0 {
		if beginsTLS(b) {
			return stream.More, true
		}
		if d == stream.ToClient && other.Note.State&(askSeen|askUpgraded|askPreamble) == askSeen {
			h.Done = true
			return stream.Enough, false // an answer in another language
		}
	}
	v, ready := starttls.Ask(c, d)
	switch {
	case ready:
		h.Note = stream.Note{Offset: h.Note.Offset, State: askUpgraded}
		return stream.More, true
	case v == stream.Refuse && other.Note.State&askSeen != 0 && other.Note.State&askPreamble == 0:
		h.Done = true
		return stream.Enough, false
	}
	return v, false
}

// beginsTLS reports whether b, the first bytes of a half, may begin a record
// of TLS or a hello of SSL 2.0.
func beginsTLS(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if b[0]&0x80 != 0 {
		return signSSLv2(b) != stream.NoSign
	}
	_, s := nextRecord(b, 0)
	return s != notTLS
}

func more(h, other *stream.Half) stream.Verdict {
	if h.Done && other.Done {
		return stream.Enough
	}
	return stream.More
}

// look reads one record and reports whether nothing more of its half is
// wanted.
func look(h, other *stream.Half, r record, body []byte) bool {
	st := &h.Note.State
	switch r.typ {
	case recHandshake:
		typ, whole := plainMessage(body)
		if *st&askCCS != 0 && *st&askRetry == 0 && !(whole && (typ == msgClientHello || typ == msgServerHello)) {
			return true // Finished
		}
		switch typ {
		case msgClientHello:
			*st |= askHello
			if offersEarlyData(body) {
				*st |= askEarly
			}
		case msgServerHello:
			if isRetry(body) {
				*st |= askRetry
				other.Note.State |= askRetry
			} else {
				*st |= askHello | askServer
			}
		}
	case recCCS:
		*st |= askCCS
	case recAlert:
		if len(body) == 2 && *st&askCCS == 0 && body[0] != 2 && body[1] != byte(iana.AlertCloseNotify) {
			return false // a warning
		}
		if other.Note.State&askSeen != 0 && len(body) == 2 && *st&askCCS == 0 {
			other.Done = true // the other side has nothing to add
		}
		return true
	case recData:
		*st += 1 << askShift
		n := *st >> askShift
		switch {
		case *st&askServer != 0:
			if other.Note.State&askAuth != 0 {
				other.Done = true // this is the answer
			}
			return other.Done || n >= maxFlight
		case other.Note.State&askServer != 0:
			size := r.to - r.from
			switch {
			case *st&askAuth == 0 && finishedLike(size), alertLike(size, false):
				other.Done = other.Done || other.Note.State>>askShift > 0
				return true
			case *st&askAuth == 0:
				*st = *st&(1<<askShift-1) | askAuth | 1<<askShift
			}
			return *st>>askShift >= maxFlight
		}
		return *st&askEarly == 0 || n >= maxEarly
	}
	return false
}

// finishedLike reports whether an encrypted record of n bytes may hold a
// Finished of TLS 1.3 alone: a header, a hash of 32 or 48 bytes, the content
// type and the tag (RFC 8446 sections 4.4.4 and 5.2).
func finishedLike(n int) bool {
	return n == 4+32+1+16 || n == 4+48+1+16 || n == 4+32+1+8
}

// alertLike reports whether an encrypted record of n bytes is as long as an
// alert of TLS 1.3: two bytes, the content type, and the tag, which is short
// in the suites with CCM_8. The shortest handshake messages, EndOfEarlyData
// and an empty EncryptedExtensions, are longer.
func alertLike(n int, shortTag bool) bool {
	if shortTag {
		return n == 2+1+8
	}
	return n == 2+1+16
}

// plainMessage returns the type of the handshake message that a record begins
// with, and whether its length fits: an encrypted one looks like that once in
// millions.
func plainMessage(b []byte) (typ uint8, whole bool) {
	if len(b) < 4 {
		return 0, false
	}
	n := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	return b[0], n+4 == len(b) || n+4 > len(b) && n < 1<<17 && len(b) > 512
}

// retryRandom is the Random of a HelloRetryRequest, RFC 8446 section 4.1.3.
const retryRandom = "\xCF\x21\xAD\x74\xE5\x9A\x61\x11\xBE\x1D\x8C\x02\x1E\x65\xB8\x91" +
	"\xC2\xA2\x11\x16\x7A\xBB\x8C\x5E\x07\x9E\x09\xE2\xC8\xA8\x33\x9C"

func isRetry(b []byte) bool {
	return len(b) >= 38 && string(b[6:38]) == retryRandom
}

// offersEarlyData looks for the extension early_data in a ClientHello that
// begins here; one that is longer than its record is looked at as far as it
// goes.
func offersEarlyData(b []byte) bool {
	i := 38
	if len(b) <= i {
		return false
	}
	i += 1 + int(b[i])
	if len(b) < i+2 {
		return false
	}
	i += 2 + int(binary.BigEndian.Uint16(b[i:]))
	if len(b) <= i {
		return false
	}
	i += 1 + int(b[i]) + 2
	for i+4 <= len(b) {
		if binary.BigEndian.Uint16(b[i:]) == uint16(iana.ExtEarlyData) {
			return true
		}
		i += 4 + int(binary.BigEndian.Uint16(b[i+2:]))
	}
	return false
}
