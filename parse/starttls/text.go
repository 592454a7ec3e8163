package starttls

import "bytes"

// A mask is the set of line-based protocols that a direction may be.
type mask uint8

const (
	smtp    mask = 1 << iota // RFC 3207
	lmtp                     // RFC 2033
	imap                     // RFC 9051
	pop3                     // RFC 2595
	ftp                      // RFC 4217
	nntp                     // RFC 4642
	sieve                    // RFC 5804
	irc                      // IRCv3 tls
	anyText = smtp | lmtp | imap | pop3 | ftp | nntp | sieve | irc
	coded   = smtp | lmtp | ftp | nntp // replies begin with three digits
)

// textNames has the names and ports by bit.
var textNames = [...]struct {
	name  string
	ports [4]uint16
}{
	{"smtp", [4]uint16{25, 587, 2525}},
	{"lmtp", [4]uint16{24}},
	{"imap", [4]uint16{143}},
	{"pop3", [4]uint16{110}},
	{"ftp", [4]uint16{21}},
	{"nntp", [4]uint16{119, 433}},
	{"sieve", [4]uint16{4190, 2000}},
	{"irc", [4]uint16{6667, 6668, 6666, 194}},
}

// name returns the protocol. If the mask has several, the server's port decides. If
// the port belongs to none of them, the protocol is undetermined: "".
func (m mask) name(port uint16) string {
	only := ""
	for i := range textNames {
		if m&(1<<i) == 0 {
			continue
		}
		t := &textNames[i]
		if m == 1<<i {
			only = t.name
		}
		for _, p := range t.ports {
			if p == port && p != 0 {
				return t.name
			}
		}
	}
	return only
}

// line returns the line at the unit, with its end, and next if it is complete. The
// result is no if the line is too long or contains a zero byte.
func (w *walker) line() ([]byte, result) {
	i := bytes.IndexByte(w.b[w.pos:], '\n')
	end := w.pos + i + 1
	if i < 0 {
		end = len(w.b)
	}
	if bytes.IndexByte(w.b[w.pos:end], 0) >= 0 {
		return nil, no
	}
	if i < 0 {
		w.pos = len(w.b)
		if w.pos-w.unit >= maxLine {
			return nil, no
		}
		return nil, more
	}
	if end-w.unit > maxLine {
		return nil, no
	}
	return w.b[w.unit:end], next
}

// text reads one line of a line-based protocol.
func (w *walker) text() result {
	if w.pos == w.unit && w.flags&flagCont == 0 {
		if r := w.record(); r != next {
			switch {
			case r == tls && w.dir == dirClient && w.flags&flagSwitch == 0:
				return no
			case r == tls && w.dir == dirServer:
				w.granted()
			}
			return r
		}
		if w.mask&ftp != 0 {
			if r := w.token(); r != next {
				return r
			}
		}
		if c := w.b[w.unit]; c < ' ' && c != '\r' && c != '\n' && c != '\t' {
			return no
		}
	}
	l, r := w.line()
	if r != next {
		return r
	}
	if w.flags&flagCont == 0 {
		m, a := serverLine(l, w.flags&flagSeen == 0)
		if w.dir == dirClient {
			m, a = clientLine(l, w.mask)
		}
		switch {
		case a == final:
			return no
		case a == unknown && w.flags&flagSeen == 0 && len(trim(l)) > 0 && !(w.mid && w.dir == dirServer):
			return no
		case a == wanted:
			w.flags |= flagSwitch
		}
		if m &= w.mask; m != 0 {
			w.mask = m
			w.narrow()
		}
		if len(trim(l)) > 0 {
			w.flags |= flagSeen
		}
	}
	w.flags &^= flagCont
	n := len(l)
	if w.mask&^(imap|sieve) == 0 {
		if k, ok := literal(trim(l)); ok {
			w.flags |= flagCont
			n += k
		}
	}
	return w.pass(n)
}

