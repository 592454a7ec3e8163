package main

import (
	"encoding/binary"
	"io"
	"os"
	"slices"

	"github.com/google/gopacket/pcapgo"
)

// A seg is a TCP segment of one connection.
type seg struct {
	time       int64 // nanoseconds
	fromServer bool
	sport      uint16
	dport      uint16
	seq, ack   uint32
	flags      byte
	data       []byte
}

type capture struct {
	times  []int64
	frames [][]byte
}

// readPcap reads a capture of Ethernet frames.
func readPcap(path string) capture {
	f, err := os.Open(path)
	check(err)
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	check(err)
	var c capture
	for {
		b, info, err := r.ReadPacketData()
		if err == io.EOF {
			return c
		}
		check(err)
		c.times = append(c.times, info.Timestamp.UnixNano())
		c.frames = append(c.frames, b)
	}
}

// segs returns the segments of the capture's first connection.
func (c capture) segs() []seg {
	var out []seg
	for i, f := range c.frames {
		ip := f[14:]
		t := ip[int(ip[0]&15)*4 : binary.BigEndian.Uint16(ip[2:])]
		s := seg{
			time: c.times[i], sport: binary.BigEndian.Uint16(t), dport: binary.BigEndian.Uint16(t[2:]),
			seq: binary.BigEndian.Uint32(t[4:]), ack: binary.BigEndian.Uint32(t[8:]), flags: t[13], data: t[int(t[12]>>4)*4:],
		}
		if len(out) > 0 {
			s.fromServer = s.sport == out[0].dport
		}
		out = append(out, s)
	}
	return out
}

// recut splits the segments into segments of at most n bytes.
func recut(in []seg, n int) []seg {
	var out []seg
	for _, s := range in {
		for first := true; first || len(s.data) > 0; first = false {
			x := s
			k := min(n, len(s.data))
			x.data = s.data[:k]
			if k < len(s.data) {
				x.flags &^= 1 // only the last one has the FIN
			}
			out = append(out, x)
			s.data = s.data[k:]
			s.seq += uint32(k)
			s.time += 1000
		}
	}
	return out
}

// reverseFlights reverses the order of consecutive data segments of one side.
func reverseFlights(in []seg) []seg {
	out := slices.Clone(in)
	for i := 0; i < len(out); {
		j := i
		for j < len(out) && len(out[j].data) > 0 && out[j].flags&1 == 0 && out[j].fromServer == out[i].fromServer {
			j++
		}
		if j-i > 1 {
			slices.Reverse(out[i:j])
			for k := i; k < j; k++ { // times stay in order
				out[k].time = in[k].time
			}
		}
		i = max(j, i+1)
	}
	return out
}

// overlap splits the segments into segments of n bytes that overlap by half, so
// that every byte is sent twice.
func overlap(in []seg, n int) []seg {
	var out []seg
	for _, s := range in {
		if len(s.data) <= n {
			out = append(out, s)
			continue
		}
		for at := 0; at < len(s.data); at += n / 2 {
			x := s
			x.seq += uint32(at)
			x.data = s.data[at:min(at+n, len(s.data))]
			if at+n < len(s.data) {
				x.flags &^= 1
			}
			out = append(out, x)
		}
	}
	return out
}

func duplicate(in []seg) []seg {
	var out []seg
	for _, s := range in {
		out = append(out, s, s)
	}
	return out
}

// shift changes the sequence numbers so that those of both directions wrap around
// within the handshake.
func shift(in []seg) []seg {
	out := slices.Clone(in)
	var base [2]uint32
	for _, s := range in {
		if s.flags&2 != 0 {
			i := 0
			if s.fromServer {
				i = 1
			}
			base[i] = 0xffffff80 - s.seq
		}
	}
	for i := range out {
		to, of := 0, 1
		if out[i].fromServer {
			to, of = 1, 0
		}
		out[i].seq += base[to]
		if out[i].flags&16 != 0 {
			out[i].ack += base[of]
		}
	}
	return out
}

func without(in []seg, drop func(seg) bool) []seg {
	return slices.DeleteFunc(slices.Clone(in), drop)
}

// delay moves the server's segments by two seconds, after the client's.
func delay(in []seg) []seg {
	out := slices.Clone(in)
	for i := range out {
		if out[i].fromServer {
			out[i].time += 2e9
		}
	}
	slices.SortStableFunc(out, func(a, b seg) int { return int(a.time - b.time) })
	return out
}

// hole removes a segment of the server's certificate.
func hole(in []seg) []seg {
	n := 0
	return without(in, func(s seg) bool {
		if s.fromServer && len(s.data) > 0 {
			n++
		}
		return n == 4 && s.fromServer && len(s.data) > 0
	})
}

// loseFirst removes the first segment with data of the server.
func loseFirst(in []seg) []seg {
	n := 0
	return without(in, func(s seg) bool {
		if s.fromServer && len(s.data) > 0 {
			n++
			return n == 1
		}
		return false
	})
}
