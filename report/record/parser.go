// Package record reads saved records: the JSON objects that package render
// writes, one of a connection. What a record does not hold is not made up:
// an absent field is the zero of a Connection's.
package record

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strconv"

	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/secrecy"
)

// Limits of what a Parser remembers to share between rows. What is beyond
// them is made anew each time.
const (
	maxOffers       = 1 << 14 // distinct offers
	maxCertificates = 1 << 14
	maxLists        = 1 << 12  // distinct lists of strings and of reasons
	maxShared       = 1 << 16  // bytes of JSON of an offer, a certificate or a list that is remembered
	maxMemory       = 32 << 20 // bytes of JSON remembered by all Parsers of a Read
)

// A Parser reads records. Equal offers, certificates, lists and most equal
// strings are made once and shared. One goroutine uses it.
type Parser struct {
	scanner
	strings interned
	codes   *codes
	clock   clock
	offers  map[string]shared[*report.Offer]
	certs   map[string]shared[*report.Certificate]
	lists   map[string][]string
	reasons map[string]shared[secrecy.Reasons]
	held    int              // bytes of JSON that the maps remember,
	most    int              // and may
	note    string           // what was passed over
	server  bool             // a version was read
	unended int64            // records that were announced in advance and did not end
	after   [numFields]field // which field came after which
}

// shared is what was made of a piece of JSON, and what was passed over in it.
type shared[T any] struct {
	v    T
	note string
}

