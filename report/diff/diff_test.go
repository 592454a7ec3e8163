package diff

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/secrecy"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-4*max(1, math.Abs(b)) }

// TestFisher compares p-values with those of R's fisher.test.
func TestFisher(t *testing.T) {
	for _, c := range []struct {
		x1, n1, x2, n2 int
		want           float64
	}{
		{3, 4, 1, 4, 0.4857143}, {1, 12, 9, 12, 0.0027594}, {0, 10, 5, 10, 0.0325077}, {8, 10, 1, 6, 0.0349650}, {5, 5, 5, 5, 1}, {0, 3, 0, 7, 1},
	} {
		if got := fisher(c.x1, c.n1, c.x2, c.n2); !near(got, c.want) {
			t.Errorf("%v: %v", c, got)
		}
		if a, b := fisher(c.x1, c.n1, c.x2, c.n2), fisher(c.x2, c.n2, c.x1, c.n1); !near(a, b) {
			t.Errorf("%v: not the same the other way round", c)
		}
	}
}

func TestChance(t *testing.T) {
	// prop.test(c(60, 40), c(100, 100), correct = FALSE): p = 0.004678
	if got := pValue(sample{60, 100}, sample{40, 100}); !near(got, 0.0046777) {
		t.Error(got)
	}
	if got := pValue(sample{50, 100}, sample{50, 100}); got != 1 {
		t.Error(got)
	}
}

func TestHolm(t *testing.T) {
	p := []float64{0.01, 0.02, 0.03, 0.9}
	holm(p)
	if !slices.EqualFunc(p, []float64{0.04, 0.06, 0.06, 0.9}, near) {
		t.Error(p)
	}
}

// TestEffective checks the limits of the design effect: independent
// connections, and clients whose connections are all alike.
func TestEffective(t *testing.T) {
	sumsOf := func(list [][2]float64) (s sums, x, n float64) {
		for _, c := range list {
			s.clients++
			s.n += c[1]
			s.nn += c[1] * c[1]
			s.xx += c[0] * c[0]
			s.xn += c[0] * c[1]
			x, n = x+c[0], n+c[1]
		}
		return
	}
	var same, alike [][2]float64
	for i := range 100 {
		same = append(same, [2]float64{float64(i % 2 * 10), 10}) // all or nothing
		alike = append(alike, [2]float64{5, 10})
	}
	s, x, n := sumsOf(same)
	if e, ok := effective(x, n, s); !ok || math.Abs(e.n-100) > 2 {
		t.Errorf("1000 connections of 100 clients that do always the same count for %v", e.n)
	}
	s, x, n = sumsOf(alike)
	if e, ok := effective(x, n, s); !ok || e.n != 1000 {
		t.Errorf("connections that are alike count for %v", e.n)
	}
	if e, _ := effective(0, 1000, s); e.n != 100 {
		t.Errorf("nothing of 1000 connections of 100 clients counts for %v", e.n)
	}
	if _, ok := effective(5, 10, sums{clients: 1, n: 10, nn: 100}); ok {
		t.Error("one client is enough for a test")
	}
}

// TestAlpha compares networks without a real difference, whose clients have
// habits and many connections, and counts false positives.
func TestAlpha(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	wrong := 0
	const runs = 150
	for range runs {
		side := func() *Side {
			s := NewSide()
			for i := range 60 {
				v := secrecy.Yes
				if r.Float64() < 0.4 {
					v = secrecy.No
				}
				for range 1 + r.IntN(60) {
					c := conn(i, 1, v)
					s.Add(c)
				}
			}
			return s
		}
		d := Compare(side(), side())
		if slices.ContainsFunc(d.Shares, func(s Share) bool { return s.Change == More || s.Change == Less }) {
			wrong++
		}
	}
	if share := float64(wrong) / runs; share > alpha+0.02 {
		t.Errorf("%.3f of comparisons of the same see a change", share)
	}
}

func conn(client, server int, v secrecy.Verdict) *report.Connection {
	c := &report.Connection{
		Client: report.Endpoint{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(client >> 8), byte(client)}), 50000)}, Server: report.Endpoint{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(server)}), 443)},
		HasServerHello: true, Version: iana.TLS12, CipherSuite: 0x002f, KeyExchange: "RSA", ForwardSecrecy: v, Outcome: report.Established, Offered: &report.Offer{},
	}
	if v == secrecy.Yes {
		c.CipherSuite, c.KeyExchange, c.HasGroup, c.Group = 0xc02f, "ECDHE", true, 29
	}
	return c
}

