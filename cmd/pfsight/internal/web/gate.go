package web

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// patience is how long a connection may take to send a request or to receive an
// answer while another connection needs its place.
const patience = time.Second

// A gate is a listener that accepts max connections at once. When all places are
// taken, a new connection replaces one that does nothing: the one that has been
// idle for longest, else one whose request is incomplete, else one that does not
// receive its answer. So idle connections cannot exhaust the places.
type gate struct {
	net.Listener
	max int

	mu     sync.Mutex
	guests map[*guest]bool
}

// A guest is an accepted connection.
type guest struct {
	net.Conn
	gate *gate
	from netip.Addr

	// Guarded by gate.mu.
	phase phase
	since time.Time // when the phase began
	busy  int       // requests that are being answered; HTTP/2 may have several
}

// A phase is what a connection waits for.
type phase int

const (
	phaseIdle    phase = iota // for another request
	phaseRequest              // for a request that has begun, or the first
	phaseTaking               // for the client to receive an answer
	phaseAnswer               // for the server to make an answer
)

func newGate(l net.Listener, max int) *gate {
	return &gate{Listener: l, max: max, guests: map[*guest]bool{}}
}

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		n := &guest{Conn: c, gate: g, from: remote(c.RemoteAddr()), phase: phaseRequest, since: time.Now()}
		g.mu.Lock()
		room := len(g.guests) < g.max
		var out *guest
		if !room {
			if out = g.weakest(n); out != nil {
				delete(g.guests, out)
				room = true
			}
		}
		if room {
			g.guests[n] = true
		}
		g.mu.Unlock()
		if out != nil {
			_ = out.Conn.Close()
		}
		if room {
			return n, nil
		}
		_ = c.Close()
	}
}

// weakest returns the connection that a newcomer replaces, or nil. Among
// connections of the same phase it prefers one of the address that holds most
// places. mu is held.
func (g *gate) weakest(newcomer *guest) (out *guest) {
	places := map[netip.Addr]int{newcomer.from: 1}
	for c := range g.guests {
		places[c.from]++
	}
	for c := range g.guests {
		if c.phase == phaseAnswer {
			continue
		}
		// An address that holds more places than the newcomer gets no patience.
		if c.phase != phaseIdle && newcomer.since.Sub(c.since) < patience && places[c.from] <= places[newcomer.from] {
			continue
		}
		switch {
		case out == nil, c.phase < out.phase:
			out = c
		case c.phase > out.phase:
		case places[c.from] != places[out.from]:
			if places[c.from] > places[out.from] {
				out = c
			}
		case c.since.Before(out.since):
			out = c
		}
	}
	return out
}

// remote returns the IP address of a.
func remote(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// Close implements net.Conn.
func (c *guest) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.guests, c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// become sets the phase of the connection.
func (c *guest) become(p phase) {
	if c == nil {
		return
	}
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	switch p {
	case phaseAnswer:
		c.busy++
	case phaseTaking:
		if c.busy--; c.busy > 0 {
			return
		}
	}
	c.phase, c.since = p, time.Now()
}

// guestOf returns the guest of a connection of the http.Server.
func guestOf(c net.Conn) *guest {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	g, _ := c.(*guest)
	return g
}

// state is the http.Server's ConnState.
func (g *gate) state(c net.Conn, s http.ConnState) {
	switch s {
	case http.StateActive:
		guestOf(c).become(phaseRequest)
	case http.StateIdle:
		guestOf(c).become(phaseIdle)
	}
}

type guestKey struct{}

// context is the http.Server's ConnContext. It makes the connection available to
// guestFrom.
func (g *gate) context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, guestKey{}, guestOf(c))
}

// guestFrom returns the connection of a request, or nil.
func guestFrom(r *http.Request) *guest {
	c, _ := r.Context().Value(guestKey{}).(*guest)
	return c
}