// literal returns the length of the literal that follows the line l, RFC 9051
// section 4.3, RFC 7888.
func literal(l []byte) (int, bool) {
	if len(l) < 3 || l[len(l)-1] != '}' {
		return 0, false
	}
	i := bytes.LastIndexByte(l, '{')
	if i < 0 {
		return 0, false
	}
	d := bytes.TrimSuffix(l[i+1:len(l)-1], []byte("+"))
	return number(d)
}

// number parses a decimal number. The result is at most maxPreamble+1.
func number(d []byte) (int, bool) {
	n := 0
	for _, c := range d {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(n*10+int(c-'0'), maxPreamble+1)
	}
	return n, len(d) > 0
}

// granted narrows the server's mask by the last line before TLS.
func (w *walker) granted() {
	l := trim(w.b[max(0, w.unit-maxLine):w.unit])
	l = l[bytes.LastIndexByte(l, '\n')+1:]
	m := anyText
	switch {
	case foldPrefix(l, "220"):
		m = smtp | lmtp
	case foldPrefix(l, "234"), foldPrefix(l, "334"):
		m = ftp
	case foldPrefix(l, "382"):
		m = nntp
	case foldPrefix(l, ":"):
		m = irc
	}
	if m &= w.mask; m != 0 {
		w.mask = m
		w.narrow()
	}
}

// An action is the meaning of a line for TLS.
type action uint8

const (
	unknown action = iota // the line is not known
	known                 // the line belongs to the protocols in the mask
	wanted                // the line requests TLS
	final                 // TLS will not follow
)

// words returns the first two words of a line in upper case, and reports whether
// more follow. It truncates long words, none of which is a command.
func words(l []byte, w1, w2 *[16]byte) (a, b []byte, three bool) {
	l = trim(l)
	a, l = word(l, w1)
	b, l = word(l, w2)
	return a, b, len(l) > 0
}

// word copies the first word of l to w in upper case.
func word(l []byte, w *[16]byte) (a, rest []byte) {
	l = bytes.TrimLeft(l, " ")
	i := bytes.IndexByte(l, ' ')
	if i < 0 {
		i = len(l)
	}
	n := copy(w[:], l[:i])
	for k := range w[:n] {
		w[k] = upper(w[k])
	}
	return w[:n], l[i:]
}

// trim removes the end of a line and the blanks before it.
func trim(l []byte) []byte {
	for len(l) > 0 && (l[len(l)-1] == '\n' || l[len(l)-1] == '\r' || l[len(l)-1] == ' ' || l[len(l)-1] == '\t') {
		l = l[:len(l)-1]
	}
	return l
}

