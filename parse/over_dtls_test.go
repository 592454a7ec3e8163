package parse

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"pfsight/capture/stream"
)

// A datagramOf is a datagram of one side of a DTLS handshake.
type datagramOf struct {
	d stream.Dir
	b []byte
}

// record12 makes a record of DTLS 1.2.
func record12(typ byte, epoch, seq uint16, body []byte) []byte {
	b := []byte{typ, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(b[3:], epoch)
	binary.BigEndian.PutUint16(b[9:], seq)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(body))), body...)
}

// message12 makes a handshake message in its own record.
func message12(typ byte, seq uint16, body []byte) []byte {
	b := make([]byte, 12, 12+len(body))
	b[0], b[3], b[11] = typ, byte(len(body)), byte(len(body))
	binary.BigEndian.PutUint16(b[4:], seq)
	return record12(22, 0, seq, append(b, body...))
}

// TestDTLSMessageLost leaves out each message of a full handshake of DTLS 1.2,
// that of a flight's end too: the Handshake says that its side lost one.
func TestDTLSMessageLost(t *testing.T) {
	random := make([]byte, 32)
	hello := slices.Concat([]byte{0xfe, 0xfd}, random, []byte{0, 0, 0, 2, 0xc0, 0x2b, 1, 0})
	answer := slices.Concat([]byte{0xfe, 0xfd}, random, []byte{0, 0xc0, 0x2b, 0})
	exchange := []byte{3, 0, 0x1d, 4, 1, 2, 3, 4, 4, 3, 0, 2, 0xab, 0xcd}
	finished := record12(22, 1, 0, make([]byte, 40))
	c, s := stream.ToServer, stream.ToClient
	all := []datagramOf{
		{c, message12(1, 0, hello)},
		{s, message12(2, 0, answer)},
		{s, message12(11, 1, []byte{0, 0, 5, 0, 0, 2, 0x30, 0})},
		{s, message12(12, 2, exchange)},
		{s, message12(14, 3, nil)},
		{c, message12(16, 1, []byte{4, 5, 6, 7, 8})},
		{c, slices.Concat(record12(20, 0, 2, []byte{1}), finished)},
		{s, slices.Concat(record12(20, 0, 4, []byte{1}), finished)},
	}
	var p Parser
	for from := 2; from <= 6; from++ {
		for to := from; to <= 6; to++ { // leave out [from, to)
			var want [2]bool
			for _, x := range all[from:to] {
				want[x.d] = true
			}
			if want[c] && want[s] {
				continue // if the ClientKeyExchange is lost too, nothing shows it
			}
			hs := p.Parse(conversationOf(slices.Concat(all[:from], all[to:])))
			if hs == nil || hs.Lost != want {
				t.Errorf("without the datagrams %d to %d: %+v, want lost %v", from, to, hs, want)
			}
		}
	}
}

// conversationOf makes of datagrams what capture makes of them.
func conversationOf(list []datagramOf) *stream.Conversation {
	c := &stream.Conversation{Transport: stream.UDP, Client: netip.MustParseAddrPort("192.0.2.1:1024"), Server: netip.MustParseAddrPort("192.0.2.2:5684")}
	for i, x := range list {
		h := &c.Half[x.d]
		h.Packets++
		from := len(h.Data)
		h.Data = append(h.Data, x.b...)
		h.Marks = append(h.Marks, stream.Mark{From: uint32(from), To: uint32(len(h.Data)), Packet: uint64(i + 1), Time: int64(i + 1)})
	}
	return c
}
