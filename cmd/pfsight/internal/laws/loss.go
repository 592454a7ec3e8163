package laws

// snaplen cuts every packet after n bytes, as tcpdump -s does.
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

// keep keeps the packets for which f returns true.
func (w *Work) keep(f func(i int, p *Packet) bool) bool {
	var out []Packet
	for i := range w.Packets {
		if f(i, &w.Packets[i]) {
			out = append(out, w.Packets[i])
		}
	}
	done := len(out) < len(w.Packets) && len(out) > 0 && !w.fixed && !w.halves(out)
	if done {
		w.Packets = out
	}
	return done
}

// halves reports whether list has parts of two consecutive DTLS connections
// between the same endpoints that together look like one connection: the
// ClientHello of one without its ServerHello, and the server's datagrams of
// the other without its ClientHello. It also reports true if only the client's
// datagrams after the ClientHello are left of the second connection, or if in
// another order the server's datagrams of the second arrive before its hello,
// and those of the first that they could be were lost. No observer can
// distinguish these cases.
func (w *Work) halves(list []Packet) bool {
	type half struct{ hello, answer, server, later, unanswered bool }
	of := map[int]*half{}
	type datagram struct {
		conn int
		time int64
	}
	lost := map[datagram]int{} // fragments of it
	for i := range w.Packets {
		lost[datagram{w.Packets[i].conn, w.Packets[i].Time}]++
	}
	for i := range list {
		lost[datagram{list[i].conn, list[i].Time}]--
	}
	for i := range list {
		p := &list[i]
		if of[p.conn] == nil {
			of[p.conn] = new(half)
		}
		whole := p.proto != 0 || lost[datagram{p.conn, p.Time}] == 0
		of[p.conn].hello = of[p.conn].hello || p.hello == 1 && whole
		of[p.conn].answer = of[p.conn].answer || p.hello == 2 && whole
		of[p.conn].server = of[p.conn].server || p.dir == 1
		of[p.conn].later = of[p.conn].later || p.dir == 0 && p.hello == 0
	}
	for i := range w.Packets {
		if p := &w.Packets[i]; of[p.conn] != nil && p.dir == 1 && lost[datagram{p.conn, p.Time}] > 0 {
			of[p.conn].unanswered = true
		}
	}
	for _, x := range w.behind {
		first, next := of[x.first], of[x.next]
		if first == nil || next == nil {
			continue
		}
		switch {
		case first.hello && !first.answer && !next.hello && next.server,
			first.hello && !first.later && !next.hello && next.later,
			!first.hello && first.server && next.hello,
			w.shifted && first.hello && !first.answer && first.unanswered && next.hello,
			w.shifted && !first.hello && first.later && next.server:
			return true
		}
	}
	return false
}

// handshakeRecord reports whether the payload of p begins with the type of a
// handshake record, as the TCP filter tcp[((tcp[12]&0xf0)>>2)]=22 checks.
func handshakeRecord(p *Packet) bool {
	return p.proto == protoTCP && len(p.payload()) > 0 && p.payload()[0] == 22
}
