package starttls

import "pfsight/capture/stream"

// Limits of the plaintext before TLS, in bytes of one direction.
const (
	// maxPreamble is the limit of all plaintext. Usually it is less than 2 KiB;
	// several nested proxies and LDAP searches make it longer.
	maxPreamble = 16 << 10
	// maxLine is the limit of a line or XML tag, with its end. RFC 5321 allows 512.
	// RFC 9051 recommends 8192 for IMAP, but only long searches need that.
	maxLine = 4 << 10
	// maxHead is the limit of the head of an HTTP message. Kerberos tokens make
	// heads long.
	maxHead = 12 << 10
	// maxPacket is the limit of a message of LDAP, MySQL, TDS or X.224.
	maxPacket = 8 << 10
	// maxProxyHeader is the limit of a PROXY protocol header of version 2. Usually
	// it has 28 bytes; certificates in its TLVs make it longer.
	maxProxyHeader = 4 << 10
	// maxDepth is the maximum number of layers.
	maxDepth = 5
	// maxFramed is the limit of the TDS packets, WebSocket frames or lines that
	// carry a TLS handshake.
	maxFramed = 96 << 10
	// recordStart is the number of bytes that identify the start of a TLS record
	// or of a ClientHello in SSL 2.0 format.
	recordStart = 5
)

const (
	dirClient = stream.ToServer
	dirServer = stream.ToClient
)

// An Upgrade describes the plaintext before TLS.
type Upgrade struct {
	// Protocol is the last protocol before TLS: smtp, lmtp, imap, pop3, sieve,
	// ftp, nntp, xmpp, irc, ldap, postgresql, mysql, rdp, tds, sip, http, amqp or
	// websocket; if there were only proxies, the last one: connect, socks, proxy.
	// It is empty if several protocols are possible.
	Protocol string
	// Chain lists all protocols, the outermost first and Protocol last. It is nil
	// if there is only one.
	Chain []string
	// Target is the destination that the client gave to the innermost proxy, as
	// host:port. For the PROXY protocol it is the original destination. It may
	// contain any byte. It is empty if unknown.
	Target string
	// From is the index in Data at which TLS begins, by stream.Dir, or the length
	// of Data if the beginning was not seen.
	From [2]int
	// Framed reports that TLS is inside TDS packets, WebSocket frames or lines of
	// base64, from From on. Unframe extracts it.
	Framed bool
}

// Ask is like a stream.Asker for the plaintext before TLS. It is called after
// Half[d] grew, and keeps its state in the half's Note.
//
// ready means that TLS begins at Note.Offset of Half[d]; then Ask must not be
// called for that half again. Until then the verdict is More, or Refuse if the
// protocol is unknown, continues without TLS, or exceeds a limit.
//
// A half with framed TLS is never ready. Ask follows the frames through the
// handshake and then sets Done. It returns Enough when both halves are done, or
// earlier if the records in both halves show the end of the handshake.
//
// Ask does not use the other half, except its state in framed TLS. It looks at
// each byte a bounded number of times, however the bytes are segmented.
func Ask(c *stream.Conversation, d stream.Dir) (v stream.Decision, ready bool) {
	h := &c.Half[d]
	if h.Done {
		return verdict(c), false
	}
	if follows(&h.Note) {
		follow(c, d, following(&h.Note))
		return verdict(c), false
	}
	w := resume(h, d)
	w.run()
	h.Note, h.Want = w.note(), w.want
	switch w.status {
	case statusNo:
		return stream.Refuse, false
	case statusTLS:
		switch w.layer {
		case layerTDS:
			to, done := frames(w.all, w.pos)
			h.Note.Offset, h.Want, h.Done = to.at, to.want, done
		case layerADAT:
			to, done := tokens(w.all, w.pos, d)
			h.Note.Offset, h.Want, h.Done = to.at, to.want, done
		case layerWebSocket:
			follow(c, d, follower{at: w.unit, frame: w.unit})
		default:
			h.Note.Offset = w.unit
			return stream.More, true
		}
		return verdict(c), false
	}
	return stream.More, false
}

// verdict returns Enough if both halves of framed TLS are done.
func verdict(c *stream.Conversation) stream.Decision {
	if c.Half[0].Done && c.Half[1].Done || followed(c) {
		return stream.Enough
	}
	return stream.More
}

// Find returns the plaintext before TLS. ok is false if TLS begins the conversation,
// if there is no TLS, or if missing bytes leave it undetermined. Find does not use
// Notes.
func Find(c *stream.Conversation) (u Upgrade, ok bool) {
	var w [2]walker
	var t [2]trace
	layered := false
	for d := range w {
		h := &c.Half[d]
		w[d] = begin(h, stream.Dir(d))
		w[d].trace = &t[d]
		w[d].run()
		if w[d].status == statusNo {
			return Upgrade{}, false
		}
		if w[d].status == statusTLS && t[d].n > 0 {
			layered = true
		}
	}
	if !layered {
		return Upgrade{}, false
	}
	u.Target = t[stream.ToServer].target
	for d := range w {
		h := &c.Half[d]
		u.From[d] = len(h.Data)
		if w[d].status != statusTLS {
			continue
		}
		u.From[d] = w[d].unit
		u.Framed = u.Framed || w[d].layer == layerTDS || w[d].layer == layerWebSocket || w[d].layer == layerADAT
		// A side begins with TLS only if the other one sends a PROXY header.
		if t[d].n == 0 && !h.Midstream && !t[1-d].silent(stream.Dir(d)) {
			return Upgrade{}, false
		}
	}
	chain := merge(&t, c.Server.Port())
	if cl := &c.Half[stream.ToServer]; w[0].status == statusMore && (cl.Cut || cl.Full || len(cl.Gaps) > 0) {
		// The end of the client's plaintext is missing, so only the server's
		// shows the protocol.
		u.Target = ""
		if app := t[1].app(); app.layer == layerNone || w[1].status != statusTLS {
			return u, true
		}
		chain = chain[len(chain)-1:]
	}
	u.Protocol = chain[len(chain)-1]
	if len(chain) > 1 && u.Protocol != "" {
		u.Chain = chain
	}
	return u, true
}

// silent reports whether side d sends nothing in all layers of t, the trace of
// the other side.
func (t *trace) silent(d stream.Dir) bool {
	for _, s := range t.steps[:t.n] {
		if d != stream.ToClient || s.layer != layerProxy {
			return false
		}
	}
	return true
}

// merge returns the chain of protocols from both traces. The proxies are from the
// client's trace if there is one, because the client sends something to each.
func merge(t *[2]trace, port uint16) []string {
	cl, sv := &t[stream.ToServer], &t[stream.ToClient]
	app, other := cl.app(), sv.app()
	m := app.masks
	switch {
	case app.layer == layerNone:
		app, m = other, other.masks
	case app.layer == layerText && other.layer == layerText:
		if both := m & other.masks; both != 0 {
			m = both
		}
	}
	p := cl
	if cl.n == 0 {
		p = sv
	}
	var chain []string
	for _, s := range p.steps[:p.n] {
		if s.layer.proxies() {
			chain = append(chain, s.layer.String())
		}
	}
	switch app.layer {
	case layerNone:
	case layerText:
		chain = append(chain, m.name(port))
	default:
		chain = append(chain, app.layer.String())
	}
	return chain
}

// app returns the last step, or none if that is a proxy.
func (t *trace) app() step {
	if t.n > 0 && !t.steps[t.n-1].layer.proxies() {
		return t.steps[t.n-1]
	}
	return step{}
}
