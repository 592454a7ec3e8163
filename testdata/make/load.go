package main

import (
	"bufio"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// window is the number of connections of a large capture open at the same time.
const window = 500

// A player returns the frames of one connection one by one.
type player struct {
	frames [][]byte
	at     int
	client uint32
	bulk   int
	seq    uint32
}

// load writes a capture of at least size bytes. It repeats the handshakes of the
// captures in dir, interleaved, each from a different client and followed by
// bulk full-sized packets of application data.
func load(path, dir string, size int64, bulk int) {
	var scripts [][][]byte
	files, err := filepath.Glob(filepath.Join(dir, "*.truth.json"))
	check(err)
	slices.Sort(files)
	for _, f := range files {
		c := readPcap(f[:len(f)-len(".truth.json")] + ".pcap")
		if len(c.frames) > 0 && len(c.frames) < 40 && c.frames[0][14]>>4 == 4 { // only the addresses of IPv4 are replaced
			scripts = append(scripts, c.frames)
		}
	}
	out, err := os.Create(path)
	check(err)
	buf := bufio.NewWriterSize(out, 1<<20)
	w := pcapgo.NewWriter(buf)
	check(w.WriteFileHeader(0, layers.LinkTypeEthernet))
	var written int64
	now := int64(1_700_000_000_000_000) // microseconds
	emit := func(b []byte) {
		check(w.WritePacket(gopacket.CaptureInfo{Timestamp: time.UnixMicro(now), CaptureLength: len(b), Length: len(b)}, b))
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
	check(buf.Flush())
	check(out.Close())
}
