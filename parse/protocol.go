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
	sniff stream.Sniffer
	ask   func(*asker, *stream.Conversation, stream.Dir) stream.Decision
	read  func(*Parser, *stream.Conversation) *Handshake
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
	byQUIC: {quic.Sniff, func(a *asker, c *stream.Conversation, d stream.Dir) stream.Decision {
		return a.quic.Ask(c, d)
	}, (*Parser).overQUIC},
	byOpenVPN: {openvpn.Sniff, with(openvpn.Ask), (*Parser).overOpenVPN},
	byEAP:     {eap.Sniff, with(eap.Ask), (*Parser).overEAP},
	byRDPUDP:  {rdpudp.Sniff, with(rdpudp.Ask), (*Parser).overRDPUDP},
}

// with adapts an Asker that keeps nothing.
func with(ask stream.Asker) func(*asker, *stream.Conversation, stream.Dir) stream.Decision {
	return func(_ *asker, c *stream.Conversation, d stream.Dir) stream.Decision { return ask(c, d) }
}

// NewInspector returns the functions by which a capture.Run finds the handshakes
// of all supported protocols. Each Run needs its own. Its memory of sessions
// takes at most about this number of bytes, 0 for the default.
func NewInspector(memory int64) stream.Inspector {
	if memory <= 0 {
		memory = splitterCost
	}
	return stream.Inspector{
		Ask:      newAsker(),
		SniffTCP: sniffTCP,
		SniffUDP: func(b []byte) stream.Sniff {
			s, _ := sniffUDP(b)
			return s
		},
		HelloID: helloID,
		Split:   newSplitter(memory),
		Rebind:  new(quic.Rebinder),
	}
}

// sniffUDP asks all protocols. It returns the surest answer, and the index
// of the first protocol that gives it.
func sniffUDP(b []byte) (best stream.Sniff, by int) {
	for i := range protocols {
		if s := protocols[i].sniff(b); s > best {
			best, by = s, i
			if s >= stream.SniffClient {
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
	if s, by := sniffUDP(first.Data[m.From:m.To]); s != stream.SniffNone {
		return uint8(by) + 1
	}
	return 0
}
