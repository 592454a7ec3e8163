package parse

import (
	"encoding/binary"

	"pfsight/capture/stream"
	"pfsight/parse/iana"
	"pfsight/parse/openvpn"
	"pfsight/parse/quic"
	"pfsight/parse/starttls"
)

// The kinds of stream.Note of a conversation over TCP. Each half is in the
// plaintext before TLS or in TLS, independent of the other half.
const noteTLS = 1 // the kinds of package starttls follow

// Bits of stream.Note.State of a half in TLS: what its records have shown. Offset
// is the end of the records that were read. Aux is the end of the ServerHello,
// and in the client's half the end of the record with which askAuth begins.
const (
	askSeen       = 1 << iota // a record that is one of TLS
	askServer                 // a ServerHello that is no HelloRetryRequest
	askEarly                  // the ClientHello offers early data
	askCCS                    // ChangeCipherSpec
	askRetry                  // a HelloRetryRequest
	askUpgraded               // another protocol preceded TLS
	askSSLv2Hello             // a ClientHello in the form of SSL 2.0
	askSSLv2                  // what follows is encrypted records of SSL 2.0
	askAuth                   // a TLS 1.3 client that sends more than its Finished
	askAlert                  // an alert in the clear, which ended the half
	askFinished               // the encrypted Finished
	askEmpty      = 11        // from here on, 6 bits: the number of empty handshake records
	askShift      = 17        // from here on: the number of records of encrypted data
)

const (
	// maxEarly is the number of records of the client that are skipped while the
	// ServerHello is missing. No handshake is expected behind them.
	maxEarly = 64
	// maxEmpty is the number of handshake records of a half that may be empty.
	// RFC 8446 section 5.1 forbids them, and stacks end a connection at 16 to 32
	// of them in a row.
	maxEmpty = 32
	// maxFlight is the number of encrypted records of a TLS 1.3 server that are
	// read while the client's are missing. Its flight has five messages.
	maxFlight = 16
)

// An asker keeps the memory of its method ask.
type asker struct{ quic quic.Asker }

// newAsker returns the stream.Asker of all protocols. One Run uses it.
func newAsker() stream.Asker { return new(asker).ask }

