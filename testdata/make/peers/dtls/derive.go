package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
)

// derive writes captures that carry the datagrams of other captures in a different
// way, each with the truth of the original.
func derive(dir string) {
	for _, v := range []struct {
		name, of string
		change   func([][]byte) [][]byte
	}{
		{"dtls12-mtu-reordered", "dtls12-mtu", reverseFlights},
		{"dtls12-mtu-duplicated", "dtls12-mtu", func(p [][]byte) [][]byte {
			var out [][]byte
			for _, x := range p {
				out = append(out, x, x)
			}
			return out
		}},
		{"dtls10-capwap", "dtls10-rsa", func(p [][]byte) [][]byte {
			var out [][]byte
			for _, x := range p {
				out = append(out, edit(x, func(b []byte) []byte { return append([]byte{1, 0, 0, 0}, b...) }))
			}
			return out
		}},
	} {
		b, err := os.ReadFile(filepath.Join(dir, v.of+".pcap"))
		if err != nil {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, v.of+".truth.json"))
		check(err)
		var list []truth
		check(json.Unmarshal(raw, &list))
		head := b[:24]
		var packets [][]byte
		for b = b[24:]; len(b) >= 16; {
			n := 16 + int(binary.LittleEndian.Uint32(b[8:]))
			packets = append(packets, b[:n])
			b = b[n:]
		}
		var times [][]byte // remain in order
		for _, p := range packets {
			times = append(times, bytes.Clone(p[:8]))
		}
		out := bytes.Clone(head)
		for i, p := range v.change(packets) {
			p = bytes.Clone(p)
			copy(p[:8], times[min(i, len(times)-1)])
			out = append(out, p...)
		}
		check(os.WriteFile(filepath.Join(dir, v.name+".pcap"), out, 0o644))
		writeTruth(filepath.Join(dir, v.name), list)
	}
}

// Offsets in a pcap record of the loopback interface: the record header, an
// Ethernet header, an IPv4 header without options, a UDP header.
const (
	atIP      = 16 + 14
	atUDP     = atIP + 20
	atPayload = atUDP + 8
)

// reverseFlights reverses the order of the datagrams within each flight.
func reverseFlights(p [][]byte) [][]byte {
	out := slices.Clone(p)
	for i := 0; i < len(out); {
		j := i
		for j < len(out) && bytes.Equal(out[j][atUDP:atUDP+4], out[i][atUDP:atUDP+4]) {
			j++
		}
		slices.Reverse(out[i:j])
		i = j
	}
	return out
}

// edit changes the payload of a datagram.
func edit(p []byte, change func([]byte) []byte) []byte {
	out := append(bytes.Clone(p[:atPayload]), change(p[atPayload:])...)
	n := len(out) - 16
	binary.LittleEndian.PutUint32(out[8:], uint32(n))
	binary.LittleEndian.PutUint32(out[12:], uint32(n))
	binary.BigEndian.PutUint16(out[atIP+2:], uint16(len(out)-atIP))
	binary.BigEndian.PutUint16(out[atIP+10:], 0)
	binary.BigEndian.PutUint16(out[atUDP+4:], uint16(len(out)-atUDP))
	binary.BigEndian.PutUint16(out[atUDP+6:], 0)
	return out
}
