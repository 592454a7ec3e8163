package starttls

import "bytes"

// Phases of layerXMPP: the quotes that the scan of a tag is in.
const (
	xmlPlain = iota
	xmlSingle
	xmlDouble
)

// xmpp reads one tag, or one byte of the text between tags, RFC 6120 section 5.
func (w *walker) xmpp() result {
	if w.pos == w.unit && w.b[w.unit] != '<' {
		if r := w.record(); r != next {
			if r == tls && w.flags&flagSwitch == 0 {
				return no
			}
			return r
		}
		if c := w.b[w.unit]; c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return no
		}
		return w.pass(1)
	}
	if !w.tag() {
		if len(w.b)-w.unit >= maxLine {
			return no
		}
		return more
	}
	tag := w.b[w.unit:w.pos]
	if len(tag) > maxLine {
		return no
	}
	prefix, local := tagName(tag)
	if w.flags&flagSeen == 0 {
		switch {
		case string(local) == "stream", w.mid && (string(local) == "starttls" || string(local) == "proceed"):
			w.flags |= flagSeen
		case string(local) != "?xml":
			return no
		}
	}
	switch string(local) {
	case "starttls":
		if w.dir == dirClient {
			w.flags |= flagSwitch
		}
	case "proceed":
		if w.dir == dirServer {
			w.flags |= flagSwitch
		}
	case "auth", "response", "success", "iq", "message", "presence", "compress", "handshake":
		return no // these follow TLS, or TLS is not used
	case "result", "verify":
		if string(prefix) == "db" {
			return no
		}
	}
	return w.pass(len(tag))
}

// tag moves pos after the end of the tag and reports whether the tag is complete.
func (w *walker) tag() bool {
	for ; w.pos < len(w.b); w.pos++ {
		switch c := w.b[w.pos]; {
		case w.phase == xmlSingle:
			if c == '\'' {
				w.phase = xmlPlain
			}
		case w.phase == xmlDouble:
			if c == '"' {
				w.phase = xmlPlain
			}
		case c == '\'':
			w.phase = xmlSingle
		case c == '"':
			w.phase = xmlDouble
		case c == '>':
			w.pos++
			return true
		}
	}
	return false
}

// tagName returns the prefix and the local part of a tag's name. An end tag has a
// slash in its name.
func tagName(tag []byte) (prefix, local []byte) {
	n := tag[1 : len(tag)-1]
	if i := bytes.IndexAny(n[min(1, len(n)):], " \t\r\n/>"); i >= 0 {
		n = n[:i+1]
	}
	if p, l, ok := bytes.Cut(n, []byte(":")); ok {
		return p, l
	}
	return nil, n
}
