package starttls

import (
	"pfsight/capture/stream"
)

// A layer is one of the protocols that a walker is in. Those that are made of
// lines share one, with a mask of which of them it may be.
type layer uint8

const (
	layerNone layer = iota // the next bytes tell
	layerText
	layerHTTP // a head that may be of CONNECT or of an upgrade, also to WebSocket
	layerSIP  // the same of SIP; no RFC has it, old drafts did
	layerConnect
	layerSOCKS4
	layerSOCKS5
	layerProxy
	layerXMPP
	layerLDAP
	layerPostgres
	layerMySQL
	layerRDP
	layerTDS
	layerAMQP
	layerWebSocket
	layerADAT // FTP's lines, in whose tokens TLS has begun
)

var layerNames = [...]string{
	layerHTTP: "http", layerSIP: "sip", layerConnect: "connect", layerSOCKS4: "socks", layerSOCKS5: "socks", layerProxy: "proxy",
	layerXMPP: "xmpp", layerLDAP: "ldap", layerPostgres: "postgresql", layerMySQL: "mysql", layerRDP: "rdp", layerTDS: "tds", layerAMQP: "amqp",
	layerWebSocket: "websocket", layerADAT: "ftp",
}

func (l layer) String() string { return layerNames[l] }

// proxies reports whether another layer follows this one.
func (l layer) proxies() bool { return l >= layerConnect && l <= layerProxy }

// A status is how far a walk came.
type status uint8

const (
	statusMore status = iota // the bytes ended first
	statusTLS                // TLS begins at unit
	statusNo                 // TLS does not follow
)

// A result is what one step of a walk came to.
type result uint8

const (
	more result = iota // needs more bytes than there are
	next               // moved on
	tls                // TLS begins at unit
	no                 // TLS does not follow
)

// Flags of a walk. They belong to the layer, and are cleared with it.
const (
	flagSwitch = 1 << iota // this side asked for TLS or granted it
	flagSeen               // the layer has said something that only it says
	flagCont               // the line continues one with a literal, the frame a message
)

// noUnit says in walker.prev that there is none.
const noUnit = 0xffff

// A step of a trace is a layer, and for lines what they may be.
type step struct {
	layer layer
	masks mask
}

// A trace gathers what Find tells, which a walk itself need not know.
type trace struct {
	steps  [maxDepth]step
	n      int
	target string
}

// A walker reads one direction, unit by unit. A unit is what a layer reads at
// once: a line, a head, a tag, a message.
type walker struct {
	all []byte // without gaps
	mid bool   // what precedes it was not seen
	b   []byte // the part of all that may be read
	dir stream.Dir

	status status
	layer  layer
	depth  uint8 // layers entered
	phase  uint8 // of the layer
	flags  uint8
	mask   mask
	unit   int // where the unit begins; behind b while a body is passed over
	pos    int // how far the unit was scanned
	prev   int // the unit of the last CONNECT
	want   int // the length of b that is needed to go on

	trace *trace // nil in Ask
}

func begin(h *stream.Half, d stream.Dir) walker {
	w := walker{dir: d, prev: noUnit, mid: h.Midstream}
	w.see(h)
	return w
}

func (w *walker) see(h *stream.Half) {
	w.all = h.Data[:h.Contiguous()]
	w.b = w.all[:min(len(w.all), maxPreamble+recordStart)]
}

// The kinds of stream.Note that this package writes. 1 is that of its caller,
// for a half in TLS.
const (
	noteWalk   = 2 // the note of a walker
	noteFollow = 3 // the note of a follower
)

// The Note of a walker: Offset is pos, Aux is unit and prev, and State is the
// rest.
const (
	noteStatus = 0
	noteLayer  = 2
	noteDepth  = 7
	notePhase  = 10
	noteFlags  = 14
	noteMask   = 18
)

func (w *walker) note() stream.Note {
	return stream.Note{
		Kind: noteWalk, Offset: w.pos,
		State: uint32(w.status)<<noteStatus | uint32(w.layer)<<noteLayer | uint32(w.depth)<<noteDepth |
			uint32(w.phase)<<notePhase | uint32(w.flags)<<noteFlags | uint32(w.mask)<<noteMask,
		Aux: uint32(w.unit) | uint32(w.prev)<<16,
	}
}

func resume(h *stream.Half, d stream.Dir) walker {
	w := begin(h, d)
	if s := h.Note.State; h.Note.Kind == noteWalk {
		w.status = status(s >> noteStatus & 3)
		w.layer = layer(s >> noteLayer & 31)
		w.depth = uint8(s >> noteDepth & 7)
		w.phase = uint8(s >> notePhase & 15)
		w.flags = uint8(s >> noteFlags & 15)
		w.mask = mask(s >> noteMask & 255)
		w.pos, w.unit, w.prev = h.Note.Offset, int(h.Note.Aux&0xffff), int(h.Note.Aux>>16)
	}
	return w
}

