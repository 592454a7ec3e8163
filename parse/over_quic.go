package parse

import (
	"strings"

	"pfsight/capture/stream"
	"pfsight/parse/iana"
	"pfsight/parse/quic"
)

// overQUIC reads the handshake in the Initial packets of QUIC. The rest of it
// is encrypted in packets of another kind, which show how far it came.
func (p *Parser) overQUIC(c *stream.Conversation) *Handshake {
	o := p.quic.Read(c)
	if o == nil {
		return nil
	}
	hs := &p.hs
	hs.Protocol, hs.Swapped = QUIC, o.Swapped
	hs.QUICVersion = strings.TrimPrefix(o.Version.String(), "QUIC ")
	for _, d := range [2]stream.Dir{stream.ToClient, stream.ToServer} {
		p.role, p.half = d, &o.Hello[d]
		a := assembler{p: p}
		a.add(p.half.Data, 0, len(p.half.Data))
		a.flush()
	}
	for _, x := range o.Problems {
		p.role = x.From
		p.problem(x.Offset, "quic", x.What)
	}
	if code, ok := o.Close.Alert(); ok {
		p.alert(Alert{From: o.Close.From, Fatal: true, Code: iana.Alert(code), Packet: o.Close.Mark.Packet})
	}
	if !hs.ClientSeen && !hs.ServerSeen {
		return nil
	}
	p.settleHellos()
	hs.EarlyDataSent = o.ZeroRTT[stream.ToServer].N > 0
	hs.ServerFinished = o.Handshake[stream.ToClient].N > 0
	hs.ClientFinished = !o.Close.Seen && p.quicFinished(o)
	return hs
}

// quicFinished reports whether the client is done: it sends 1-RTT packets,
// which can be told only where the packet before them tells its connection
// ID, or more Handshake packets than acknowledgments need.
func (p *Parser) quicFinished(o *quic.Opening) bool {
	return p.hs.ServerHello != nil && (o.OneRTT[stream.ToServer].N > 0 || o.Handshake[stream.ToServer].N > 0 && o.OneRTT[stream.ToClient].N > 0 || o.Handshake[stream.ToServer].N > 1)
}
