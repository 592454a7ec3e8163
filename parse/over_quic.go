package parse

import (
	"strings"

	"pfsight/capture/stream"
	"pfsight/parse/iana"
)

// overQUIC reads the handshake in the Initial packets of QUIC. The rest is
// encrypted in other packets, which show how far it came.
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
	// The client sends 1-RTT packets when it is done. They may be late, and are
	// known by their connection ID only.
	hs.ClientFinished = hs.ServerHello != nil && !o.Close.Seen && o.OneRTT[stream.ToServer].N+o.Finished[stream.ToServer].N > 0
	return hs
}
