package main

import (
	"encoding/binary"
	"os"
	"slices"
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

// readPcap reads what tcpdump wrote on lo: Ethernet, microseconds, this
// machine's byte order.
func readPcap(path string) capture {
	b, err := os.ReadFile(path)
	check(err)
	var c capture
	for b = b[24:]; len(b) > 0; {
		n := binary.LittleEndian.Uint32(b[8:])
		c.times = append(c.times, int64(binary.LittleEndian.Uint32(b))*1e9+int64(binary.LittleEndian.Uint32(b[4:]))*1e3)
		c.frames = append(c.frames, b[16:16+n])
		b = b[16+n:]
	}
	return c
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

// recut gives each segment at most n bytes.
func recut(in []seg, n int) []seg {
	var out []seg
	for _, s := range in {
		for first := true; first || len(s.data) > 0; first = false {
			x := s
			k := min(n, len(s.data))
			x.data = s.data[:k]
			if k < len(s.data) {
				x.flags &^= 1 // FIN comes with the last
			}
			out = append(out, x)
			s.data = s.data[k:]
			s.seq += uint32(k)
			s.time += 1000
		}
	}
	return out
}

// reverseFlights turns the order of segments with data around, as long as one
// side speaks.
func reverseFlights(in []seg) []seg {
	out := slices.Clone(in)
	for i := 0; i < len(out); {
		j := i
		for j < len(out) && len(out[j].data) > 0 && out[j].flags&1 == 0 && out[j].fromServer == out[i].fromServer {
			j++
		}
		if j-i > 1 {
			slices.Reverse(out[i:j])
			for k := i; k < j; k++ { // time goes on
				out[k].time = in[k].time
			}
		}
		i = max(j, i+1)
	}
	return out
}

// overlap sends every byte twice, in segments of n bytes that overlap by half.
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

// shift moves the sequence numbers so that both directions wrap inside the
// handshake.
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

// delay shows the server's direction two seconds late, behind the client's.
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

// hole leaves out a segment of the server's certificate.
func hole(in []seg) []seg {
	n := 0
	return without(in, func(s seg) bool {
		if s.fromServer && len(s.data) > 0 {
			n++
		}
		return n == 4 && s.fromServer && len(s.data) > 0
	})
}

// loseFirst leaves out the first segment of the server's data.
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
