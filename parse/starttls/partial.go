package starttls

import (
	"bytes"
	"encoding/binary"
)

// mayBegin reports whether b, at least six bytes that sniff rejects, may be the
// start of something that sniff accepts. The first segment may end anywhere.
func mayBegin(b []byte) bool {
	if len(b) >= sniffWindow {
		return false
	}
	switch c := b[0]; {
	case c < ' ':
		return partBinary(b)
	case c == '0':
		if _, r := ldapOrText(b); r == more {
			return true
		}
		return partLDAP(b) || partTag(b)
	case c == ':':
		return len(b) < 96 && printable(b)
	}
	return partWord(b) || partTag(b)
}

// printable reports whether b consists of printable ASCII characters.
func printable(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r > '~' })
}

// partWord is mayBegin for bytes that begin with a letter: an incomplete head of
// HTTP or SIP, or a part of an opening.
func partWord(b []byte) bool {
	switch {
	case string(b[:4]) == "GET " && len(b) < sniffWindowGET, string(b[:4]) == "HTTP", string(b[:4]) == "OPTI":
		return !bytes.Contains(b, []byte("\n\r\n")) && !bytes.Contains(b, []byte("\n\n"))
	}
	for _, s := range openings {
		if len(b) < len(s) && foldPrefix(b, s[:len(b)]) {
			return true
		}
	}
	return false
}

// partTag is mayBegin for an incomplete IMAP command, or a part of its tag.
func partTag(b []byte) bool {
	for i, c := range b {
		switch {
		case i > 0 && c == ' ':
			for _, s := range [...]string{"CAPABILITY", "STARTTLS", "ID (", "ID NIL"} {
				if rest := b[i+1:]; len(rest) < len(s) && foldPrefix(rest, s[:len(rest)]) {
					return true
				}
			}
			return false
		case i > tagLimit || !alnum(c) && !tagMark(c):
			return false
		}
	}
	return true
}

// partBinary is mayBegin for bytes that begin with a control character.
func partBinary(b []byte) bool {
	switch b[0] {
	case 0x00:
		const request = "\x00\x00\x00\x08\x04\xd2\x16\x2f"
		return len(b) < 8 && (b[1] == 90 || string(b) == request[:len(b)])
	case 0x04:
		return b[1] == 1 && (partTDS(b) || len(b) <= 8+2*(maxName+1) && b[2]|b[3] != 0 && (len(b) < 9 || b[len(b)-1] != 0))
	case 0x05:
		if n := int(b[1]) + 2; n < 10 && len(b) < n {
			return true
		}
		if b[1] > 1 || b[2] != 0 {
			return false
		}
		switch b[3] { // address type
		case 1:
			return len(b) < 10
		case 3:
			return len(b) < 7+int(b[4])
		case 4:
			return len(b) < 22
		}
	case 0x12:
		return b[1] == 1 && partTDS(b)
	}
	return false
}

// partTDS is mayBegin for an incomplete TDS packet.
func partTDS(b []byte) bool {
	if n := int(binary.BigEndian.Uint16(b[2:])); n < tdsHeader+6 || n >= 2<<8 || len(b) >= n {
		return false
	}
	head := b[min(len(b), tdsHeader):]
	for i, want := range [...]int{tdsVersion, 0, -1, 0, 6} {
		if i < len(head) && want >= 0 && int(head[i]) != want {
			return false
		}
	}
	return true
}

// partLDAP is mayBegin for an LDAPMessage that ends before its operation.
func partLDAP(b []byte) bool {
	i := 2
	if b[1]&0x80 != 0 {
		i += int(b[1] & 0x7f)
	}
	return i <= 6 && i+1 < len(b) && b[i] == berInteger && b[i+1] != 0 && b[i+1] <= 4 && i+2+int(b[i+1]) >= len(b)
}
