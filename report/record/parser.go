package record

import (
	"pfsight/report"
	"pfsight/report/schema"
	"pfsight/report/secrecy"
)

// Limits of what a Parser remembers to share it between rows. What exceeds them
// is made again for each row.
const (
	maxOffers       = 1 << 14 // distinct offers
	maxCertificates = 1 << 14
	maxLists        = 1 << 12  // distinct lists of strings, and of reasons
	maxShared       = 1 << 16  // bytes of JSON of one offer, certificate or list
	maxMemory       = 32 << 20 // bytes of JSON that all Parsers of a Read remember
)

// A Parser reads records. Equal offers, certificates, lists and most equal
// strings are made once and shared. It is used by one goroutine.
type Parser struct {
	scanner
	strings interned
	clock   clock
	offers  map[string]made[*report.Offer]
	certs   map[string]made[*report.Certificate]
	lists   map[string][]string
	reasons map[string]made[secrecy.Reasons]
	held    int // bytes of JSON that the maps remember
	maxHeld int
	notes   string        // the first thing that was left out of the record
	unended int64         // records of handshake events without their end events
	scratch []schema.Code // of one list

	// after holds for each field the field that followed it last. Most records
	// have their fields in the same order.
	after [maxFields]field
}

// made is what a piece of JSON was read as, and the note on it.
type made[T any] struct {
	v    T
	note string
}

// NewParser returns a Parser.
func NewParser() *Parser {
	return &Parser{
		offers: map[string]made[*report.Offer]{}, certs: map[string]made[*report.Certificate]{},
		lists: map[string][]string{}, reasons: map[string]made[secrecy.Reasons]{}, maxHeld: maxMemory,
	}
}

// An Error says which field of a record could not be read.
type Error struct{ Field, What string }

func (e *Error) Error() string {
	if e.Field == "" {
		return e.What
	}
	return e.Field + ": " + e.What
}

// Parse reads the JSON object at the start of b into c and returns its length.
// Fields that are not known are skipped, and null is an absent value. A name
// that is not registered is left out, and note says so; an offer that it was in
// is incomplete then. Any other value that a field cannot have is an *Error, and
// c then holds no record. c does not alias b.
func (p *Parser) Parse(b []byte, c *report.Connection) (n int, note string, err error) {
	*c = schema.Empty()
	p.scanner = scanner{b: b}
	p.notes = ""
	if !p.open('{') {
		return 0, "", &Error{What: "not a JSON object"}
	}
	judged := false
	last := unknown
	for more := p.more('}'); more; {
		f := p.after[last]
		key, ok := []byte(nil), true
		if lead := leads[f]; len(lead) <= len(p.b)-p.i && string(p.b[p.i:p.i+len(lead)]) == lead {
			if p.i += len(lead); p.i < len(p.b) && p.b[p.i] <= ' ' {
				p.blank()
			}
		} else {
			if key, ok = p.key(); !ok {
				return 0, "", &Error{What: "not JSON"}
			}
			f = fieldOf(key)
			p.after[last] = f
		}
		last = f
		switch {
		case p.null():
		case f == unknown:
			ok = p.skip()
		default:
			judged = judged || f == verdict
			ok = readers[f](p, c)
		}
		if !ok || p.bad {
			name := names[f]
			if f == unknown {
				name = clip(key)
			}
			return 0, "", &Error{Field: name, What: "not a value of this field"}
		}
		more = p.next('}')
	}
	switch {
	case p.bad:
		return 0, "", &Error{What: "not JSON"}
	case !judged:
		return 0, "", &Error{What: "not a record of a connection: forward_secrecy is missing"}
	}
	schema.Finish(c)
	return p.i, p.notes, nil
}

// clip shortens what a message quotes.
func clip(raw []byte) string {
	if len(raw) > 64 {
		return string(raw[:64]) + "…"
	}
	return string(raw)
}

// note keeps the first note on a record.
func (p *Parser) note(s string) {
	if p.notes == "" {
		p.notes = s
	}
}

// room reports whether n more bytes may be remembered, and counts them.
func (p *Parser) room(n int) bool {
	if n > maxShared || p.held+n > p.maxHeld {
		return false
	}
	p.held += n
	return true
}
