package starttls

import (
	"bytes"
	"encoding/base64"

	"pfsight/capture/stream"
)

// GridFTP secures the control connection of FTP with GSSAPI (RFC 2228, AUTH
// GSSAPI) over TLS: each token is a part of the stream of TLS records, in base64
// in a line of its own, "ADAT token" of the client and "335 ADAT=token" of the
// server, the last one with the code 235.

// tlsToken is how a token begins that begins with a record of a handshake: 22, 3.
const tlsToken = "FgM"

// adatToken finds the token in a line, which may be there in part. It returns
// next, more where too little of the line is there, and no where it has none. last
// says that no token follows.
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

// token looks whether TLS begins in the line at the unit. It returns next if
// not.
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

// tokens follows the lines with tokens from the beginning of one, of direction d.
// Done says that no more of them carry the handshake.
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

// adat takes the lines with tokens off, and base64.
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

// decode adds the base64 in [from, to), as far as it is base64.
func (x *unframer) decode(from, to int) {
	text := x.h.Data[from:to]
	n := len(text) &^ 3 // what of the last four characters was not seen is left out
	out := len(x.data)
	x.data = append(x.data, make([]byte, base64.StdEncoding.DecodedLen(n))...)
	k, _ := base64.StdEncoding.Decode(x.data[out:], text[:n])
	x.data = x.data[:out+k]
	if k > 0 {
		x.pieces = append(x.pieces, piece{from, to, out, k})
	}
}