// clientLine returns the protocols that have the command l, and its meaning. m is
// the mask so far. A command is final if it contains what TLS should protect, or
// if it follows such a command.
func clientLine(l []byte, m mask) (mask, action) {
	var b1, b2 [16]byte
	w1, w2, three := words(l, &b1, &b2)
	bare := len(w2) == 0
	switch string(w1) {
	case "EHLO", "HELO":
		return smtp, known
	case "LHLO":
		return lmtp, known
	case "STARTTLS":
		if is := m & (smtp | lmtp | nntp | sieve | irc); bare && is != 0 {
			return is, wanted
		}
	case "X-ANONYMOUSTLS": // between Exchange servers
		if bare && m&smtp != 0 {
			return smtp, wanted
		}
	case "STLS":
		if bare && m&pop3 != 0 {
			return pop3, wanted
		}
	case "AUTH":
		switch string(w2) {
		case "TLS", "SSL", "TLS-C", "TLS-P":
			if m&ftp != 0 && !three {
				return ftp, wanted
			}
		case "":
			return pop3, known
		case "GSSAPI", "KERBEROS_V4":
			switch {
			case m&^ftp == 0:
				return ftp, known
			case m == anyText: // the first command, so not SMTP, which begins with EHLO
				return ftp | pop3, known
			}
		}
		if m&(smtp|lmtp|pop3) != 0 {
			return smtp | lmtp | pop3, final
		}
	case "MAIL", "RCPT", "XCLIENT", "XFORWARD", "VRFY", "EXPN":
		return smtp | lmtp, known
	case "DATA", "BDAT":
		if m&(smtp|lmtp) != 0 {
			return smtp | lmtp, final
		}
	case "CAPA":
		return pop3, known
	case "APOP":
		if m&pop3 != 0 {
			return pop3, final
		}
	case "USER":
		if three {
			return irc, known
		}
		return pop3 | ftp, known
	case "PASS":
		if m&irc == 0 {
			return pop3 | ftp, final
		}
		return irc, known // RFC 2812: IRC begins with PASS
	case "QUIT", "NOOP", "HELP", "RSET", "LOGOUT":
		return anyText, known
	case "FEAT", "SYST", "OPTS", "PBSZ", "PROT", "HOST", "CLNT":
		return ftp, known
	case "CAPABILITIES":
		return nntp, known
	case "MODE":
		if string(w2) == "READER" || string(w2) == "STREAM" {
			return nntp, known
		}
	case "AUTHINFO":
		if string(w2) == "PASS" || string(w2) == "SASL" {
			return nntp, final
		}
		return nntp, known
	case "GROUP", "ARTICLE", "IHAVE", "CHECK", "TAKETHIS", "POST", "OVER", "XOVER":
		if m&nntp != 0 {
			return nntp, final
		}
	case "CAPABILITY":
		if bare {
			return sieve, known
		}
	case "AUTHENTICATE":
		if m&(sieve|irc) != 0 {
			return sieve | irc, final
		}
	case "CAP", "NICK":
		return irc, known
	case "JOIN", "PRIVMSG", "OPER", "WHO":
		if m&irc != 0 {
			return irc, final
		}
	}
	if m&imap != 0 && len(w1) < len(b1) {
		switch string(w2) {
		case "STARTTLS":
			if !three {
				return imap, wanted
			}
		case "CAPABILITY", "ID", "NOOP", "LOGOUT":
			return imap, known
		case "LOGIN", "AUTHENTICATE", "SELECT", "EXAMINE":
			if m&^imap == 0 {
				return imap, final
			}
			return imap, known
		}
	}
	return 0, unknown
}

// serverLine returns the protocols that have the reply l, and its meaning. first
// reports that l is the greeting.
func serverLine(l []byte, first bool) (mask, action) {
	switch c := l[0]; {
	case c >= '1' && c <= '5' && len(l) > 3 && (l[3] == ' ' || l[3] == '-' || l[3] == '\r' || l[3] == '\n'):
		return serverCode(string(l[:3]), l, first)
	case c == '*' && len(l) > 2 && l[1] == ' ':
		return imap, known
	case foldPrefix(l, "+OK"), foldPrefix(l, "-ERR"):
		return pop3, known
	case !first:
		return 0, unknown
	case c == '"', foldPrefix(l, "OK"), foldPrefix(l, "NO ("), foldPrefix(l, "BYE"):
		return sieve, known
	case c == ':', foldPrefix(l, "NOTICE "), foldPrefix(l, "ERROR :"):
		return irc, known
	}
	return 0, unknown
}

// serverCode is serverLine for a reply with a three-digit code.
func serverCode(code string, l []byte, first bool) (mask, action) {
	if !first {
		switch code {
		case "235", "281", "354", "230": // logged in, or a mail follows
			return coded, final
		case "250":
			return smtp | lmtp | ftp, known
		case "211", "331", "234":
			return ftp | nntp, known
		}
		return coded, known
	}
	switch code {
	case "220":
		if bytes.Contains(l, []byte("LMTP")) {
			return lmtp, known
		}
		if bytes.Contains(l, []byte("SMTP")) {
			return smtp, known
		}
		return smtp | lmtp | ftp, known
	case "200", "201", "400", "502":
		return nntp, known
	case "120":
		return ftp, known
	}
	return coded, known
}
