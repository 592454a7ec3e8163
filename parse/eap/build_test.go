package eap

import (
	"encoding/binary"
	"strings"

	"pfsight/capture/stream"
)

// eapPacket returns an EAP packet. body begins with the type.
func eapPacket(code, id uint8, body ...byte) []byte {
	b := []byte{code, id, 0, 0}
	b = append(b, body...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// tlsPacket returns an EAP packet of a method that carries TLS. It has no message
// length if total < 0.
func tlsPacket(code, id, method, flags uint8, total int, data string) []byte {
	body := []byte{method, flags}
	if total >= 0 {
		body[1] |= flagLength
		body = binary.BigEndian.AppendUint32(body, uint32(total))
	}
	return eapPacket(code, id, append(body, data...)...)
}

// attribute returns a RADIUS attribute.
func attribute(typ uint8, value string) []byte {
	return append([]byte{typ, uint8(len(value) + 2)}, value...)
}

// radiusPacket returns a RADIUS packet with an EAP packet, unless eap is nil.
func radiusPacket(code, id uint8, auth string, eap []byte, attrs ...[]byte) []byte {
	b := append([]byte{code, id, 0, 0}, (auth + strings.Repeat("\x00", 16))[:16]...)
	for _, a := range attrs {
		b = append(b, a...)
	}
	for rest := eap; eap != nil; {
		n := min(len(rest), 253)
		b = append(b, attribute(attrEAPMessage, string(rest[:n]))...)
		if rest = rest[n:]; len(rest) == 0 {
			break
		}
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// eapolPDU returns an EAPOL PDU with an EAP packet.
func eapolPDU(eap []byte) []byte {
	return append([]byte{2, 0, uint8(len(eap) >> 8), uint8(len(eap))}, eap...)
}

// A sent is one datagram and its direction.
type sent struct {
	dir stream.Dir
	b   []byte
}

// conversation returns the Conversation that package capture makes of list.
func conversation(t stream.Transport, list ...sent) *stream.Conversation {
	c := &stream.Conversation{Transport: t}
	for i, s := range list {
		h := &c.Half[s.dir]
		from := len(h.Data)
		h.Data = append(h.Data, s.b...)
		h.Marks = append(h.Marks, stream.Mark{From: uint32(from), To: uint32(len(h.Data)), Packet: uint64(i + 1), Time: int64(i + 1)})
		h.Packets++
	}
	return c
}

// overEAPOL returns a session over EAPOL.
func overEAPOL(packets ...[]byte) *stream.Conversation {
	var list []sent
	for _, p := range packets {
		d := stream.ToClient
		if p[0] == codeResponse {
			d = stream.ToServer
		}
		list = append(list, sent{d, eapolPDU(p)})
	}
	return conversation(stream.EAPOL, list...)
}

// overRADIUS returns a session over RADIUS. Replies have the identifier of their
// request.
func overRADIUS(packets ...[]byte) *stream.Conversation {
	var list []sent
	id := uint8(0)
	for _, p := range packets {
		switch p[0] {
		case codeResponse:
			id++
			list = append(list, sent{stream.ToServer, radiusPacket(accessRequest, id, string(rune('a'+id)), p, attribute(attrUserName, "me"))})
		case codeRequest:
			list = append(list, sent{stream.ToClient, radiusPacket(accessChallenge, id, "", p, attribute(attrState, "state"))})
		case Success:
			list = append(list, sent{stream.ToClient, radiusPacket(accessAccept, id, "", p)})
		case Failure:
			list = append(list, sent{stream.ToClient, radiusPacket(accessReject, id, "", p)})
		}
	}
	return conversation(stream.UDP, list...)
}
