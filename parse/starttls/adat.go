package starttls

import (
	"bytes"
	"encoding/base64"

	"pfsight/capture/stream"
)

// GridFTP protects the control connection of FTP with GSSAPI (RFC 2228, AUTH
// GSSAPI) and uses TLS as the mechanism. Each token is a part of the TLS stream,
// in base64 on one line: "ADAT token" from the client and "335 ADAT=token" from
// the server. The server's last token has code 235.

// tlsToken is the base64 of the start of a handshake record: 22, 3.
const tlsToken = "FgM"

// adatToken returns the index of the token in the line l, which may be incomplete.
// The result is more if l is too short, and no if l has no token. last reports
// that this is the last token.
func adatToken(l []byte, d stream.Dir) (from int, last bool, r result) {
	if d == stream.ToServer {
		const command = "ADAT "
		if n := min(len(l), len(command)); !foldPrefix(l, command[:n]) {
			return 0, false, no
		} else if n < len(command) {
			return 0, false, more
		}
		return len(command), false, next
	}
	const reply = "335 ADAT="
	if len(l) > 0 && l[0] == '2' {
		last = true
	}
	for i := range min(len(l), len(reply)) {
		if c := upper(l[i]); c != reply[i] && !(i == 0 && c == '2') && !(i == 3 && c == '-') {
			return 0, last, no
		}
	}
	if len(l) < len(reply) {
		return 0, last, more
	}
	return len(reply), last, next
}

// token returns tls if the line at the unit has a token with which TLS begins, more
// if that is undecided, and next otherwise.
func (w *walker) token() result {
	b := w.rest()
	from, _, r := adatToken(b, w.dir)
	switch {
	case r == no, bytes.IndexByte(b, '\n') >= 0 && r == more:
		return next
	case r == more:
		return more
	}
	b = b[from:]
	n := min(len(b), len(tlsToken))
	switch {
	case string(b[:n]) != tlsToken[:n]:
		return next
	case n < len(tlsToken):
		return more
	}
	w.layer, w.mask = layerADAT, ftp
	w.narrow()
	return tls
}

// tokens skips the lines with tokens of direction d, starting at at. done reports
// that the handshake does not continue.
func tokens(b []byte, at int, d stream.Dir) (to place, done bool) {
	for {
		if at > maxPreamble+maxFramed {
			return place{at, at}, true
		}
		l := b[min(at, len(b)):]
		_, last, r := adatToken(l, d)
		if r == no {
			return place{at, at}, true
		}
		i := bytes.IndexByte(l, '\n')
		if i < 0 {
			if len(l) > maxFramed {
				return place{at, at}, true
			}
			return place{at, len(b) + 1}, false
		}
		at += i + 1
		if last {
			return place{at, at}, true
		}
	}
}

// adat decodes the lines with tokens, starting at at.
func (x *unframer) adat(at int, d stream.Dir) {
	b := x.h.Data[:x.h.Contiguous()]
	x.lost = len(b) < len(x.h.Data)
	for at < len(b) {
		l := b[at:]
		from, last, r := adatToken(l, d)
		if r != next {
			return
		}
		end := bytes.IndexByte(l, '\n')
		whole := end >= 0
		if !whole {
			end = len(l)
		}
		x.decode(at+from, at+from+len(trim(l[from:end])))
		if !whole || last {
			return
		}
		at += end + 1
	}
}

// decode appends the decoded base64 of [from, to), up to the first invalid character.
func (x *unframer) decode(from, to int) {
	text := x.h.Data[from:to]
	n := len(text) &^ 3 // an incomplete group of four is not decoded
	out := len(x.data)
	x.data = append(x.data, make([]byte, base64.StdEncoding.DecodedLen(n))...)
	k, _ := base64.StdEncoding.Decode(x.data[out:], text[:n])
	x.data = x.data[:out+k]
	if k > 0 {
		x.pieces = append(x.pieces, piece{from, to, out, k})
	}
}
