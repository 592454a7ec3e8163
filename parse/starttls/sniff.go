package starttls

import (
	"bytes"
	"encoding/binary"

	"pfsight/capture/stream"
)

// How many bytes of an HTTP head are searched for an Upgrade field. For GET the
// number is small: GETs are frequent, and almost none has the field.
const (
	sniffWindow    = 512
	sniffWindowGET = 192
)

// Sniff is the stream.Sniffer of the protocols that this package follows. It returns
// SniffClient if b, the start of a segment, is certainly the start of a client's
// dialog, SniffMaybe if b may be the start of a dialog, and otherwise SniffNone. It
// looks at few bytes, so Ask may still refuse what Sniff accepts.
func Sniff(b []byte) stream.Sniff {
	switch {
	case len(b) < 6:
		return sniffShort(b)
	case b[0] == tdsPrelogin && sniffTDSRecord(b) != stream.SniffNone:
		return sniffTDSRecord(b)
	case !sniff(b):
		if mayBegin(b) {
			return stream.SniffMaybe
		}
		return stream.SniffNone
	case sniffClient(b):
		return stream.SniffClient
	}
	return stream.SniffMaybe
}

// sniffClient reports whether b, which sniff accepts, is unmistakable: a complete
// PROXY header, CONNECT, or request for TLS or for a WebSocket.
func sniffClient(b []byte) bool {
	if len(b) <= maxRequest && asksTLS(b) {
		return true
	}
	switch b[0] {
	case 0x03: // the last structure of an RDP connection request
		n := int(b[2])<<8 | int(b[3])
		return b[5] == x224Request && n == len(b) && n >= rdpFixedPart+rdpNegLen && string(b[n-rdpNegLen:n-4]) == "\x01\x00\x08\x00"
	case tdsPrelogin:
		return true
	case ' ':
		return len(b) >= mysqlSSLRequest && (len(b) == mysqlSSLRequest || b[mysqlSSLRequest] == 0x16) && string(b[13:mysqlSSLRequest]) == string(zeros[:mysqlSSLRequest-13])
	case 'G', 'O':
		return true // sniff accepts them only for their Upgrade field
	case 0x00:
		return string(b) == "\x00\x00\x00\x08\x04\xd2\x16\x2f"
	case 0x0d:
		return len(b) >= 16 && b[12]>>4 == 2
	case '0':
		return bytes.Contains(b[:min(len(b), 64)], []byte(ldapStartTLS))
	case 'C':
		l, _, ok := bytes.Cut(b[:min(len(b), sniffWindow)], []byte("\n"))
		return ok && bytes.HasPrefix(b, []byte("CONNECT ")) && bytes.Contains(l, []byte(" HTTP/1."))
	case 'P':
		return string(b[:min(len(b), 9)]) == "PROXY TCP" || string(b[:min(len(b), 13)]) == "PROXY UNKNOWN"
	}
	return false
}

// mysqlSSLRequest is the length of MySQL's SSLRequest. Its payload has nine bytes
// and then zeros.
const mysqlSSLRequest = 36

var zeros [mysqlSSLRequest]byte

// maxRequest is the limit of a line that requests TLS.
const maxRequest = 64

// asksTLS reports whether b is a line that requests TLS, or XMPP's tag.
func asksTLS(b []byte) bool {
	if foldPrefix(b, "<STARTTLS") {
		return true
	}
	if b[len(b)-1] != '\n' {
		return false
	}
	_, a := clientLine(b, anyText)
	return a == wanted && bytes.IndexByte(b, '\n') == len(b)-1
}

// sniffTDSRecord recognizes a TDS packet with the first TLS record.
func sniffTDSRecord(b []byte) stream.Sniff {
	const hello = tdsHeader + 5 // the handshake message follows the record header
	if len(b) < hello+6 || b[1] > 1 || int(b[2])<<8|int(b[3]) < hello+6 || b[8] != 0x16 || b[9] != 3 || b[10] > 4 || b[hello+4] != 3 || b[hello+1] != 0 {
		return stream.SniffNone
	}
	switch b[hello] {
	case 1:
		return stream.SniffClient
	case 2:
		return stream.SniffServer
	}
	return stream.SniffNone
}

