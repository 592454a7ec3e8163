package report

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// TestHeavy adds many unique keys and a few frequent ones. The frequent keys
// must stay, with exact counts.
func TestHeavy(t *testing.T) {
	const limit, often, n = 100, 10, 50000
	r := rand.New(rand.NewPCG(1, 2))
	h := newHeavy[int, int](limit)
	true_ := map[int]int{}
	gone := 0
	for i := range n {
		k := often + i
		if r.IntN(3) == 0 {
			k = r.IntN(often)
		}
		true_[k]++
		v, fresh, evicted := h.add(h.get(k), k, 1)
		if fresh && *v != 0 {
			t.Fatal("a new value is not")
		}
		if evicted != nil {
			gone += *evicted
		}
		*v++
	}
	if len(h.m) != limit || len(h.least) != limit {
		t.Errorf("%d entries, %d in the heap, limit %d", len(h.m), len(h.least), limit)
	}
	sum := gone
	for k, e := range h.m {
		sum += e.value
		if e.value > true_[k] || int(e.weight) < true_[k] || h.least[e.at] != e {
			t.Errorf("key %d: %d counted, weight %d, came %d times", k, e.value, e.weight, true_[k])
		}
	}
	if sum != n {
		t.Errorf("%d of %d are accounted for", sum, n)
	}
	for k := range often {
		if v := h.get(k); v == nil || v.value < true_[k]*9/10 {
			t.Errorf("key %d came %d times and is not in the table with most of them", k, true_[k])
		}
	}
	// A key that starts after the table was full must get in too.
	for range 2 * n / limit {
		v, _, _ := h.add(h.get(-1), -1, 1)
		*v++
		k := r.Int()
		h.add(h.get(k), k, 1)
	}
	if v := h.get(-1); v == nil {
		t.Error("a key that began late found no place")
	}
}

// TestReuses checks that a repeated value is kept, however many others come in
// between.
func TestReuses(t *testing.T) {
	const limit, n = 64, 10000
	r := newReuses[int](limit)
	const start = 1 // 0 means no time
	for i := range n {
		at := int64(start + i)
		r.see(r.get(i+1), i+1, at, at)
		if i%(limit/2) == 0 {
			r.see(r.get(0), 0, at, at)
		}
	}
	r.ended(0, start+2*n)
	if r.again != 1 || r.connections != (n+limit/2-1)/(limit/2) || r.values != n+1 || r.againSpan != 2*n || len(r.m) != limit || r.forgotten != n+1-limit {
		t.Errorf("%d again with %d connections, %d values, span %d, %d remembered, %d forgotten", r.again, r.connections, r.values, r.againSpan, len(r.m), r.forgotten)
	}
}

// stranger returns a connection whose hosts, keys and certificate are unique to
// i.
func stranger(i int) *Connection {
	a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	c := &Connection{
		ID: uint64(i), Time: int64(i), Client: Endpoint{AddrPort: netip.AddrPortFrom(a, 1)}, Server: Endpoint{AddrPort: netip.AddrPortFrom(a, 443)}, ServerName: fmt.Sprint(i),
		HasServerHello: true, Version: 0x303, CipherSuite: 0x9c, ForwardSecrecy: secrecy.No, EphemeralKey: KeyID{byte(i), byte(i >> 8), byte(i >> 16), 1},
		TicketKey: fmt.Sprint(i), Certificate: &Certificate{SPKI: [32]byte{byte(i), byte(i >> 8), byte(i >> 16)}}, Group: iana.Group(i), HasGroup: true,
		session: sessionNames{id: uint64(2*i + 1), ticket: uint64(2*i + 2)},
	}
	c.Reasons.Add(secrecy.RSAKeyTransport)
	return c
}

// TestReportBounded adds connections with ever new servers, names, keys,
// tickets and clients, and checks the limit of every table.
func TestReportBounded(t *testing.T) {
	r := NewReport()
	const n = 180000
	for i := range n {
		c := stranger(i)
		if i%4 == 0 {
			c.Server, c.ServerName = Endpoint{AddrPort: netip.MustParseAddrPort("192.0.2.1:443")}, "often"
		}
		r.Add(c)
	}
	s := r.Summary()
	if len(s.Servers) != maxServers || len(s.Exposure) != maxExposed || len(r.keys.m) != maxKeys || len(r.ticketKeys.m) != maxTicketKey || r.clients > maxAllClients {
		t.Errorf("%d servers, %d exposed, %d keys, %d ticket keys, %d clients", len(s.Servers), len(s.Exposure), len(r.keys.m), len(r.ticketKeys.m), r.clients)
	}
	if s.Servers[0].Name != "often" || s.Servers[0].N != n/4 || s.Servers[0].Clients != MaxClients {
		t.Errorf("the first server is %+v", s.Servers[0])
	}
	var sum uint64
	for i := range s.Servers {
		sum += s.Servers[i].N
	}
	if sum+s.ServersLost != n || s.TicketKeys != n || s.KeysLost == 0 || s.Negotiated != n {
		t.Errorf("%d in the list, %d lost, %d ticket keys, %d keys lost, of %d", sum, s.ServersLost, s.TicketKeys, s.KeysLost, n)
	}
	kept := 0
	for _, e := range r.servers.m {
		kept += e.value.clients.n
	}
	for _, e := range r.exposed.m {
		kept += e.value.clients.n
	}
	if kept != r.clients {
		t.Errorf("%d clients are kept, %d counted", kept, r.clients)
	}
}

// TestReportSame adds the same connections in the same order to two Reports.
// They must agree, including on evictions.
func TestReportSame(t *testing.T) {
	var sums [2]*Summary
	for i := range sums {
		r := NewReport()
		for j := range maxServers + 5000 {
			a := netip.AddrFrom4([4]byte{10, byte(j >> 16), byte(j >> 8), byte(j)})
			r.Add(&Connection{Client: Endpoint{AddrPort: netip.AddrPortFrom(a, 1)}, Server: Endpoint{AddrPort: netip.AddrPortFrom(a, 443)}, HasServerHello: true})
		}
		sums[i] = r.Summary()
	}
	if !reflect.DeepEqual(sums[0], sums[1]) {
		t.Error("two Reports of the same connections differ")
	}
}

// TestClients compares the set of clients with a map.
func TestClients(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var c clients
	want := map[uint64]bool{}
	for range 20000 {
		h := r.Uint64N(3000) << 40 // all start at the same slots
		room := len(want) < 900
		if added := c.add(h, room); added != (room && !want[h]) {
			t.Fatalf("added %v, was there %v, room %v", added, want[h], room)
		} else if added {
			want[h] = true
		}
	}
	if c.n != len(want) || c.n != 900 || len(c.slots) > 4096 {
		t.Errorf("%d clients in %d slots, want %d", c.n, len(c.slots), len(want))
	}
}
