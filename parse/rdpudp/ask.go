package rdpudp

import "pfsight/capture/stream"

// Bits of stream.Note.State.
const (
	noteVersion1 = 1 << iota // the SYN of the half has this version
	noteVersion2
	noteData // a record of application data was seen
)

// Ask is the stream.Asker of RDP over UDP. It has enough when both sides have
// sent records of application data. With TLS 1.2 they follow the handshake, and
// with TLS 1.3 the client's first one ends it.
func Ask(c *stream.Conversation, d stream.Dir) stream.Decision {
	h, other := &c.Half[d], &c.Half[d.Opposite()]
	for int(h.Note.Aux) < len(h.Marks) {
		m := h.Marks[h.Note.Aux]
		h.Note.Aux++
		h.Want = int(m.To) + 1
		b := h.Data[m.From:m.To]
		if s, ok := readSYN(b); ok {
			h.Note.State &^= noteVersion1 | noteVersion2
			h.Note.State |= uint32(s.version)
			continue
		}
		s, ok := readSource(b, noted(c))
		if ok && isData(s.payload) {
			h.Note.State |= noteData
		}
	}
	if h.Note.State&other.Note.State&noteData != 0 {
		return stream.Enough
	}
	return stream.More
}

// noted returns the version that Ask knows. The SYN+ACK of the server decides.
func noted(c *stream.Conversation) uint8 {
	for _, d := range []stream.Dir{stream.ToClient, stream.ToServer} {
		if v := uint8(c.Half[d].Note.State & (noteVersion1 | noteVersion2)); v != 0 {
			return v
		}
	}
	return version1
}

func readSource(b []byte, version uint8) (source, bool) {
	if version == version2 {
		return readV2(b)
	}
	return readV1(b)
}

// isData reports whether a record of application data begins here.
func isData(b []byte) bool {
	return len(b) >= 5 && b[0] == 23 && (b[1] == 3 && b[2] <= 4 || b[1] == 0xfe && b[2] >= 0xfc)
}