// Four lower-case characters as a little-endian number.
const (
	wordAMQP = 'a' | 'm'<<8 | 'q'<<16 | 'p'<<24
	wordAUTH = 'a' | 'u'<<8 | 't'<<16 | 'h'<<24
	wordCAP  = 'c' | 'a'<<8 | 'p'<<16 | ' '<<24
	wordCAPA = 'c' | 'a'<<8 | 'p'<<16 | 'a'<<24
	wordCONN = 'c' | 'o'<<8 | 'n'<<16 | 'n'<<24
	wordEHLO = 'e' | 'h'<<8 | 'l'<<16 | 'o'<<24
	wordFEAT = 'f' | 'e'<<8 | 'a'<<16 | 't'<<24
	wordGET  = 'g' | 'e'<<8 | 't'<<16 | ' '<<24
	wordHELO = 'h' | 'e'<<8 | 'l'<<16 | 'o'<<24
	wordHOST = 'h' | 'o'<<8 | 's'<<16 | 't'<<24
	wordHTTP = 'h' | 't'<<8 | 't'<<16 | 'p'<<24
	wordLHLO = 'l' | 'h'<<8 | 'l'<<16 | 'o'<<24
	wordMODE = 'm' | 'o'<<8 | 'd'<<16 | 'e'<<24
	wordNICK = 'n' | 'i'<<8 | 'c'<<16 | 'k'<<24
	wordNOTI = 'n' | 'o'<<8 | 't'<<16 | 'i'<<24
	wordOPTI = 'o' | 'p'<<8 | 't'<<16 | 'i'<<24
	wordPASS = 'p' | 'a'<<8 | 's'<<16 | 's'<<24
	wordPROX = 'p' | 'r'<<8 | 'o'<<16 | 'x'<<24
	wordSIP2 = 's' | 'i'<<8 | 'p'<<16 | '/'<<24
	wordSTAR = 's' | 't'<<8 | 'a'<<16 | 'r'<<24
	wordSTLS = 's' | 't'<<8 | 'l'<<16 | 's'<<24
	wordUSER = 'u' | 's'<<8 | 'e'<<16 | 'r'<<24
	wordXANO = 'x' | '-'<<8 | 'a'<<16 | 'n'<<24
)

// sniff reports whether b, at least six bytes, may begin a dialog.
func sniff(b []byte) bool {
	_ = b[5]
	switch c := b[0]; {
	case c < ' ':
		return sniffBinary(b)
	case b[1] == 0:
		return b[2] == 0 && (b[3] == 0 && b[4] == 0x0a && b[5] >= '0' && b[5] <= '9' || c == ' ' && b[3] == 1 && b[5]&(mysqlClientSSL>>8) != 0)
	case c == '0' && sniffLDAP(b):
		return true
	case c <= '9':
		switch c {
		case '*':
			return b[1] == ' ' && (b[2] == 'O' && b[3] == 'K' || foldPrefix(b[2:], "PREA") || foldPrefix(b[2:], "BYE"))
		case '.', '-', '#', '$', '!':
			return sniffTag(b)
		case '+':
			return b[1] == 'O' && b[2] == 'K'
		case '"':
			return foldPrefix(b, `"IMPLE`)
		case '1', '2':
			if b[3] == ' ' || b[3] == '-' {
				switch string(b[:3]) {
				case "220", "200", "201", "120":
					return true
				}
			}
		}
		return c >= '0' && sniffTag(b)
	case c == '<':
		return foldPrefix(b, "<STARTTLS") || b[1] == '?' && b[2] == 'x' && b[3] == 'm' && b[4] == 'l' || foldPrefix(b, "<STREA")
	case c == ':':
		l := b[:min(len(b), 96)]
		return bytes.Contains(l, []byte(" NOTICE ")) || bytes.Contains(l, []byte(" 670 ")) // RPL_STARTTLS
	case c|0x20 < 'a' || c|0x20 > 'z':
		return false
	}
	return sniffWord(b)
}

