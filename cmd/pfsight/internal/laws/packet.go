package laws

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pfsight/capture/packet"
	"pfsight/capture/pcapfile"
)

// A Packet is one frame of a capture.
type Packet struct {
	Time int64  // nanoseconds since 1970 UTC
	Link uint16 // LINKTYPE_ value
	Data []byte // as captured; shared, read-only
	Wire int    // length on the wire

	layers
	conn int // index of the connection, from 1; 0 for none
	dir  int // 0: sent by the endpoint that sent first; 1: by the other
	// hello is the type of a DTLS hello whose first fragment the packet begins
	// with: 1 is a ClientHello, 2 a ServerHello, 0 none.
	hello uint8
}

// cut reports whether the snaplen cut the packet.
func (p *Packet) cut() bool { return p.Wire > len(p.Data) }

// A Capture is a file whose packets are changed.
type Capture struct {
	Name    string // name of the file, without folder and extension
	Path    string
	Packets []Packet
	// Original is true if no earlier capture has the same handshake.
	Original bool
}

// Load reads the captures of a folder, in the order of their names.
func Load(dir string) ([]*Capture, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.pcap"))
	if err != nil {
		return nil, err
	}
	var list []*Capture
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			return nil, err
		}
		c, err := Read(strings.TrimSuffix(filepath.Base(p), ".pcap"), b)
		if err != nil {
			return nil, err
		}
		c.Path = p
		_, err = os.Stat(strings.TrimSuffix(p, ".pcap") + ".truth.json")
		c.Original = err == nil
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, errors.New("no capture in " + dir)
	}
	return list, nil
}

// Read reads a capture of any format.
func Read(name string, b []byte) (*Capture, error) {
	r, err := pcapfile.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	c := &Capture{Name: name}
	recs := make([]packet.Record, 64)
	for {
		n, err := r.NextBatch(recs)
		for _, rec := range recs[:n] {
			c.Packets = append(c.Packets, Packet{Time: rec.Time, Link: uint16(rec.Link), Data: bytes.Clone(rec.Data), Wire: rec.WireLen})
		}
		if n == 0 {
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
			break
		}
	}
	survey(c.Packets, 0)
	return c, nil
}

// survey decodes the packets and numbers the connections, beginning above
// base. It returns the highest number.
func survey(list []Packet, base int) int {
	type state struct {
		conn  int
		first endpoint
		syn   uint64 // identifies the connection: the sequence number of the SYN, or the OpenVPN session
		known bool   // syn is set
	}
	flows := map[flow]*state{}
	for i := range list {
		p := &list[i]
		p.layers = parse(p.Link, p.Data)
		p.conn, p.dir, p.hello = 0, 0, 0
		if p.proto == 0 {
			continue
		}
		if b := bytes.TrimPrefix(p.payload(), []byte{1, 0, 0, 0}); p.proto == protoUDP && len(b) > 25 && b[0] == 22 && b[13] <= 2 && b[19]|b[20]|b[21] == 0 {
			p.hello = b[13] // behind the record header; b[19:22] is the fragment offset
		}
		key := flowOf(p)
		st := flows[key]
		name, syn := p.begins()
		if st == nil || syn && st.known && st.syn != name {
			base++
			st = &state{conn: base, first: p.src()}
			flows[key] = st
		}
		if syn {
			st.syn, st.known = name, true
		}
		p.conn = st.conn
		if p.src() != st.first {
			p.dir = 1
		}
	}
	return base
}

// begins returns what identifies the connection that p begins: the sequence
// number of a SYN, or the session of the reset with which an OpenVPN client
// begins, possibly again from the same port.
func (p *Packet) begins() (name uint64, ok bool) {
	if p.proto == protoTCP {
		return uint64(p.seq()), p.flags()&(flagSYN|flagACK) == flagSYN
	}
	const hardReset = 7 // P_CONTROL_HARD_RESET_CLIENT_V2
	if b := p.payload(); len(b) >= 14 && b[0]>>3 == hardReset {
		return be.Uint64(b[1:]), true
	}
	return 0, false
}

// span returns the times of the first and the last packet.
func span(list []Packet) (first, last int64) {
	first, last = math.MaxInt64, math.MinInt64
	for i := range list {
		first, last = min(first, list[i].Time), max(last, list[i].Time)
	}
	return first, last
}

// byTime sorts packets by time. It is stable.
func byTime(list []Packet) {
	slices.SortStableFunc(list, func(a, b Packet) int {
		switch {
		case a.Time < b.Time:
			return -1
		case a.Time > b.Time:
			return 1
		}
		return 0
	})
}
