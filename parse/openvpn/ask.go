package openvpn

import (
	"encoding/binary"

	"pfsight/capture/stream"
)

// noteControl in stream.Note.State means that a packet of the control channel was
// seen.
const noteControl = 1

// Ask is the stream.Asker of OpenVPN. A half is done at its first packet of the
// data channel, which has keys only after the TLS handshake. Ask then still
// waits for the other half, which may arrive late.
func Ask(c *stream.Conversation, d stream.Dir) stream.Decision {
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	if c.Transport == stream.TCP {
		if !askTCP(h, other) {
			return stream.Refuse
		}
	} else {
		askUDP(h)
	}
	if h.Done && other.Done {
		return stream.Enough
	}
	return stream.More
}

// askUDP looks at the datagrams that are new since the last call.
func askUDP(h *stream.Half) {
	for int(h.Note.Aux) < len(h.Marks) {
		m := h.Marks[h.Note.Aux]
		h.Note.Aux++
		h.Want = int(m.To) + 1
		if m.From < m.To && isData(h, h.Data[m.From]>>3) {
			h.Done = true
			break
		}
	}
}

// askTCP follows the packets by their lengths, from where the last call
// stopped. It reports false if the half is not OpenVPN.
func askTCP(h, other *stream.Half) bool {
	b := h.Data[:h.Contiguous()]
	for !h.Done {
		if len(b) < h.Note.Offset+3 {
			h.Want = h.Note.Offset + 3
			break
		}
		n, op := int(binary.BigEndian.Uint16(b[h.Note.Offset:])), b[h.Note.Offset+2]>>3
		if n == 0 || n > maxFrame || op < hardResetClientV1 || op > dataV2 {
			if (h.Note.State|other.Note.State)&noteControl == 0 {
				return false
			}
			h.Done = true
			break
		}
		if isData(h, op) {
			h.Done = true
			break
		}
		h.Note.Offset += 2 + n
	}
	return true
}

// isData reports whether a packet with opcode op is a data packet after control
// packets. Data packets before them say nothing: the control channel may have
// been captured late.
func isData(h *stream.Half, op uint8) bool {
	switch op {
	case dataV1, dataV2:
		return h.Note.State&noteControl != 0
	case controlV1:
		h.Note.State |= noteControl
	}
	return false
}
