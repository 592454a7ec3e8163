package parse

import (
	"slices"

	"pfsight/capture/stream"
	"pfsight/parse/dtls"
	"pfsight/parse/iana"
)

// overDTLS reads a handshake of DTLS.
func (p *Parser) overDTLS(c *stream.Conversation) *Handshake {
	o := p.dtls.Read(c)
	if o == nil {
		return nil
	}
	p.hs.Protocol, p.hs.Swapped = DTLS, o.Swapped
	switch {
	case o.Capwap:
		p.hs.Carrier = "capwap"
	case o.TURN:
		p.hs.Carrier = "turn"
	}
	for _, d := range [2]stream.Dir{stream.ToClient, stream.ToServer} {
		side := &o.Said[d]
		p.role, p.half = d, &c.Half[side.Dir]
		for i := range side.Messages {
			p.dtlsMessage(&side.Messages[i])
			if i > 0 && side.Messages[i].Seq > side.Messages[i-1].Seq+1 && !p.half.Cut {
				p.hs.Lost[d] = true
			}
		}
		for _, a := range side.Alerts {
			p.alert(Alert{From: d, Fatal: a.Level == 2, Code: iana.Alert(a.Code), Packet: a.Mark.Packet})
		}
	}
	for _, x := range o.Problems {
		p.role = x.From
		p.problem(x.Offset, x.Field, x.What)
	}
	if !p.hs.ClientSeen && !p.hs.ServerSeen {
		return nil
	}
	p.settleHellos()
	p.settleDTLS(o)
	return &p.hs
}

func (p *Parser) dtlsMessage(x *dtls.Message) {
	m := message{typ: x.Type, body: x.Body, length: x.Length, off: x.Offset, end: x.Offset + x.Length, placed: true, mark: x.Mark, split: x.Split}
	switch {
	case x.Type == dtls.TypeHelloVerifyRequest:
		p.hs.ServerSeen = true
	case x.Missing:
		p.lost(m)
	default:
		p.message(m)
	}
}

// settleDTLS sets how far the handshake came, by the protected records.
func (p *Parser) settleDTLS(o *dtls.Opening) {
	hs := &p.hs
	client, server := &o.Said[stream.ToServer], &o.Said[stream.ToClient]
	hs.ClientCCS, hs.ServerCCS = client.CCS.Count > 0, server.CCS.Count > 0
	hs.EarlyDataSent = client.Early.Count > 0
	if hs.ServerHello == nil {
		return
	}
	if !hs.ServerHello.Version().IsTLS13() {
		p.lostAtEnd(client, server)
		hs.ClientFinished = client.Handshake.Count+client.CID.Count > 0
		hs.ServerFinished = server.Handshake.Count+server.CID.Count > 0
		hs.ClientData, hs.ServerData = client.Data.Count > 0, server.Data.Count > 0
		hs.ApplicationData = hs.ClientData || hs.ServerData
		for d, s := range [2]*dtls.Side{client, server} {
			if s.Alert.Count > 0 {
				p.alert(Alert{From: stream.Dir(d), Encrypted: true, Packet: s.Alert.First.Packet})
			}
		}
		return
	}
	for d, s := range [2]*dtls.Side{client, server} {
		p.settleDTLS13(stream.Dir(d), s)
	}
}

// lostAtEnd notes that the last messages of a flight of DTLS <= 1.2 are missing,
// which no later message_seq shows. The client sends a ClientKeyExchange only
// after a ServerHelloDone, and changes its keys after one only behind a
// ClientKeyExchange (RFC 6347 section 4.2.4). Where neither was seen, the
// server's record numbers show that something followed its ServerHello.
func (p *Parser) lostAtEnd(client, server *dtls.Side) {
	sent := func(s *dtls.Side, typ uint8) bool {
		return slices.ContainsFunc(s.Messages, func(m dtls.Message) bool { return m.Type == typ })
	}
	done, exchange := sent(server, msgServerHelloDone), sent(client, msgClientKeyExchange)
	p.hs.Lost[stream.ToClient] = p.hs.Lost[stream.ToClient] || !done && (exchange || server.Missing)
	p.hs.Lost[stream.ToServer] = p.hs.Lost[stream.ToServer] || done && !exchange && client.CCS.Count > 0
}

// settleDTLS13 sets how far one side of DTLS 1.3 came. The keys for application
// data, of epoch 3, follow its Finished (RFC 9147 section 6.1). Under the keys of
// the handshake, of epoch 2, the length of a record decides.
func (p *Parser) settleDTLS13(d stream.Dir, s *dtls.Side) {
	finished := &p.hs.ServerFinished
	least := 0
	if d == stream.ToServer {
		finished, least = &p.hs.ClientFinished, minFinished13 // shorter records are ACKs
	}
	var alert *dtls.Record
	for i := range s.Records {
		r := &s.Records[i]
		switch {
		case r.Type != dtls.RecordUnified:
		case r.Epoch == 3:
			*finished = true
		case r.Epoch != 2 || r.Length < 0:
		case p.alertLike(record{to: r.Length}):
			if alert == nil && !*finished {
				alert = r
			}
		case r.Length >= least:
			*finished = *finished || alert == nil
		}
	}
	if alert != nil && !*finished {
		p.alert(Alert{From: d, Fatal: true, Encrypted: true, Packet: alert.Mark.Packet})
	}
}

// minFinished13 is the least length of a protected record of DTLS 1.3 that
// holds a Finished: the message header of 12 bytes, a hash of 32, the content
// type, and the shortest tag.
const minFinished13 = 12 + 32 + 1 + 8
