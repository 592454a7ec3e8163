package parse

import (
	"pfsight/capture/stream"
	"pfsight/parse/dtls"
	"pfsight/parse/quic"
)

// A carrier is a way in which a handshake is carried over UDP.
type carrier uint8

const (
	noCarrier carrier = iota
	byDTLS
	byQUIC
)

// SignUDP is the stream.Signer of what is followed over UDP.
func SignUDP(b []byte) stream.Sign {
	s, _ := signUDP(b)
	return s
}

func signUDP(b []byte) (stream.Sign, carrier) {
	best, by := stream.NoSign, noCarrier
	if s := dtls.Sign(b); s > best {
		best, by = s, byDTLS
	}
	if s := quic.Sign(b); s > best {
		best, by = s, byQUIC
	}
	return best, by
}

// carrierOf tells what a conversation over UDP is by its first datagram,
// without which it would not be followed.
func carrierOf(c *stream.Conversation) carrier {
	first := -1
	for d := range c.Half {
		if m := c.Half[d].Marks; len(m) > 0 && (first < 0 || m[0].Time < c.Half[first].Marks[0].Time) {
			first = d
		}
	}
	if first < 0 {
		return noCarrier
	}
	h := &c.Half[first]
	_, by := signUDP(h.Data[h.Marks[0].From:h.Marks[0].To])
	return by
}

func askUDP(c *stream.Conversation, d stream.Dir) stream.Verdict {
	switch carrierOf(c) {
	case byDTLS:
		return dtls.Ask(c, d)
	case byQUIC:
		return quic.Ask(c, d)
	}
	return stream.Refuse
}

func (p *Parser) overUDP(c *stream.Conversation) *Handshake {
	switch carrierOf(c) {
	case byDTLS:
		return p.overDTLS(c)
	case byQUIC:
		return p.overQUIC(c)
	}
	return nil
}