// ask is the stream.Asker. For TLS over TCP it reads the record headers of
// Half[d] once. What follows the hellos shows that a handshake is complete: in
// TLS <= 1.2 the encrypted Finished after the ChangeCipherSpec, in TLS 1.3 the
// first encrypted record of the server after its hello, and that of the client
// after it. If the length of the client's record is not that of a Finished, the
// client sends a certificate. Then the server's answer shows whether it was
// accepted: an alert is a refusal, unless the client had closed before.
//
// Either half may be ahead by any number of bytes. Bytes and acknowledgments
// show what one half may expect of the other, not the order of the calls.
func (a *asker) ask(c *stream.Conversation, d stream.Dir) stream.Decision {
	if p := protocolOf(c); p != nil {
		return p.ask(a, c, d)
	}
	if c.Transport != stream.TCP {
		return stream.Refuse
	}
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	b := h.Data[:h.Contiguous()]
	if len(b) < leastOpenVPN && !h.Midstream && openvpn.MayBegin(b) {
		h.Want = leastOpenVPN
		return stream.More
	}
	if h.Note.Kind != noteTLS {
		if v, tls := askPreambles(c, d, b); !tls {
			return v
		}
	}
	if lookSSLv2(h, d, b) {
		return more(h, other)
	}
	for !h.Done {
		r, s := nextRecord(b, h.Note.Offset)
		if s == notTLS {
			if tlsState(h)&askSeen == 0 && tlsState(other)&askSeen == 0 {
				return stream.Refuse
			}
			h.Done = true
			if tlsState(h)&askSeen == 0 {
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
		h.Note.Kind = noteTLS
		h.Note.State |= askSeen
		h.Note.Offset = r.to
		if r.from == r.to && r.typ == recHandshake {
			if h.Note.State += 1 << askEmpty; h.Note.State>>askEmpty&(1<<(askShift-askEmpty)-1) > maxEmpty {
				return stream.Refuse
			}
		}
		if look(h, other, d, r, b[r.from:r.to]) {
			h.Done = true
		}
	}
	return more(h, other)
}

// tlsState returns the State of a half's Note if the half is in TLS, else 0.
func tlsState(h *stream.Half) uint32 {
	if h.Note.Kind != noteTLS {
		return 0
	}
	return h.Note.State
}

// askPreambles follows what precedes TLS in Half[d], whose bytes before the first
// gap are b. It reports whether TLS begins at Note.Offset.
func askPreambles(c *stream.Conversation, d stream.Dir, b []byte) (v stream.Decision, tls bool) {
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	if h.Note.Kind == 0 {
		if beginsTLS(b) {
			return stream.More, true
		}
		if st := tlsState(other); d == stream.ToClient && st&askSeen != 0 && st&askUpgraded == 0 {
			h.Done = true
			return stream.Enough, false // an answer in another protocol
		}
	}
	v, ready := starttls.Ask(c, d)
	switch {
	case v == stream.Enough: // nothing after that belongs to a handshake
		h.Done, other.Done = true, true
		return v, false
	case ready:
		h.Note = stream.Note{Kind: noteTLS, Offset: h.Note.Offset, State: askUpgraded}
		return stream.More, true
	case v == stream.Refuse && tlsState(other)&askSeen != 0:
		h.Done = true
		return stream.Enough, false
	case v == stream.Refuse && d == stream.ToClient && len(other.Data) == 0:
		h.Done = true // the client's half may come yet, and may be TLS
		return stream.More, false
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
		return sniffSSLv2(b) != stream.SniffNone
	}
	_, s := nextRecord(b, 0)
	return s != notTLS
}

func more(h, other *stream.Half) stream.Decision {
	ended(h, other)
	ended(other, h)
	if h.Done && other.Done {
		return stream.Enough
	}
	return stream.More
}

// ended sets h.Done if the peer sent a last alert, and all that the peer had read
// of h is there.
func ended(peer, h *stream.Half) {
	if tlsState(peer)&askAlert != 0 && tlsState(h)&askSeen != 0 && h.Holds(markAt(peer, peer.Note.Offset)) {
		h.Done = true
	}
}

// markAt returns the mark of the packet that brought the byte before to.
func markAt(h *stream.Half, to int) stream.Mark { return h.Completed(to-1, to) }

// look reads one record of Half[d] and reports whether nothing more of the half
// is wanted.
func look(h, other *stream.Half, d stream.Dir, r record, body []byte) bool {
	st := &h.Note.State
	if *st&askFinished != 0 {
		return true
	}
	switch r.typ {
	case recHandshake:
		typ, whole := plainMessage(body)
		if *st&askCCS != 0 && (*st|tlsState(other))&askRetry == 0 && !(whole && (typ == msgClientHello || typ == msgServerHello)) {
			return finished(h, other)
		}
		switch typ {
		case msgClientHello:
			if offersEarlyData(body) {
				*st |= askEarly
			}
		case msgServerHello:
			if isRetry(body) {
				*st |= askRetry
			} else {
				*st |= askServer
				h.Note.Aux = uint32(r.to)
			}
		}
	case recCCS:
		*st |= askCCS
	case recAlert:
		if len(body) == 2 && *st&askCCS == 0 {
			if body[0] != 2 && body[1] != byte(iana.AlertCloseNotify) {
				return false // a warning
			}
			*st |= askAlert
		}
		return true
	case recData:
		*st += 1 << askShift
		if *st&askServer != 0 {
			return lookServer(h, other, r)
		}
		return lookClient(h, other, d, r)
	}
	return false
}

// finished handles the Finished of a half. If the other direction is not
// captured, only what follows shows that the handshake succeeded.
func finished(h, other *stream.Half) bool {
	h.Note.State |= askFinished
	return other.Seen()
}

// lookServer handles a record of encrypted data behind a ServerHello.
func lookServer(h, other *stream.Half, r record) bool {
	if st := tlsState(other); st&askAuth != 0 && markAt(h, r.to).Answers(markAt(other, int(other.Note.Aux)), int(other.Note.Aux)) {
		other.Done = true // this is the answer
	}
	return other.Done || h.Note.State>>askShift >= maxFlight
}

// lookClient handles a record of encrypted data of a half without a ServerHello.
func lookClient(h, other *stream.Half, d stream.Dir, r record) bool {
	st, peer, n := &h.Note.State, tlsState(other), h.Note.State>>askShift
	size := r.to - r.from
	if *st&askAuth != 0 {
		return n >= maxFlight || answered(h, other)
	}
	if *st&askEarly != 0 {
		hello := int(other.Note.Aux)
		if peer&askServer == 0 || !markAt(h, r.to).Answers(markAt(other, hello), hello) {
			return n >= maxEarly // early data
		}
		if size == endOfEarlyData {
			return false
		}
	}
	switch {
	case finishedLike(size), alertLike(size, false):
		other.Done = other.Done || peer&askServer != 0 && peer>>askShift > 0
		return finished(h, other)
	case peer == 0 && d == stream.ToClient:
		return true // a server whose hello was not seen
	}
	*st = *st&(1<<askShift-1) | askAuth | 1<<askShift
	h.Note.Aux = uint32(r.to)
	return answered(h, other)
}

// answered reports whether the server has answered a client's flight with a
// certificate; then no more of it is wanted.
func answered(h, other *stream.Half) bool {
	if tlsState(other)&askServer == 0 || len(other.Marks) == 0 {
		return false
	}
	last := int(h.Note.Aux)
	// A record that is not whole yet is no answer yet: lookServer takes it.
	if m := markAt(other, other.Note.Offset); !m.Answers(markAt(h, last), last) {
		return false
	}
	other.Done = true
	return true
}

// endOfEarlyData is the length of the record of an EndOfEarlyData, RFC 8446
// section 4.5: a message header, the content type, and the tag.
const endOfEarlyData = 4 + 1 + 16

// finishedLike reports whether an encrypted record of n bytes may hold only a
// Finished of TLS 1.3: a header, a hash of 32 or 48 bytes, the content type and
// the tag (RFC 8446 sections 4.4.4 and 5.2).
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
// with, and whether its length fits. An encrypted record looks like that once in
// millions.
func plainMessage(b []byte) (typ uint8, whole bool) {
	if len(b) < 4 {
		return 0, false
	}
	n := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	hello := len(b) >= 6 && b[0] <= msgServerHello && helloVersion(b[4], b[5])
	return b[0], n+4 == len(b) || n+4 > len(b) && n < 1<<17 && (len(b) > 512 || hello)
}

// retryRandom is the Random of a HelloRetryRequest, RFC 8446 section 4.1.3.
const retryRandom = "\xCF\x21\xAD\x74\xE5\x9A\x61\x11\xBE\x1D\x8C\x02\x1E\x65\xB8\x91" +
	"\xC2\xA2\x11\x16\x7A\xBB\x8C\x5E\x07\x9E\x09\xE2\xC8\xA8\x33\x9C"

func isRetry(b []byte) bool {
	return len(b) >= 38 && string(b[6:38]) == retryRandom
}

// offersEarlyData reports whether a ClientHello at the start of b has the
// extension early_data. One that is longer than its record is read as far as it
// is there.
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
