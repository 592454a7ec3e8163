package main

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// webPatience is how long a connection may take to send a request, or to take
// an answer, when another wants its place.
const webPatience = time.Second

// A gate is a listener that lets webConnections in at once. When all places are
// taken, a newcomer gets that of a connection that does nothing: the one that
// is idle for longest, then one whose request is not there yet, then one that
// does not take its answer. So nobody holds the places by keeping connections
// open.
type gate struct {
	net.Listener
	max int

	mu     sync.Mutex
	guests map[*guest]bool
}

// A guest is a connection that was let in.
type guest struct {
	net.Conn
	gate *gate
	from netip.Addr

	// Guarded by gate.mu.
	phase webPhase
	since time.Time // when the phase began
	busy  int       // requests that are being answered; with HTTP/2 several
}

// A webPhase says what a connection waits for.
type webPhase int

const (
	phaseIdle    webPhase = iota // for another request
	phaseRequest                 // for a request that has begun, or the first
	phaseTaking                  // for the other end to take an answer
	phaseAnswer                  // for an answer to be made
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

// weakest returns the connection whose place a newcomer gets, nil for none. Of
// those that wait for the same, one of the address that holds most places goes
// first. mu is held.
func (g *gate) weakest(newcomer *guest) (out *guest) {
	places := map[netip.Addr]int{newcomer.from: 1}
	for c := range g.guests {
		places[c.from]++
	}
	for c := range g.guests {
		if c.phase == phaseAnswer {
			continue
		}
		// Who takes more places than the newcomer is not waited for.
		if c.phase != phaseIdle && newcomer.since.Sub(c.since) < webPatience && places[c.from] <= places[newcomer.from] {
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

// remote returns the address of the other end.
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

// become notes what the connection waits for now.
func (c *guest) become(p webPhase) {
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

// guestOf returns the guest of a connection of the server.
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

// context is the http.Server's ConnContext: requests know their connection.
func (g *gate) context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, guestKey{}, guestOf(c))
}

// guestFrom returns the connection of a request, nil where there is none.
func guestFrom(r *http.Request) *guest {
	c, _ := r.Context().Value(guestKey{}).(*guest)
	return c
}
