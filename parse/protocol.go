package parse

import (
	"pfsight/capture/stream"
	"pfsight/parse/dtls"
	"pfsight/parse/eap"
	"pfsight/parse/openvpn"
	"pfsight/parse/quic"
	"pfsight/parse/rdpudp"
)

// A protocol carries handshakes over UDP or directly over a LAN. OpenVPN does
// so over TCP too.
type protocol struct {
	sign stream.Signer
	ask  func(*asker, *stream.Conversation, stream.Dir) stream.Verdict
	read func(*Parser, *stream.Conversation) *Handshake
}

// Indexes of protocols. stream.Conversation.Protocol is one more.
const (
	byDTLS = iota
	byQUIC
	byOpenVPN
	byEAP
	byRDPUDP
)

// protocols are in the order in which they are asked: those come first whose
// first byte is that of no other.
var protocols = [...]protocol{
	byDTLS: {dtls.Sniff, with(dtls.Ask), (*Parser).overDTLS},
	byQUIC: {quic.Sniff, func(a *asker, c *stream.Conversation, d stream.Dir) stream.Verdict {
		return a.quic.Ask(c, d)
	}, (*Parser).overQUIC},
	byOpenVPN: {openvpn.Sniff, with(openvpn.Ask), (*Parser).overOpenVPN},
	byEAP:     {eap.Sign, with(eap.Ask), (*Parser).overEAP},
	byRDPUDP:  {rdpudp.Sniff, with(rdpudp.Ask), (*Parser).overRDPUDP},
}

// with adapts an Asker that keeps nothing.
func with(ask stream.Asker) func(*asker, *stream.Conversation, stream.Dir) stream.Verdict {
	return func(_ *asker, c *stream.Conversation, d stream.Dir) stream.Verdict { return ask(c, d) }
}

// SignUDP is the stream.Signer of what is followed over UDP.
func SignUDP(b []byte) stream.Sign {
	s, _ := signUDP(b)
	return s
}

// NewLinker returns the stream.Linker of what is followed over UDP: of QUIC,
// whose connections have IDs from the first packet on. One Run uses it.
func NewLinker() stream.Linker { return new(quic.Link) }

// signUDP asks all protocols. It returns the strongest sign, and the index of
// the first protocol that gives it.
func signUDP(b []byte) (best stream.Sign, by int) {
	for i := range protocols {
		if s := protocols[i].sign(b); s > best {
			best, by = s, i
			if s >= stream.ClientSign {
				break
			}
		}
	}
	return best, by
}

// protocolOf returns the protocol of a conversation, nil if it is TLS over TCP
// or if it is not known. It decides once, and notes it in c. Only where a half
// over TCP began without a SYN the decision may change: bytes that precede the
// first ones may come later.
func protocolOf(c *stream.Conversation) *protocol {
	n := c.Protocol
	if n == 0 {
		n = decide(c)
		if c.Transport != stream.TCP || !c.Half[stream.ToServer].Midstream && !c.Half[stream.ToClient].Midstream {
			c.Protocol = n
		}
	}
	if n == 0 || int(n) > len(protocols) {
		return nil
	}
	return &protocols[n-1]
}

// decide looks which protocol carries a conversation. Over TCP the first bytes
// of either half show OpenVPN, as soon as they are there. Elsewhere the first
// datagram decides: without it the conversation would not be followed.
func decide(c *stream.Conversation) uint8 {
	switch c.Transport {
	case stream.TCP:
		if isOpenVPN(c) {
			return byOpenVPN + 1
		}
		return 0
	case stream.EAPOL:
		return byEAP + 1
	}
	var first *stream.Half
	for d := range c.Half {
		if h := &c.Half[d]; len(h.Marks) > 0 && (first == nil || h.Marks[0].Time < first.Marks[0].Time) {
			first = h
		}
	}
	if first == nil {
		return 0
	}
	m := first.Marks[0]
	if s, by := signUDP(first.Data[m.From:m.To]); s != stream.NoSign {
		return uint8(by) + 1
	}
	return 0
}