func sides() (before, after *Side) {
	before, after = NewSide(), NewSide()
	for i := range 100 {
		for range 5 {
			v := secrecy.No
			if i >= 50 {
				v = secrecy.Yes
			}
			before.Add(conn(i, 1+i%2, v))
			if i >= 10 {
				v = secrecy.Yes
			}
			if i != 99 {
				after.Add(conn(i, 1+i%2, v))
			}
		}
	}
	before.Add(conn(70, 3, secrecy.Yes))
	after.Add(conn(70, 3, secrecy.No))
	before.Add(conn(71, 4, secrecy.No))
	after.Add(conn(71, 4, secrecy.Yes))
	before.Add(conn(72, 5, secrecy.Conditional))
	after.Add(conn(72, 5, secrecy.No))
	before.Add(conn(74, 7, secrecy.Yes))
	refused := conn(74, 7, secrecy.Unknown)
	refused.HasServerHello, refused.Outcome = false, report.Rejected
	refused.Client = report.Endpoint{AddrPort: netip.MustParseAddrPort("10.9.9.9:1")}
	after.Add(refused)
	named := conn(73, 6, secrecy.Yes)
	named.ServerName = "new.example"
	after.Add(named)
	return before, after
}

func names(l []Moved) (out []string) {
	for _, m := range l {
		out = append(out, m.Name)
	}
	return out
}

func TestCompare(t *testing.T) {
	d := Compare(sides())
	yes, _ := d.Find(KindVerdict, "yes")
	if yes.Change != More || yes.Before.N != 252 || yes.Before.Of != 504 || yes.After.N != 447 || yes.After.Of != 499 || yes.Before.Clients != 100 || yes.P > 1e-6 {
		t.Errorf("%+v", yes)
	}
	if no, _ := d.Find(KindVerdict, "no"); no.Change != Less {
		t.Errorf("%+v", no)
	}
	if v, _ := d.Find(KindVersion, "TLS 1.2"); v.Change != Same {
		t.Errorf("%+v", v)
	}
	if c, _ := d.Find(KindVerdict, "conditional"); c.Change != Chance || c.P < 0.99 {
		t.Errorf("%+v", c)
	}
	for _, c := range []struct {
		got  []Moved
		want []string
	}{
		{d.Servers.Gained, []string{"192.0.2.4:443"}}, {d.Servers.Lost, []string{"192.0.2.3:443"}}, {d.Servers.New, []string{"new.example:443"}}, {d.Servers.Gone, nil}, {d.Servers.Refused, []string{"192.0.2.7:443"}}, {d.Clients.New, []string{"10.9.9.9"}},
		{d.Servers.StillNot, []string{"192.0.2.1:443", "192.0.2.2:443"}}, {d.Clients.Gone, []string{"10.0.0.99"}}, {d.Clients.Lost, []string{"10.0.0.70", "10.0.0.72"}},
	} {
		if !reflect.DeepEqual(names(c.got), c.want) {
			t.Errorf("%v, want %v", names(c.got), c.want)
		}
	}
	if n := len(d.Clients.Gained); n != 41 {
		t.Errorf("%d clients gained", n)
	}
	if d.Servers.Unchanged != 1 || d.Tests == 0 {
		t.Errorf("%d unchanged, %d tests", d.Servers.Unchanged, d.Tests)
	}
}

// TestMerge compares a merged Side with one that got all connections.
func TestMerge(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	whole, a, b := NewSide(), NewSide(), NewSide()
	for range 5000 {
		c := conn(r.IntN(300), r.IntN(20), secrecy.Verdict(r.IntN(4)))
		c.Version = iana.Version(0x0300 + r.IntN(5))
		whole.Add(c)
		if r.IntN(2) == 0 {
			a.Add(c)
		} else {
			b.Add(c)
		}
	}
	b.Merge(a)
	other, _ := sides()
	if got, want := Compare(b, other), Compare(whole, other); !reflect.DeepEqual(got, want) {
		t.Errorf("merged:\n%+v\n%+v", got, want)
	}
}

// TestLimits checks that connections beyond the limits are counted.
func TestLimits(t *testing.T) {
	s := NewSide()
	c := conn(1, 1, secrecy.Yes)
	for i := range maxClients + 100 {
		c.Client = report.Endpoint{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)}
		c.Server = report.Endpoint{AddrPort: netip.AddrPortFrom(c.Client.Addr(), 443)}
		c.KeyExchange = string(rune(i%5000 + 0x4e00))
		s.Add(c)
	}
	if len(s.clients) != maxClients || len(s.servers) != maxServers || len(s.labels) != maxLabels || s.lost.Clients != 100 || s.lost.Servers != 100 || s.lost.Labels == 0 || s.of[negotiated] != maxClients+100 {
		t.Errorf("%d clients, %d servers, %d labels, %+v", len(s.clients), len(s.servers), len(s.labels), s.lost)
	}
	Compare(s, NewSide())
}

func BenchmarkAdd(b *testing.B) {
	s := NewSide()
	var list []*report.Connection
	for i := range 1000 {
		list = append(list, conn(i, i%40, secrecy.Verdict(i%4)))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s.Add(list[i%1000])
		i++
	}
}
