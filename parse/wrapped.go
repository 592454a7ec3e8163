package parse

import (
	"encoding/binary"

	"pfsight/capture/stream"
	"pfsight/parse/dtls"
	"pfsight/parse/eap"
	"pfsight/parse/openvpn"
	"pfsight/parse/quic"
	"pfsight/parse/turn"
)

// splitterCost is about how many bytes a full Splitter takes.
const splitterCost = eap.Cost + openvpn.Cost + turn.Cost + dtls.SessionsCost + quic.SessionsCost

// newSplitter returns the stream.Splitter for sessions that share a pair of
// endpoints: EAP sessions, the key exchanges of an OpenVPN tunnel, the peers
// behind a TURN relay, and connections of DTLS and QUIC, one after the other or
// several at once. It takes at most about this number of bytes. One Run uses it.
func newSplitter(memory int64) stream.Splitter {
	part := func(cost int64) int64 { return int64(float64(memory) * float64(cost) / splitterCost) }
	e, o, t := eap.NewSessions(), openvpn.NewSessions(), turn.NewSessions(dtls.Sniff)
	e.Within(part(eap.Cost))
	o.Within(part(openvpn.Cost))
	t.Within(part(turn.Cost))
	d, q := dtls.NewSessions(), quic.NewSessions()
	d.Within(part(dtls.SessionsCost))
	q.Within(part(quic.SessionsCost))
	splitters := [...]stream.Splitter{e.Split, o.Split, t.Split, d.Split, q.Split}
	return func(d *stream.Datagram) (session uint32, dir stream.Dir, lost bool) {
		for i, split := range splitters {
			s, dir, forgot := split(d)
			lost = lost || forgot
			if s != 0 {
				return s<<3 | uint32(i+1), dir, lost
			}
		}
		return 0, 0, lost
	}
}

// leastOpenVPN is the number of bytes over TCP that show whether a half may be
// OpenVPN.
const leastOpenVPN = 3

// beginsOpenVPN reports whether b, the first bytes of a half over TCP, may
// begin a packet of OpenVPN's control channel: its length in two bytes, which
// is small for the first of a connection, and its opcode.
func beginsOpenVPN(b []byte, midstream bool) bool {
	const least, resets = 14, 1<<1 | 1<<2 | 1<<3 | 1<<7 | 1<<8
	if len(b) < leastOpenVPN || b[0] != 0 && !midstream {
		return false
	}
	op := b[2] >> 3
	return binary.BigEndian.Uint16(b) >= least && b[0] < recCCS && (resets>>op&1 != 0 || midstream && op == 4)
}

// isOpenVPN reports whether a conversation over TCP is OpenVPN.
func isOpenVPN(c *stream.Conversation) bool {
	for d := range c.Half {
		if h := &c.Half[d]; beginsOpenVPN(h.Data[:h.Contiguous()], h.Midstream) {
			return true
		}
	}
	return false
}

// wrapped reads a handshake that another protocol carried. tls is what each role
// sent.
func (p *Parser) wrapped(c *stream.Conversation, by string, tls *[2]stream.Half, swapped, isDTLS bool) *Handshake {
	if isDTLS {
		inner := *c
		inner.Half = *tls
		hs := p.overDTLS(&inner)
		if hs != nil {
			hs.Upgrade, hs.Swapped = by, hs.Swapped != swapped
		}
		return hs
	}
	p.hs.Upgrade, p.hs.Swapped, p.hs.Carried = by, swapped, tls
	client, server := records{half: &tls[stream.ToServer]}, records{half: &tls[stream.ToClient]}
	hs := p.overRecords(client, server)
	if hs != nil && !(hs.ClientFinished && (hs.ServerFinished || p.isTLS13())) {
		// The cut part may have held the missing records.
		for d := range tls {
			from := stream.Dir(d)
			if swapped {
				from = from.Opposite()
			}
			tls[d].Cut = tls[d].Cut || c.Half[from].Cut
		}
	}
	return hs
}

func (p *Parser) overOpenVPN(c *stream.Conversation) *Handshake {
	o := p.openvpn.Read(c)
	if o == nil {
		return nil
	}
	return p.wrapped(c, "openvpn", &o.TLS, o.Swapped, false)
}

func (p *Parser) overEAP(c *stream.Conversation) *Handshake {
	o := p.eap.Read(c)
	if o == nil {
		return nil
	}
	p.hs.CarrierFailed, p.hs.CarrierSucceeded = o.Result == eap.Failure, o.Result == eap.Success
	return p.wrapped(c, o.Protocol, &o.TLS, o.Swapped, false)
}

func (p *Parser) overRDPUDP(c *stream.Conversation) *Handshake {
	o := p.rdp.Read(c)
	if o == nil {
		return nil
	}
	return p.wrapped(c, o.Protocol, &o.TLS, o.Swapped, o.DTLS)
}