// NewParser returns a Parser.
func NewParser() *Parser {
	return &Parser{
		codes: newCodes(), offers: map[string]shared[*report.Offer]{}, certs: map[string]shared[*report.Certificate]{},
		lists: map[string][]string{}, reasons: map[string]shared[secrecy.Reasons]{}, most: maxMemory,
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

// Parse reads the JSON object at the start of b into c and returns its
// length. A field that is not known is passed over; null is an absent one. A
// name that is not registered is passed over too and told by note: the offer
// it was in is incomplete then. Everything else that cannot be so is an
// error, and then c holds no record. c does not alias b.
func (p *Parser) Parse(b []byte, c *report.Connection) (n int, note string, err error) {
	*c = report.Connection{TicketLifetime: -1}
	p.scanner = scanner{b: b}
	p.note, p.server = "", false
	if !p.open('{') {
		return 0, "", &Error{What: "not a JSON object"}
	}
	var judged bool
	last := fUnknown
	for more := p.more('}'); more; {
		// The fields come in the order of those of the record before, mostly.
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
		case f == fTime:
			c.Time, ok = p.time()
		case f == fForwardSecrecy:
			c.ForwardSecrecy, ok = p.verdict()
			judged = true
		case f == fUnknown:
			ok = p.skip()
		default:
			ok = p.field(f, c)
		}
		if !ok || p.bad {
			name := fieldNames[f]
			if f == fUnknown {
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
	// A HelloRetryRequest settles a version too.
	c.HasServerHello = p.server && (c.HelloRetryRequest != secrecy.True || c.ServerHelloPacket > 0)
	if c.HasSession && c.Session.Source == "" {
		c.Session.Source = c.Source
	}
	return p.i, p.note, nil
}

// field reads the value of a field into c and reports whether it is one.
func (p *Parser) field(f field, c *report.Connection) (ok bool) {
	switch f {
	case fClientIP:
		return p.address(&c.Client.AddrPort)
	case fServerIP:
		return p.address(&c.Server.AddrPort)
	case fClientPort:
		return p.port(&c.Client.AddrPort)
	case fServerPort:
		return p.port(&c.Server.AddrPort)
	case fClientMAC:
		return p.mac(&c.Client.MAC)
	case fServerMAC:
		return p.mac(&c.Server.MAC)
	case fMigratedTo:
		raw, escaped := p.raw()
		if p.bad || escaped {
			return false
		}
		var err error
		c.MigratedTo, err = netip.ParseAddrPort(p.strings.of(raw))
		return err == nil
	case fTransport:
		switch raw, _ := p.raw(); string(raw) {
		case "tcp":
			c.Transport = stream.TCP
		case "udp":
			c.Transport = stream.UDP
		case "eapol":
			c.Transport = stream.EAPOL
		default:
			return false
		}
		return true
	case fProtocol:
		switch raw, _ := p.raw(); string(raw) {
		case "tls":
			c.Protocol = parse.TLS
		case "dtls":
			c.Protocol = parse.DTLS
		case "quic":
			c.Protocol = parse.QUIC
		default:
			return false
		}
		return true
	case fQUICVersion:
		return p.text(&c.QUICVersion)
	case fUpgradeChain:
		return p.list(&c.UpgradeChain)
	case fTarget:
		return p.text(&c.Target)
	case fUpgrade:
		return p.text(&c.Upgrade)
	case fEncapsulation:
		return p.list(&c.Encapsulation)
	case fSource:
		return p.text(&c.Source)
	case fServerName:
		return p.text(&c.ServerName)
	case fALPN:
		return p.text(&c.ALPN)
	case fVersion, fVersionID:
		ok = p.code(&p.codes.versions, f == fVersionID, "version", (*uint16)(&c.Version))
		p.server = true
		return ok
	case fRetryGroup:
		c.HasRetryGroup = true
		return p.code(&p.codes.groups, false, "hello_retry_group", (*uint16)(&c.RetryGroup))
	case fCipherSuite, fCipherSuiteID:
		if kind, known := p.sslv2Kind(); known {
			c.SSLv2Kind = kind
			return true
		}
		return p.code(&p.codes.suites, f == fCipherSuiteID, "cipher_suite", (*uint16)(&c.CipherSuite))
	case fGroup, fGroupID:
		c.HasGroup = true
		return p.code(&p.codes.groups, f == fGroupID, "group", (*uint16)(&c.Group))
	case fKeyExchange:
		return p.text(&c.KeyExchange)
	case fAuthentication:
		return p.text(&c.Authentication)
	case fDHBits:
		return p.small(&c.DHBits)
	case fDHPrime:
		return p.text(&c.DHPrime)
	case fCurveBits:
		return p.small(&c.CurveBits)
	case fPSKMode:
		return p.text(&c.PSKMode)
	case fResumed:
		return p.tri(&c.Resumed)
	case fResumption:
		return p.text(&c.Resumption)
	case fEarlyData:
		return p.text(&c.EarlyData)
	case fHelloRetryRequest:
		return p.tri(&c.HelloRetryRequest)
	case fECH:
		return p.tri(&c.ECH)
	case fExtendedMaster:
		return p.tri(&c.ExtendedMaster)
	case fReasons:
		return p.reasonList(&c.Reasons)
	case fPostQuantum:
		return p.tri(&c.PostQuantum)
	case fOutcome:
		switch raw, _ := p.raw(); string(raw) {
		case "incomplete":
			c.Outcome = report.Incomplete
		case "established":
			c.Outcome = report.Established
		case "rejected":
			c.Outcome = report.Rejected
		default:
			return false
		}
		return true
	}
	return p.rest(f, c)
}

// rest reads the fields that field does not.
func (p *Parser) rest(f field, c *report.Connection) (ok bool) {
	switch f {
	case fSessionTime:
		c.HasSession = true
		c.Session.Time, ok = p.time()
		return ok
	case fSessionPacket:
		return p.number(&c.Session.Packet)
	case fSessionSource:
		return p.text(&c.Session.Source)
	case fSessionVerdict:
		c.Session.ForwardSecrecy, ok = p.verdict()
		return ok
	case fEncryptThenMAC:
		return p.tri(&c.EncryptThenMAC)
	case fRenegotiation:
		return p.tri(&c.Renegotiation)
	case fAlert:
		return p.text(&c.Alert)
	case fAlertFrom:
		return p.side(&c.AlertFrom)
	case fOneDirection:
		return p.side(&c.OneWay)
	case fCertificate:
		return p.certificate(&c.Certificate)
	case fClientCertificate:
		return p.certificate(&c.ClientCert)
	case fEphemeralKeyID:
		return p.hex(c.EphemeralKey[:])
	case fTicketKeyID:
		return p.text(&c.TicketKey)
	case fTicketLifetime:
		var n uint64
		ok = p.number(&n)
		c.TicketLifetime = int64(n)
		return ok && n < 1<<32
	case fJA3:
		return p.text(&c.JA3)
	case fJA3S:
		return p.text(&c.JA3S)
	case fJA4:
		return p.text(&c.JA4)
	case fClientHelloPacket:
		return p.number(&c.ClientHelloPacket)
	case fServerHelloPacket:
		return p.number(&c.ServerHelloPacket)
	case fBytesToServer:
		return p.number(&c.Totals.Bytes[0])
	case fBytesToClient:
		return p.number(&c.Totals.Bytes[1])
	case fPackets:
		return p.number(&c.Totals.Packets)
	case fLastTime:
		c.Totals.Last, ok = p.time()
		return ok
	case fClientHelloSplit:
		return p.boolean(&c.FirstHelloSplit)
	case fGap:
		return p.boolean(&c.Gap)
	case fOffered:
		return p.offer(&c.Offered)
	case fProblems:
		return p.list(&c.Problems)
	}
	return p.skip()
}

// sslv2Kind reads a cipher kind of SSL 2.0, by its name or its number of six
// digits, and reports whether it is one. If not, nothing was read.
func (p *Parser) sslv2Kind() (kind iana.SSLv2Kind, ok bool) {
	rest := p.b[p.i:]
	if !bytes.HasPrefix(rest, []byte(`"SSL_CK_`)) && !(bytes.HasPrefix(rest, []byte(`"0x`)) && bytes.IndexByte(rest[3:min(len(rest), 10)], '"') == 6) {
		return 0, false
	}
	raw, _ := p.raw()
	if kind, ok := p.codes.kinds[string(raw)]; ok {
		return kind, true
	}
	v, err := strconv.ParseUint(string(raw), 0, 24)
	if err != nil {
		p.tell("cipher_suite: " + clip(raw) + " is not registered")
	}
	return iana.SSLv2Kind(v), true
}

func (p *Parser) text(to *string) bool {
	raw, escaped := p.raw()
	if escaped {
		*to = report.Untext(unescape(raw))
		return !p.bad
	}
	*to = p.strings.of(raw)
	return !p.bad
}

func (p *Parser) side(to *string) bool {
	switch raw, _ := p.raw(); string(raw) {
	case "client":
		*to = "client"
	case "server":
		*to = "server"
	default:
		return false
	}
	return true
}

func (p *Parser) address(to *netip.AddrPort) bool {
	raw, escaped := p.raw()
	a, ok := addr4(raw)
	if !ok && !p.bad && !escaped {
		var err error
		a, err = netip.ParseAddr(p.strings.of(raw))
		ok = err == nil || len(raw) == 0 // no address
	}
	*to = netip.AddrPortFrom(a, to.Port())
	return ok && !p.bad
}

func (p *Parser) mac(to *stream.MAC) bool {
	raw, escaped := p.raw()
	if p.bad || escaped || len(raw) != 6*3-1 {
		return false
	}
	for i := range to {
		if i > 0 && raw[3*i-1] != ':' {
			return false
		}
		if _, err := hex.Decode(to[i:i+1], raw[3*i:3*i+2]); err != nil {
			return false
		}
	}
	return true
}

func (p *Parser) port(to *netip.AddrPort) bool {
	var n uint64
	ok := p.number(&n)
	*to = netip.AddrPortFrom(to.Addr(), uint16(n))
	return ok && n < 1<<16
}

func (p *Parser) small(to *int) bool {
	var n uint64
	ok := p.number(&n)
	*to = int(n)
	return ok && n < 1<<31
}

func (p *Parser) verdict() (secrecy.Verdict, bool) {
	switch raw, _ := p.raw(); string(raw) {
	case "yes":
		return secrecy.Yes, true
	case "no":
		return secrecy.No, true
	case "conditional":
		return secrecy.Conditional, true
	case "unknown":
		return secrecy.Unknown, true
	}
	return 0, false
}

func (p *Parser) tri(to *secrecy.Tri) bool {
	var b bool
	ok := p.boolean(&b)
	*to = secrecy.TriOf(b)
	return ok
}

// code reads a code point by its number or its name. The number counts where
// both are there, in any order.
func (p *Parser) code(names *map[string]uint16, id bool, what string, to *uint16) bool {
	raw, escaped := p.raw()
	if p.bad || escaped {
		return false
	}
	if v, ok := hexCode(raw); ok {
		*to = v
		return true
	}
	if id {
		return false
	}
	if *to != 0 {
		return true
	}
	v, ok := (*names)[string(raw)]
	if *to = v; !ok && p.note == "" && !p.follows(what) {
		p.note = what + ": " + clip(raw) + " is not registered"
	}
	return true
}

// follows reports whether the next field is the number of this name, as a
// writer that knows more names than this one leaves it.
func (p *Parser) follows(what string) bool {
	rest := p.b[p.i:]
	want := `,"` + what + `_id":"`
	return len(rest) > len(want) && string(rest[:len(want)]) == want
}

func clip(raw []byte) string {
	if len(raw) > 64 {
		return string(raw[:64]) + "…"
	}
	return string(raw)
}

func (p *Parser) tell(note string) {
	if p.note == "" {
		p.note = note
	}
}

// room reports whether n bytes more may be remembered, and takes them.
func (p *Parser) room(n int) bool {
	if n > maxShared || p.held+n > p.most {
		return false
	}
	p.held += n
	return true
}
