package main

import (
	"bufio"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
)

// window is how many connections of a large capture are open at once.
const window = 500

// A player gives the frames of one connection, one after the other.
type player struct {
	frames [][]byte
	at     int
	client uint32
	bulk   int
	seq    uint32
}

// load writes a capture of at least size bytes: the handshakes of the
// captures in dir again and again, each from another client, interleaved, with
// bulk full packets of application data behind each.
func load(path, dir string, size int64, bulk int) {
	var scripts [][][]byte
	files, err := filepath.Glob(filepath.Join(dir, "*.truth.json"))
	check(err)
	slices.Sort(files)
	for _, f := range files {
		c := readPcap(f[:len(f)-len(".truth.json")] + ".pcap")
		if len(c.frames) > 0 && len(c.frames) < 40 && c.frames[0][14]>>4 == 4 { // its addresses are written over
			scripts = append(scripts, c.frames)
		}
	}
	out, err := os.Create(path)
	check(err)
	w := bufio.NewWriterSize(out, 1<<20)
	_, err = w.Write(pcap(le, micro, 1, nil))
	check(err)
	var written int64
	now := int64(1_700_000_000_000_000) // microseconds
	emit := func(b []byte) {
		h := le.AppendUint32(make([]byte, 0, 16), uint32(now/1e6))
		h = le.AppendUint32(h, uint32(now%1e6))
		h = le.AppendUint32(le.AppendUint32(h, uint32(len(b))), uint32(len(b)))
		_, err := w.Write(append(h, b...))
		check(err)
		written += int64(16 + len(b))
		now += 3
	}
	players := make([]*player, window)
	next := uint32(0)
	data := make([]byte, 1448)
	for i := range data {
		data[i] = byte(i*7 + i>>8)
	}
	copy(data, []byte{23, 3, 3, 5, 0xa3})
	for i := 0; written < size; i = (i + 1) % window {
		p := players[i]
		if p == nil {
			p = &player{frames: scripts[int(next)%len(scripts)], client: next, bulk: bulk}
			players[i] = p
			next++
		}
		if p.at < len(p.frames) {
			b := slices.Clone(p.frames[p.at])
			p.at++
			// Each connection has its own client address, 10.0.0.0/8.
			ip := b[14:]
			from := binary.BigEndian.Uint16(ip[int(ip[0]&15)*4:]) > 32767
			addr := binary.BigEndian.AppendUint32(nil, 10<<24|p.client&0xffffff)
			if from {
				copy(ip[12:16], addr)
			} else {
				copy(ip[16:20], addr)
			}
			emit(b)
			continue
		}
		if p.bulk == 0 {
			players[i] = nil
			continue
		}
		p.bulk--
		p.seq += uint32(len(data))
		s := seg{fromServer: true, sport: 4433, dport: 40000, seq: p.seq, ack: 1, flags: 16, data: data}
		b := ether(0x0800)(ipv4(s, tcp(s)))
		binary.BigEndian.PutUint32(b[14+16:], 10<<24|p.client&0xffffff)
		emit(b)
	}
	check(w.Flush())
	check(out.Close())
}
