package openvpn

import (
	"encoding/binary"

	"pfsight/capture/stream"
)

// Bits of stream.Note.State.
const noteControl = 1 // a packet of the control channel was seen

// Ask is the stream.Asker of OpenVPN. A half is done when packets of the data
// channel flow in it, which have keys only after the TLS handshake. The other
// half may have been captured late, so its control channel is waited for.
func Ask(c *stream.Conversation, d stream.Dir) stream.Verdict {
	if c.Transport == stream.TCP {
		return askTCP(c, d)
	}
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	for int(h.Note.Aux) < len(h.Marks) {
		m := h.Marks[h.Note.Aux]
		h.Note.Aux++
		h.Want = int(m.To) + 1
		if m.From < m.To && look(h, other, h.Data[m.From]>>3) {
			h.Done = true
			break
		}
	}
	if h.Done && other.Done {
		return stream.Enough
	}
	return stream.More
}

// askTCP walks the packets by their lengths, each once.
func askTCP(c *stream.Conversation, d stream.Dir) stream.Verdict {
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	b := h.Data[:h.Contiguous()]
	for !h.Done {
		if len(b) < h.Note.Offset+3 {
			h.Want = h.Note.Offset + 3
			break
		}
		n, op := int(binary.BigEndian.Uint16(b[h.Note.Offset:])), b[h.Note.Offset+2]>>3
		if n == 0 || n > maxFrame || op < hardResetClientV1 || op > dataV2 {
			if (h.Note.State|other.Note.State)&noteControl == 0 {
				return stream.Refuse
			}
			h.Done = true
			break
		}
		if look(h, other, op) {
			h.Done = true
			break
		}
		h.Note.Offset += 2 + n
	}
	if h.Done && other.Done {
		return stream.Enough
	}
	return stream.More
}

// look takes the opcode of a packet and reports whether the handshake of its
// half is over.
func look(h, other *stream.Half, op uint8) bool {
	switch op {
	case dataV1, dataV2:
		return h.Note.State&noteControl != 0 // else its control channel may come late
	case controlV1:
		h.Note.State |= noteControl
	}
	return false
}