// sniffWord is sniff for bytes that begin with a letter.
func sniffWord(b []byte) bool {
	switch binary.LittleEndian.Uint32(b) | 0x20202020 {
	case wordHTTP:
		// Without the request, only responses that follow CONNECT or an upgrade
		// are accepted.
		return string(b[:4]) == "HTTP" && sniffResponse(b)
	case wordGET:
		return string(b[:4]) == "GET " && asksUpgrade(b[:min(len(b), sniffWindowGET)])
	case wordOPTI:
		return namesTLS(b)
	case wordCONN:
		return len(b) >= 8 && string(b[:8]) == "CONNECT "
	case wordPROX:
		return string(b[:6]) == "PROXY "
	case wordEHLO, wordHELO, wordLHLO, wordUSER, wordPASS, wordNICK, wordHOST:
		return b[4] == ' '
	case wordSTLS, wordFEAT:
		return lineEnd(b[4])
	case wordCAP:
		return foldPrefix(b[4:], "LS") || foldPrefix(b[4:], "REQ ")
	case wordCAPA:
		return lineEnd(b[4]) || foldPrefix(b[4:], "BILIT")
	case wordSTAR:
		return foldPrefix(b, "STARTTLS") && (len(b) == 8 || lineEnd(b[8]))
	case wordAUTH:
		return foldPrefix(b, "AUTH TLS") || foldPrefix(b, "AUTH SSL") || foldPrefix(b, "AUTH GSSAPI")
	case wordXANO:
		return foldPrefix(b, "X-ANONYMOUSTLS")
	case wordMODE:
		return foldPrefix(b, "MODE READER") || foldPrefix(b, "MODE STREAM")
	case wordNOTI:
		return foldPrefix(b, "NOTICE ")
	case wordAMQP:
		return b[4] == 2 && b[5] == 1
	case wordSIP2:
		return foldPrefix(b, "SIP/2.0 101 ")
	}
	if b[0] == 'O' && b[1] == 'K' {
		return b[2] == ' ' && (b[3] == '"' || b[3] == '(')
	}
	return sniffTag(b)
}

// sniffResponse recognizes an HTTP status line that follows CONNECT or an upgrade.
func sniffResponse(b []byte) bool {
	if len(b) < 14 || b[8] != ' ' {
		return false
	}
	switch string(b[9:12]) {
	case "101":
		return asksUpgrade(b[:min(len(b), sniffWindow)])
	case "426":
		return namesTLS(b)
	case "200":
		return foldPrefix(b[13:], "CONNECTION ") || foldPrefix(b[13:], "TUNNEL ")
	case "407":
		return true
	}
	return false
}

// namesTLS reports whether the start of b contains the name of TLS as in Upgrade.
func namesTLS(b []byte) bool {
	return bytes.Contains(b[:min(len(b), sniffWindow)], []byte("TLS/1."))
}

// asksUpgrade reports whether an Upgrade field names TLS or a WebSocket. It searches
// for the end of the field's name in lower case, which all clients use and which is
// rare elsewhere.
func asksUpgrade(b []byte) bool {
	const name = "rade:"
	for {
		i := bytes.Index(b, []byte(name))
		if i < 0 {
			return false
		}
		b = b[i+len(name):]
		l, _, _ := bytes.Cut(b, []byte("\n"))
		if l = bytes.TrimLeft(l, " \t"); foldPrefix(l, "WEBSOCKET") || bytes.Contains(l, []byte("TLS/1.")) {
			return true
		}
	}
}

// tagLimit is the length of the longest IMAP tag that Sniff accepts.
const tagLimit = 8

// sniffTag recognizes an IMAP command after its tag.
func sniffTag(b []byte) bool {
	for i := 1; i <= tagLimit && i+3 < len(b); i++ {
		switch c := b[i]; {
		case c == ' ':
			switch b[i+1] | 0x20 {
			case 'c':
				return foldPrefix(b[i+1:], "CAPABILITY")
			case 's':
				return foldPrefix(b[i+1:], "STARTTLS")
			case 'i':
				return foldPrefix(b[i+1:], "ID (") || foldPrefix(b[i+1:], "ID NIL")
			}
			return false
		case !alnum(c) && !tagMark(c):
			return false
		}
	}
	return false
}

// sniffBinary is sniff for bytes that begin with a control character.
func sniffBinary(b []byte) bool {
	switch b[0] {
	case 0x00:
		if b[1] == 90 {
			return len(b) == 8
		}
		return len(b) == 8 && string(b[:7]) == "\x00\x00\x00\x08\x04\xd2\x16"
	case 0x03:
		return b[1] == 0 && b[2] < maxPacket>>8 && (b[5] == x224Request || b[5] == x224Confirm) && int(b[4]) == int(b[2])<<8+int(b[3])-5
	case 0x04:
		if b[1] != 1 {
			return false
		}
		if sniffTDS(b) {
			return true
		}
		// SOCKS4: nothing follows the request, which ends with a zero byte.
		return len(b) >= 9 && len(b) <= 8+2*(maxName+1) && b[2]|b[3] != 0 && b[len(b)-1] == 0
	case 0x05:
		if int(b[1]) == len(b)-2 { // clients offer fewer than 8 methods
			return b[1] < 8
		}
		return (b[1] == 0 || b[1] == 1) && b[2] == 0 && len(b) >= 10 && (b[3] == 1 && len(b) == 10 || b[3] == 3 && len(b) == 7+int(b[4]) || b[3] == 4 && len(b) == 22)
	case 0x0d:
		n := min(len(b), len(proxyV2))
		return string(b[:n]) == proxyV2[:n]
	case 0x12:
		return b[1] == 1 && sniffTDS(b)
	}
	return false
}

