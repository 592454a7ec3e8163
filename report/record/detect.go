package record

import (
	"bytes"
)

// Detect reports whether the beginning of an input looks like saved records,
// as JSON Lines or as an array. end says that head is the whole input. more says
// that a longer beginning may look otherwise: the first record may be as long as
// MaxRecord.
func Detect(head []byte, end bool) (is, more bool) {
	b := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if string(bytes.TrimRight(b, " \t\r\n")) == "[]" && end {
		return true, false // of a capture without a handshake
	}
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("[")), " \t\r\n")
	if !bytes.HasPrefix(b, []byte("{")) {
		return false, len(b) == 0 && !end && len(head) < MaxRecord
	}
	if (bytes.Contains(b, []byte(`"client_ip"`)) || bytes.Contains(b, []byte(`"transport"`))) && bytes.Contains(b, []byte(`"forward_secrecy"`)) {
		return true, false
	}
	if end || len(head) >= MaxRecord {
		return false, false
	}
	for !recordBegins(b) {
		n := bytes.IndexByte(b, '\n')
		if n < 0 || !damaged(b) {
			return false, false
		}
		b = bytes.TrimLeft(b[n:], " \t\r\n") // a damaged line: look at the next one
		if !bytes.HasPrefix(b, []byte("{")) {
			return false, false
		}
	}
	return false, true
}

// damaged reports whether the first line of b is neither JSON nor the beginning
// of a JSON value.
func damaged(b []byte) bool {
	s := scanner{b: b}
	return !s.skip() && !endsInValue(b)
}

// recordBegins reports whether b is the beginning of an object that continues
// after b and has only fields of a record so far.
func recordBegins(b []byte) bool {
	s := scanner{b: b, i: 1}
	for s.blank(); s.i < len(b); {
		key, ok := s.key()
		if !ok {
			return s.i >= len(b) || endsInValue(b)
		}
		if name := string(key); fieldOf(key) == unknown && name != "event" && name != "connection" {
			return false
		}
		if !s.skip() {
			return endsInValue(b)
		}
		if s.i < len(b) && !s.next('}') {
			return false
		}
	}
	return true
}

// endsInValue reports whether b, the beginning of an object, ends inside a
// value. A JSON string holds no newline, so b is damaged if one does.
func endsInValue(b []byte) bool {
	quotes := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			quotes++
		case '\n':
			if quotes%2 == 1 {
				return false
			}
		}
	}
	return true
}
