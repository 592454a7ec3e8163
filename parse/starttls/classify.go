package starttls

import "pfsight/capture/stream"

// classify returns the layer that b, at least one byte, begins. The result is more
// if b is too short, and no if b begins no layer.
func classify(b []byte, d stream.Dir) (layer, result) {
	if d == stream.ToServer {
		return classifyClient(b)
	}
	return classifyServer(b)
}

func classifyClient(b []byte) (layer, result) {
	switch b[0] {
	case 0x00: // length 8, code 80877103 or 80877104
		return begins(b, "\x00\x00\x00\x08\x04\xd2\x16", layerPostgres, layerNone)
	case 0x03:
		return begins(b, "\x03\x00", layerRDP, layerNone)
	case 0x04:
		return begins(b, "\x04\x01", layerSOCKS4, layerNone)
	case 0x05:
		return layerSOCKS5, next
	case 0x0d:
		return begins(b, proxyV2, layerProxy, layerNone)
	case tdsPrelogin:
		return layerTDS, next
	case 0x20: // length 32, sequence 1
		return begins(b, "\x20\x00\x00\x01", layerMySQL, layerNone)
	case '0':
		return ldapOrText(b)
	case '<':
		return layerXMPP, next
	case 'A':
		return begins(b, "AMQP", layerAMQP, layerText)
	case 'C':
		return begins(b, "CONNECT ", layerHTTP, layerText)
	case 'P':
		return begins(b, "PROXY ", layerProxy, layerText)
	case 'G':
		return begins(b, "GET ", layerHTTP, layerText)
	case 'O':
		l, r := begins(b, "OPTIONS ", layerHTTP, layerText)
		if l == layerHTTP && r == next {
			l, r = begins(b[8:], "sip", layerSIP, layerHTTP)
		}
		return l, r
	}
	if alnum(b[0]) || tagMark(b[0]) {
		return layerText, next
	}
	return layerNone, no
}

func classifyServer(b []byte) (layer, result) {
	// The first byte of a MySQL greeting is its length, which may look like a
	// letter. Three zeros and the protocol version follow.
	if len(b) > 1 && b[1] == 0 && b[0] >= minGreeting {
		return begins(b[1:], "\x00\x00\x00\x0a", layerMySQL, layerNone)
	}
	switch b[0] {
	case 0x00:
		return begins(b, "\x00\x5a", layerSOCKS4, layerNone)
	case 0x03:
		return begins(b, "\x03\x00", layerRDP, layerNone)
	case 0x04:
		return begins(b, "\x04\x01", layerTDS, layerNone)
	case 0x05:
		return layerSOCKS5, next
	case tdsPrelogin:
		return layerTDS, next
	case '<':
		if len(b) < 2 {
			return layerNone, more
		}
		return layerXMPP, next
	}
	if len(b) < 2 {
		if b[0] < minGreeting {
			return layerNone, no
		}
		return layerNone, more
	}
	switch b[0] {
	case '0':
		return ldapOrText(b)
	case 'A':
		return begins(b, "AMQP", layerAMQP, layerText)
	case 'H':
		return begins(b, "HTTP/1.", layerHTTP, layerText)
	case 'S':
		if b[1] == 'I' {
			return begins(b, "SIP/2.0 ", layerSIP, layerText)
		}
		return layerPostgres, next
	case 'N':
		if b[1] == 'S' || b[1] == 'N' {
			return layerPostgres, next
		}
		return layerText, next
	case '*', '+', '"', ':':
		return layerText, next
	}
	if alnum(b[0]) {
		return layerText, next
	}
	return layerNone, no
}

// begins returns yes if b begins with s, else none. The result is more if b is too
// short to decide.
func begins(b []byte, s string, yes, none layer) (layer, result) {
	n := min(len(b), len(s))
	switch {
	case string(b[:n]) != s[:n]:
		if none == layerNone {
			return layerNone, no
		}
		return none, next
	case n < len(s):
		return layerNone, more
	}
	return yes, next
}

// ldapOrText distinguishes a BER SEQUENCE, whose tag is the digit 0, from an IMAP
// tag.
func ldapOrText(b []byte) (layer, result) {
	if len(b) < 2 {
		return layerNone, more
	}
	i := 2
	if b[1]&0x80 != 0 {
		if i += int(b[1] & 0x7f); i > 6 {
			return layerNone, no
		}
	}
	if len(b) <= i {
		return layerNone, more
	}
	if b[i] == 2 {
		return layerLDAP, next
	}
	return layerText, next
}

// tagMark reports whether c is a punctuation mark that may be in an IMAP tag.
// Tags that people type may consist of a single mark.
func tagMark(c byte) bool {
	switch c {
	case '.', '-', '_', '#', '$', '@', '!', '&', '/', ':', '=', '?', '~', ',', ';':
		return true
	}
	return false
}

// alnum reports whether c is an ASCII letter or digit.
func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// foldPrefix reports whether b begins with s, ignoring case. s is in upper case.
func foldPrefix(b []byte, s string) bool {
	if len(b) < len(s) {
		return false
	}
	for i := range len(s) {
		if upper(b[i]) != s[i] {
			return false
		}
	}
	return true
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 0x20
	}
	return c
}
