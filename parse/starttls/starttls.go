// Package starttls follows the plaintext that precedes TLS on one TCP
// connection: the dialogs of mail, directory, database, chat and remote
// desktop protocols that switch to TLS, the WebSockets it is sent through, and
// the proxies (HTTP CONNECT, SOCKS, the PROXY protocol) in front of them or of
// TLS itself. It says where in each direction TLS begins.
//
// Each direction is read on its own, command by command or reply by reply,
// and TLS is recognised by its record header where the next one would begin.
// So the answer does not depend on how the two directions interleave, on
// pipelining, on which reply belongs to which command, or on both directions
// being there.
package starttls

import (
	"pfsight/capture/stream"
)

// Limits of the plaintext before TLS, of one direction.
const (
	// maxPreamble is how many bytes may come before TLS. Real ones have less
	// than 2 KiB; a tall stack of proxies and LDAP searches has more.
	maxPreamble = 16 << 10
	// maxLine is the longest line or XML tag, its end included. RFC 5321 has
	// 512, RFC 9051 advises 8192 for IMAP, which only long searches need.
	maxLine = 4 << 10
	// maxHead is the longest head of an HTTP message. Tokens of Kerberos make
	// them large.
	maxHead = 12 << 10
	// maxPacket is the longest binary message: of LDAP, MySQL, TDS, X.224.
	maxPacket = 8 << 10
	// maxProxyHeader is the longest header of the PROXY protocol, version 2;
	// certificates in its TLVs make it larger than its usual 28 bytes.
	maxProxyHeader = 4 << 10
	// maxDepth is how many layers may be nested, the last one included.
	maxDepth = 5
	// maxFramed is how many bytes of TDS packets or WebSocket frames may carry a
	// TLS handshake.
	maxFramed = 96 << 10
	// recordStart is how many bytes tell that a TLS record begins; the longest
	// is a ClientHello in SSL 2.0's form.
	recordStart = 5
)

const (
	dirClient = stream.ToServer
	dirServer = stream.ToClient
)

// An Upgrade says how a connection came to TLS.
type Upgrade struct {
	// Protocol is what was spoken last before TLS: smtp lmtp imap pop3 sieve
	// ftp nntp xmpp irc ldap postgresql mysql rdp tds sip http amqp websocket, or
	// the last proxy if nothing else was: connect socks proxy. Empty: several are
	// possible.
	Protocol string
	// Chain is all that was spoken, outermost first and Protocol last; nil if
	// that is Protocol only.
	Chain []string
	// Target is where the innermost proxy was told to connect, host:port as
	// it was sent, or for the PROXY protocol where its client had connected.
	// It may hold any byte. Empty: not known.
	Target string
	// From is where TLS begins in each half, by stream.Dir; the length of its
	// Data if that was not seen.
	From [2]int
	// Framed says that TLS travels inside TDS packets, WebSocket frames or lines
	// of base64, the first of which is at From; Unframe takes them off.
	Framed bool
}

// Ask looks at Half[d] of a conversation after it grew, as a stream.Asker
// does, and keeps what it must remember in its Note. When ready, TLS begins at Note.Offset of Half[d] and Ask is to be
// called for that half no more, though for the other one until that is ready
// too. Until then the verdict is More or, when the dialog is none of those
// known, went on without TLS, or is over a limit, Refuse.
//
// Where TLS is framed a half is never ready: Ask follows the TDS packets or the
// WebSocket frames as far as the handshake may go, sets Done, and says Enough
// when both halves are, or when the records in the frames of both show it to
// be over before that.
//
// Of the other half it looks at nothing but what that showed of framed TLS.
// Each byte is looked at a bounded number of times however the bytes are cut.
func Ask(c *stream.Conversation, d stream.Dir) (v stream.Verdict, ready bool) {
	h := &c.Half[d]
	if h.Done {
		return over(c), false
	}
	if follows(&h.Note) {
		follow(c, d, following(&h.Note))
		return over(c), false
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
		return over(c), false
	}
	return stream.More, false
}

func over(c *stream.Conversation) stream.Verdict {
	if c.Half[0].Done && c.Half[1].Done || followed(c) {
		return stream.Enough
	}
	return stream.More
}

// Find says how the conversation came to TLS, and false if it did not, if TLS
// began it, or if it cannot be told for what was not seen. It looks at the
// bytes only, not at Notes.
func Find(c *stream.Conversation) (Upgrade, bool) {
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
	u := Upgrade{Target: t[stream.ToServer].target}
	for d := range w {
		h := &c.Half[d]
		u.From[d] = len(h.Data)
		if w[d].status != statusTLS {
			continue
		}
		u.From[d] = w[d].unit
		u.Framed = u.Framed || w[d].layer == layerTDS || w[d].layer == layerWebSocket || w[d].layer == layerADAT
		// Nothing but the PROXY protocol lets a side begin with TLS.
		if t[d].n == 0 && !h.Midstream && !t[1-d].silent(stream.Dir(d)) {
			return Upgrade{}, false
		}
	}
	chain := merge(&t, c.Server.Port())
	if cl := &c.Half[stream.ToServer]; w[0].status == statusMore && (cl.Cut || cl.Full || len(cl.Gaps) > 0) {
		// What the client said last was not seen: only the server may tell what
		// TLS follows.
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

// silent reports whether all layers of the other side are such that this side
// has nothing to say in them.
func (t *trace) silent(d stream.Dir) bool {
	for _, s := range t.steps[:t.n] {
		if d != stream.ToClient || s.layer != layerProxy {
			return false
		}
	}
	return true
}

// merge makes one chain of what each side showed. Proxies are told by the
// client, which speaks in all of them, if it was seen to.
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

// app returns the last step if it is no proxy.
func (t *trace) app() step {
	if t.n > 0 && !t.steps[t.n-1].layer.proxies() {
		return t.steps[t.n-1]
	}
	return step{}
}