// sniffTDS recognizes a packet with PRELOGIN or its response. The version is its
// first option.
func sniffTDS(b []byte) bool {
	return len(b) >= tdsHeader+6 && b[2] < 2 && int(b[2])<<8+int(b[3]) == len(b) &&
		b[8] == tdsVersion && b[9] == 0 && b[11] == 0 && b[12] == 6
}

// sniffLDAP recognizes an LDAPMessage: a SEQUENCE with an INTEGER and an operation
// that is StartTLS or may precede it.
func sniffLDAP(b []byte) bool {
	i := 2
	if b[1]&0x80 != 0 {
		i += int(b[1] & 0x7f)
	}
	if i > 6 || i+2 >= len(b) || b[i] != berInteger || b[i+1] == 0 || b[i+1] > 4 {
		return false
	}
	if i += 2 + int(b[i+1]); i >= len(b) {
		return false
	}
	switch b[i] {
	case ldapExtended, ldapExtResponse, ldapBind, ldapBindResponse, ldapSearch, ldapSearchEntry, ldapSearchDone:
		return true
	}
	return false
}

// lineEnd reports whether c ends a line.
func lineEnd(c byte) bool { return c == '\r' || c == '\n' }

// openings lists the beginnings of dialogs. sniffShort accepts any prefix of one.
var openings = [...]string{
	"220 ", "220-", "200 ", "201 ", "120 ", "* OK", "* PREAUTH", "* BYE", "+OK", `"IMPLE`, "OK \"", "OK (", "<?XML", "<STREAM", "NOTICE ",
	"EHLO ", "HELO ", "LHLO ", "STARTTLS", "STLS\r\n", "CAPA\r\n", "CAPABILITY", "CAPABILITIES", "AUTH TLS", "AUTH SSL", "AUTH GSSAPI", "X-ANONYMOUSTLS", "<STARTTLS", ":", "FEAT\r\n", "FEAT\n",
	"USER ", "PASS ", "NICK ", "HOST ", "CAP LS", "CAP REQ ", "MODE READER", "CONNECT ", "PROXY ", "OPTIONS ", "GET ", "HTTP/1.", "SIP/2.0 101 ",
	"AMQP\x02\x01", "\x00\x00\x00\x08\x04\xd2", "\x00\x5a", "\x03\x00", "\x04\x01", "\x12\x01", proxyV2, "\x20\x00\x00\x01", "STLS\n", "CAPA\n",
}

// sniffShort is Sniff for fewer than six bytes. Few messages are that short; most
// such segments belong to a message that was sent byte by byte.
func sniffShort(b []byte) stream.Sniff {
	switch {
	case len(b) == 0:
		return stream.SniffNone
	case len(b) == 1 && (b[0] == 'S' || b[0] == 'N'): // PostgreSQL's response
		return stream.SniffMaybe
	case b[0] == 5: // SOCKS5: the list of methods or the selected one
		if len(b) == 1 || len(b) == 2 && (b[1] <= 2 || b[1] == 0xff) || b[1] < 8 && int(b[1]) >= len(b)-2 {
			return stream.SniffMaybe
		}
		return stream.SniffNone
	case b[0] == '0': // LDAP or an IMAP tag
		if _, r := ldapOrText(b); r == no {
			return stream.SniffNone
		}
		return stream.SniffMaybe
	case len(b) > 1 && b[0] >= minGreeting && b[1] == 0: // MySQL
		if n := len(b) - 1; string(b[1:]) == "\x00\x00\x00\x0a"[:n] || b[0] == ' ' && string(b[1:min(len(b), 4)]) == "\x00\x00\x01"[:min(n, 3)] {
			return stream.SniffMaybe
		}
		return stream.SniffNone
	case len(b) == 1 && b[0] >= minGreeting, b[0] == ':' && printable(b), partTag(b):
		return stream.SniffMaybe
	}
	for _, s := range openings {
		n := min(len(b), len(s))
		if s[0] < '!' && string(b[:n]) == s[:n] || s[0] >= '!' && foldPrefix(b[:n], s[:n]) {
			return stream.SniffMaybe
		}
	}
	return stream.SniffNone
}
