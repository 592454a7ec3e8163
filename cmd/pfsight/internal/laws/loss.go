package laws

// snaplen cuts every packet behind n bytes, as tcpdump -s does.
func snaplen(w *Work, n int) bool {
	done := false
	for i := range w.Packets {
		p := &w.Packets[i]
		if len(p.Data) > n {
			p.Data = p.Data[:n]
			done = true
		}
	}
	return done
}

// keep keeps the packets that f wants.
func (w *Work) keep(f func(i int, p *Packet) bool) bool {
	var out []Packet
	for i := range w.Packets {
		if f(i, &w.Packets[i]) {
			out = append(out, w.Packets[i])
		}
	}
	done := len(out) < len(w.Packets) && len(out) > 0
	if done {
		w.Packets = out
	}
	return done
}

// records reports whether the TCP filter tcp[((tcp[12]&0xf0)>>2)]=22 passes p:
// its payload begins with the type of a handshake record.
func handshakeRecord(p *Packet) bool {
	return p.proto == protoTCP && len(p.payload()) > 0 && p.payload()[0] == 22
}
