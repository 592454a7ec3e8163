package starttls

import "pfsight/capture/stream"

// A layer is the protocol that a walker reads. All line-based protocols share one
// layer, and a mask tells which of them are possible.
type layer uint8

const (
	layerNone layer = iota // determined by the next bytes
	layerText
	layerHTTP // CONNECT or an upgrade, also to WebSocket
	layerSIP  // an upgrade as in HTTP, from old drafts
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
	layerADAT // FTP with TLS in its ADAT tokens
)

var layerNames = [...]string{
	layerHTTP: "http", layerSIP: "sip", layerConnect: "connect", layerSOCKS4: "socks", layerSOCKS5: "socks", layerProxy: "proxy",
	layerXMPP: "xmpp", layerLDAP: "ldap", layerPostgres: "postgresql", layerMySQL: "mysql", layerRDP: "rdp", layerTDS: "tds", layerAMQP: "amqp",
	layerWebSocket: "websocket", layerADAT: "ftp",
}

func (l layer) String() string { return layerNames[l] }

// proxies reports whether another layer follows l.
func (l layer) proxies() bool { return l >= layerConnect && l <= layerProxy }

// A status is the state of a walk.
type status uint8

const (
	statusMore status = iota // needs more bytes
	statusTLS                // TLS begins at unit
	statusNo                 // TLS does not follow
)

// A result is the result of one step of a walk.
type result uint8

const (
	more result = iota // needs more bytes
	next               // the step is complete
	tls                // TLS begins at unit
	no                 // TLS does not follow
)

// Flags of the current layer.
const (
	flagSwitch = 1 << iota // this side requested or granted TLS
	flagSeen               // the layer is certain
	flagCont               // the line follows a literal; the frame continues a message
)

// noUnit is the value of walker.prev if there is none.
const noUnit = 0xffff

// A step is a layer, and for layerText the possible protocols.
type step struct {
	layer layer
	masks mask
}

// A trace collects information for Find that the walk itself does not need.
type trace struct {
	steps  [maxDepth]step
	n      int
	target string
}

// A walker reads one direction, unit by unit. A unit is a line, a head, a tag or a
// message, depending on the layer.
type walker struct {
	all []byte // the data before the first gap
	mid bool   // the start of the stream is missing
	b   []byte // the part of all within the limit
	dir stream.Dir

	status status
	layer  layer
	depth  uint8 // layers entered
	phase  uint8 // of the layer
	flags  uint8
	mask   mask
	unit   int // index of the unit; after b while a body is skipped
	pos    int // how far the unit is scanned
	prev   int // index of the last CONNECT
	want   int // the length of b needed to continue

	trace *trace // nil in Ask
}

// begin returns a walker at the start of h.
func begin(h *stream.Half, d stream.Dir) walker {
	w := walker{dir: d, prev: noUnit, mid: h.Midstream}
	w.see(h)
	return w
}

// see sets the data of the walker.
func (w *walker) see(h *stream.Half) {
	w.all = h.Data[:h.Contiguous()]
	w.b = w.all[:min(len(w.all), maxPreamble+recordStart)]
}

// The kinds of stream.Note that this package writes. The caller uses kind 1 for a
// half in TLS.
const (
	noteWalk   = 2 // the state of a walker
	noteFollow = 3 // the state of a follower
)

// A walker's state in a Note: Offset is pos, Aux holds unit and prev, and State the
// rest, at these bit positions.
const (
	noteStatus = 0
	noteLayer  = 2
	noteDepth  = 7
	notePhase  = 10
	noteFlags  = 14
	noteMask   = 18
)

// note returns the state of w.
func (w *walker) note() stream.Note {
	return stream.Note{
		Kind: noteWalk, Offset: w.pos,
		State: uint32(w.status)<<noteStatus | uint32(w.layer)<<noteLayer | uint32(w.depth)<<noteDepth |
			uint32(w.phase)<<notePhase | uint32(w.flags)<<noteFlags | uint32(w.mask)<<noteMask,
		Aux: uint32(w.unit) | uint32(w.prev)<<16,
	}
}

// resume returns the walker whose state is in h.Note.
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

// run walks as far as the data allow.
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

// step reads one unit of the current layer.
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

// rest returns the data from the unit on.
func (w *walker) rest() []byte { return w.b[w.unit:] }

// need requests n bytes from the unit on.
func (w *walker) need(n int) result {
	w.want = w.unit + n
	return more
}

// pass moves to the next unit, n bytes further.
func (w *walker) pass(n int) result {
	w.unit += n
	w.pos = w.unit
	return next
}

// enter begins the layer that the next bytes determine.
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
		return next // the head determines the layer
	}
	w.prev = noUnit
	return w.push(l)
}

// push counts and records a new layer.
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

// narrow records the mask in the trace.
func (w *walker) narrow() {
	if t := w.trace; t != nil && t.n > 0 {
		t.steps[t.n-1].masks = w.mask
	}
}

// target records the target of a proxy in the trace. The last target, that of the
// innermost proxy, remains.
func (w *walker) target(format func() string) {
	if t := w.trace; t != nil {
		if s := format(); s != "" {
			t.target = s
		}
	}
}

// leave ends the layer of a proxy. The next layer begins after n bytes.
func (w *walker) leave(n int) result {
	w.layer, w.phase, w.flags = layerNone, 0, 0
	return w.pass(n)
}

// record returns tls if a TLS record begins at the unit, more if that is undecided,
// and next if not. The record is a handshake, an alert, or a ClientHello in SSL
// 2.0 format.
func (w *walker) record() result {
	return recordAt(w.rest(), w.dir)
}

// recordAt is record for the start of b.
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

// onlyTLS is record where only TLS may follow.
func (w *walker) onlyTLS() result {
	if r := w.record(); r != next {
		return r
	}
	return no
}