// run goes on as far as the bytes allow.
func (w *walker) run() {
	for w.status == statusMore {
		w.want = len(w.b) + 1
		r := more
		switch {
		case w.unit > maxPreamble:
			r = no
		case w.unit >= len(w.b):
			w.want = w.unit + 1
		default:
			r = w.step()
		}
		switch r {
		case tls:
			w.status = statusTLS
		case no:
			w.status = statusNo
		case more:
			if w.want > maxPreamble+recordStart {
				w.status = statusNo
			}
			return
		}
	}
}

func (w *walker) step() result {
	switch w.layer {
	case layerNone:
		return w.enter()
	case layerText:
		return w.text()
	case layerXMPP:
		return w.xmpp()
	case layerHTTP, layerSIP:
		return w.http()
	case layerSOCKS4:
		return w.socks4()
	case layerSOCKS5:
		return w.socks5()
	case layerProxy:
		return w.proxy()
	case layerLDAP:
		return w.ldap()
	case layerPostgres:
		return w.postgres()
	case layerMySQL:
		return w.mysql()
	case layerRDP:
		return w.rdp()
	case layerTDS:
		return w.tds()
	case layerAMQP:
		return w.amqp()
	case layerWebSocket:
		return w.websocket()
	}
	return no
}

// rest returns the bytes of the unit that are there.
func (w *walker) rest() []byte { return w.b[w.unit:] }

// need says that the unit has at least n bytes.
func (w *walker) need(n int) result {
	w.want = w.unit + n
	return more
}

// pass moves to the next unit, n bytes on.
func (w *walker) pass(n int) result {
	w.unit += n
	w.pos = w.unit
	return next
}

// enter begins the layer that the next bytes tell.
func (w *walker) enter() result {
	if r := w.record(); r != next {
		return r
	}
	l, r := classify(w.rest(), w.dir)
	if r != next {
		return r
	}
	w.layer, w.phase, w.flags, w.mask, w.pos = l, 0, 0, anyText, w.unit
	if l == layerHTTP || l == layerSIP {
		return next // the head tells which layer it is
	}
	w.prev = noUnit
	return w.push(l)
}

// push counts a layer that was entered.
func (w *walker) push(l layer) result {
	if w.depth++; w.depth > maxDepth {
		return no
	}
	if t := w.trace; t != nil {
		t.steps[t.n] = step{l, w.mask}
		t.n++
	}
	return next
}

// narrow notes for a trace what the lines may be.
func (w *walker) narrow() {
	if t := w.trace; t != nil && t.n > 0 {
		t.steps[t.n-1].masks = w.mask
	}
}

// target notes where the layer was told to connect to. It is called with
// every target, so the last, innermost, one stays.
func (w *walker) target(make func() string) {
	if t := w.trace; t != nil {
		if s := make(); s != "" {
			t.target = s
		}
	}
}

// leave ends a proxy's layer: another one begins n bytes on.
func (w *walker) leave(n int) result {
	w.layer, w.phase, w.flags = layerNone, 0, 0
	return w.pass(n)
}

// record looks whether a TLS record begins at the unit: a handshake or an
// alert, or the client's hello in SSL 2.0's form. It returns next if not.
func (w *walker) record() result {
	return recordAt(w.rest(), w.dir)
}

func recordAt(b []byte, d stream.Dir) result {
	switch {
	case len(b) == 0:
		return more
	case b[0] == 0x16 || b[0] == 0x15:
		if len(b) < 2 || len(b) < 3 && (b[1] == 3 || b[1] == 1) {
			return more
		}
		if b[1] == 3 && b[2] <= 4 || b[1] == 1 && b[2] == 1 {
			return tls
		}
	case b[0]&0x80 != 0 && d == stream.ToServer:
		// RFC 5246 appendix E.2: length, type 1, version.
		if len(b) > 2 && b[2] != 1 || len(b) > 3 && b[3] != 0 && b[3] != 3 {
			return next
		}
		if len(b) < recordStart {
			return more
		}
		if b[3] == 0 && b[4] == 2 || b[3] == 3 && b[4] <= 4 {
			return tls
		}
	}
	return next
}

// onlyTLS says that nothing but TLS may follow here.
func (w *walker) onlyTLS() result {
	if r := w.record(); r != next {
		return r
	}
	return no
}
