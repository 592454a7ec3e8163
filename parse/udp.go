package parse

import (
	"pfsight/capture/stream"
	"pfsight/parse/dtls"
	"pfsight/parse/eap"
	"pfsight/parse/openvpn"
	"pfsight/parse/quic"
	"pfsight/parse/rdpudp"
)

// A carrier is a way in which a handshake is carried over UDP, or over
// nothing of IP.
type carrier struct {
	sign stream.Signer
	ask  func(*asker, *stream.Conversation, stream.Dir) stream.Verdict
	read func(*Parser, *stream.Conversation) *Handshake
}

// carriers are in the order in which they are asked: those that most
// datagrams are told from by their first byte come first.
var carriers = [...]carrier{
	{dtls.Sign, with(dtls.Ask), (*Parser).overDTLS},
	{quic.Sign, func(a *asker, c *stream.Conversation, d stream.Dir) stream.Verdict { return a.quic.Ask(c, d) }, (*Parser).overQUIC},
	{openvpn.Sniff, with(openvpn.Ask), (*Parser).overOpenVPN},
	{eap.Sign, with(eap.Ask), (*Parser).overEAP},
	{rdpudp.Sign, with(rdpudp.Ask), (*Parser).overRDPUDP},
}

// with makes a carrier's of an Asker that keeps nothing.
func with(ask stream.Asker) func(*asker, *stream.Conversation, stream.Dir) stream.Verdict {
	return func(_ *asker, c *stream.Conversation, d stream.Dir) stream.Verdict { return ask(c, d) }
}

// byEAP is the one of carriers that EAPOL has too.
const byEAP = 3

// SignUDP is the stream.Signer of what is followed over UDP.
func SignUDP(b []byte) stream.Sign {
	s, _ := signUDP(b)
	return s
}

// NewLinker returns the stream.Linker of what is followed over UDP: of QUIC,
// whose connections have IDs from the first packet on. One Run uses it.
func NewLinker() stream.Linker { return new(quic.Link) }

// signUDP asks all carriers, and returns the first of those that say most.
func signUDP(b []byte) (best stream.Sign, by *carrier) {
	for i := range carriers {
		if s := carriers[i].sign(b); s > best {
			best, by = s, &carriers[i]
			if s >= stream.ClientSign {
				break
			}
		}
	}
	return best, by
}

// carrierOf tells what a conversation is by its first datagram, without which
// it would not be followed.
func carrierOf(c *stream.Conversation) *carrier {
	if c.Transport == stream.EAPOL {
		return &carriers[byEAP]
	}
	first := -1
	for d := range c.Half {
		if m := c.Half[d].Marks; len(m) > 0 && (first < 0 || m[0].Time < c.Half[first].Marks[0].Time) {
			first = d
		}
	}
	if first < 0 {
		return nil
	}
	h := &c.Half[first]
	_, by := signUDP(h.Data[h.Marks[0].From:h.Marks[0].To])
	return by
}

func (a *asker) overUDP(c *stream.Conversation, d stream.Dir) stream.Verdict {
	if by := carrierOf(c); by != nil {
		return by.ask(a, c, d)
	}
	return stream.Refuse
}

func (p *Parser) overUDP(c *stream.Conversation) *Handshake {
	if by := carrierOf(c); by != nil {
		return by.read(p, c)
	}
	return nil
}
