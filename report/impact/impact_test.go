package impact

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/policy"
	"pfsight/report/secrecy"
)

const (
	rsaGCM   iana.CipherSuite = 0x009c
	rsa3DES  iana.CipherSuite = 0x000a
	ecdheRSA iana.CipherSuite = 0xc02f
	ecdheEC  iana.CipherSuite = 0xc02b
	aes128   iana.CipherSuite = 0x1301
	x25519   iana.Group       = 0x001d
	p256     iana.Group       = 0x0017
	hybrid   iana.Group       = 0x11ec
)

// strict is a policy with only forward-secret suites.
func strict() *policy.Policy {
	return &policy.Policy{
		Name: "strict", Title: "for tests", Target: true, Versions: []iana.Version{iana.TLS12, iana.TLS13}, Suites: []iana.CipherSuite{ecdheEC, ecdheRSA},
		Suites13: []iana.CipherSuite{aes128}, Groups: []iana.Group{hybrid, x25519, p256}, Order: policy.ServerOrder, Behavior: policy.Behavior{GroupWithout: secrecy.True, SHA1: secrecy.False},
	}
}

var sigs = []iana.SignatureScheme{0x0403, 0x0804, 0x0401}

func legacy(v iana.Version, suites ...iana.CipherSuite) *report.Offer {
	o := &report.Offer{Versions: []iana.Version{v}, CipherSuites: suites, SupportedVersions: secrecy.False, ExtendedMaster: secrecy.True, RenegotiationInfo: secrecy.True}
	if v == iana.TLS12 {
		o.Groups, o.SignatureAlgorithms = []iana.Group{x25519, p256}, sigs
	}
	return o
}

func modern(groups, shares []iana.Group) *report.Offer {
	return &report.Offer{
		Versions: []iana.Version{iana.TLS13, iana.TLS12}, SupportedVersions: secrecy.True, CipherSuites: []iana.CipherSuite{aes128, ecdheRSA}, Groups: groups, KeyShares: shares,
		SignatureAlgorithms: sigs, ExtendedMaster: secrecy.True, RenegotiationInfo: secrecy.True,
	}
}

var rsaCert = &report.Certificate{Key: "RSA", Bits: 2048}

// conn returns a connection of a client to a server with the given offer and
// result.
func conn(client, server int, o *report.Offer, v iana.Version, s iana.CipherSuite, fs secrecy.Verdict) *report.Connection {
	c := &report.Connection{
		Time: int64(client+1) * 1e9, Client: report.Endpoint{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(client)}), 50000)},
		Server: report.Endpoint{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(server)}), 443)}, HasServerHello: v != 0, Version: v, CipherSuite: s, ForwardSecrecy: fs,
		Offered: o, Source: "a.pcap", ClientHelloPacket: uint64(client + 1), JA4: "t12", TicketLifetime: -1,
	}
	c.Totals.Bytes = [2]uint64{100, 900}
	if v != 0 {
		c.HelloRetryRequest, c.PostQuantum, c.Outcome = secrecy.False, secrecy.False, report.Established
		c.KeyExchange = s.Info().KeyExchange.String()
		if !v.IsTLS13() {
			c.Certificate = rsaCert
		}
		if fs == secrecy.Yes {
			c.Group, c.HasGroup = x25519, true
		}
	} else {
		c.Outcome = report.Rejected
	}
	return c
}

// network has one client for each outcome under strict.
func network() []*report.Connection {
	return []*report.Connection{
		conn(0, 1, legacy(iana.TLS12, ecdheRSA, rsaGCM), iana.TLS12, rsaGCM, secrecy.No),                                   // gains forward secrecy
		conn(1, 1, legacy(iana.TLS12, rsaGCM), iana.TLS12, rsaGCM, secrecy.No),                                             // breaks: suite
		conn(2, 1, legacy(iana.TLS10, rsa3DES), iana.TLS10, rsa3DES, secrecy.No),                                           // breaks: version
		conn(3, 1, modern([]iana.Group{x25519, p256}, []iana.Group{x25519}), iana.TLS13, aes128, secrecy.Yes),              // keeps
		conn(4, 1, modern([]iana.Group{hybrid, x25519}, []iana.Group{hybrid, x25519}), iana.TLS13, aes128, secrecy.Yes),    // gains post-quantum
		conn(5, 1, modern([]iana.Group{p256, x25519}, []iana.Group{0x0018}), iana.TLS13, aes128, secrecy.Yes),              // keeps, with a round trip
		conn(6, 1, legacy(iana.TLS10, rsa3DES), 0, 0, secrecy.Unknown),                                                     // failed, and fails still
		conn(7, 1, legacy(iana.TLS12, ecdheRSA), 0, 0, secrecy.Unknown),                                                    // failed, would succeed
		conn(8, 2, legacy(iana.TLS12, ecdheEC), 0, 0, secrecy.Unknown),                                                     // depends on the certificate
		conn(9, 1, nil, iana.TLS12, rsaGCM, secrecy.No),                                                                    // no ClientHello
		conn(10, 1, &report.Offer{Versions: []iana.Version{iana.TLS12}, Incomplete: true}, iana.TLS12, rsaGCM, secrecy.No), // an incomplete ClientHello
		conn(11, 1, modern([]iana.Group{0x0018}, []iana.Group{0x0018}), iana.TLS13, aes128, secrecy.Yes),                   // breaks: group
	}
}

func study(list []*report.Connection, keys ...policy.KeyType) *Study {
	s := NewSum()
	for _, c := range list {
		s.Add(c)
	}
	return s.Study(keys)
}

func TestAsk(t *testing.T) {
	st := study(network())
	now := st.Now()
	if now.Connections != 12 || now.Complete.Connections != 10 || now.NoHello != 1 || now.Incomplete != 1 || now.Complete.Clients != 10 || now.Complete.Servers != 2 || now.KeysUnknown != 1 {
		t.Errorf("%+v", now)
	}
	o := st.Ask(strict())
	for _, c := range []struct {
		what string
		got  Tally
		want uint64
	}{
		{"keeps", o.Keeps, 2}, {"changes", o.Changes, 2}, {"mends", o.Mends, 1}, {"breaks", o.Breaks, 3}, {"fails", o.Fails, 1}, {"depends", o.Depends, 1},
		{"gains forward secrecy", o.GainsForwardSecrecy, 1}, {"loses it", o.LosesForwardSecrecy, 0}, {"none", o.NoForwardSecrecy, 0},
		{"gains post-quantum", o.GainsPostQuantum, 1}, {"round trip", o.RoundTrip, 1},
	} {
		if c.got.Connections != c.want || c.got.Clients != c.want || c.got.Bytes != 1000*c.want {
			t.Errorf("%s: %+v, want %d", c.what, c.got, c.want)
		}
	}
	var why []string
	for _, f := range o.Failures {
		why = append(why, f.Code)
	}
	slices.Sort(why)
	if !slices.Equal(why, []string{"no_common_group", "no_common_suite", "no_common_version"}) {
		t.Error(why)
	}
	b := o.Breaking[0]
	if len(o.Breaking) != 3 || b.Client.String() != "10.0.0.1" || b.Failure != policy.NoCommonSuite || b.FirstPacket != 2 || b.FirstSource != "a.pcap" || b.First != 2e9 || b.JA4 != "t12" || b.Server.Port() != 443 {
		t.Errorf("%+v", b)
	}
	if len(o.Depending) != 1 || o.Causes != policy.CauseCertificate {
		t.Errorf("%+v %v", o.Depending, o.Causes)
	}
	if len(o.Transitions) != 3 || o.Transitions[0].From.Version == "" && o.Transitions[1].From.Version == "" {
		t.Errorf("%+v", o.Transitions)
	}
	sum := o.Keeps.Connections + o.Changes.Connections + o.Mends.Connections + o.Breaks.Connections + o.Fails.Connections + o.Depends.Connections
	if sum != now.Complete.Connections {
		t.Errorf("%d of %d", sum, now.Complete.Connections)
	}
}

// TestKeys compares answers with given, observed and unknown certificates.
func TestKeys(t *testing.T) {
	list := []*report.Connection{conn(8, 2, legacy(iana.TLS12, ecdheEC), 0, 0, secrecy.Unknown)}
	for _, c := range []struct {
		keys []policy.KeyType
		want func(o *Outcome) Tally
	}{
		{nil, func(o *Outcome) Tally { return o.Depends }},
		{[]policy.KeyType{policy.KeyRSA}, func(o *Outcome) Tally { return o.Fails }},
		{[]policy.KeyType{policy.KeyRSA, policy.KeyECDSAP256}, func(o *Outcome) Tally { return o.Mends }},
	} {
		if o := study(list, c.keys...).Ask(strict()); c.want(o).Connections != 1 {
			t.Errorf("%v: %+v", c.keys, o)
		}
	}
	// Another connection to the same server shows its certificate.
	seen := conn(1, 2, legacy(iana.TLS12, ecdheEC), iana.TLS12, ecdheEC, secrecy.Yes)
	seen.Certificate = &report.Certificate{Key: "ECDSA", Bits: 256}
	if o := study(append(list, seen)).Ask(strict()); o.Mends.Connections != 1 || o.Keeps.Connections != 1 {
		t.Errorf("%+v", o)
	}
}

func TestGREASEIsNoDifference(t *testing.T) {
	s := NewSum()
	for i := range 16 {
		o := modern([]iana.Group{iana.Group(0x0a0a + 0x1010*i), x25519}, []iana.Group{x25519})
		o.CipherSuites = append([]iana.CipherSuite{iana.CipherSuite(0x0a0a + 0x1010*i)}, o.CipherSuites...)
		s.Add(conn(1, 1, o, iana.TLS13, aes128, secrecy.Yes))
	}
	if len(s.hellos) != 1 || len(s.parties) != 1 {
		t.Errorf("%d offers, %d parties", len(s.hellos), len(s.parties))
	}
}

// TestMerge compares a merged Sum with one that got all connections.
func TestMerge(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	whole := NewSum()
	parts := []*Sum{NewSum(), NewSum(), NewSum()}
	for range 3000 {
		c := *network()[r.IntN(12)]
		c.Client = report.Endpoint{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(r.IntN(200))}), 1)}
		c.Time = r.Int64N(1e15)
		c.ServerName = string(rune('a' + r.IntN(5)))
		c.ClientHelloPacket = uint64(c.Time)
		whole.Add(&c)
		parts[r.IntN(3)].Add(&c)
	}
	parts[2].Merge(parts[0])
	parts[2].Merge(parts[1])
	a, b := whole.Study(nil), parts[2].Study(nil)
	if !reflect.DeepEqual(a.Now(), b.Now()) {
		t.Errorf("%+v\n%+v", a.Now(), b.Now())
	}
	if x, y := a.Ask(strict()), b.Ask(strict()); !reflect.DeepEqual(clear(x), clear(y)) {
		t.Errorf("%+v\n%+v", x, y)
	}
}

// clear removes pointers, which differ between equal outcomes.
func clear(o *Outcome) *Outcome {
	o.Policy = nil
	for i := range o.Breaking {
		o.Breaking[i].Offered = nil
	}
	for i := range o.Depending {
		o.Depending[i].Offered = nil
	}
	return o
}

func TestAdvise(t *testing.T) {
	st := study(network(), policy.KeyRSA)
	lax := strict()
	lax.Name, lax.Versions, lax.Groups = "lax", []iana.Version{iana.TLS10, iana.TLS11, iana.TLS12, iana.TLS13}, append(lax.Groups, 0x0018)
	lax.Suites = append(lax.Suites, rsaGCM, rsa3DES)
	only13 := strict()
	only13.Name, only13.Versions = "only13", []iana.Version{iana.TLS13}
	a := st.Advise([]*policy.Policy{lax, strict(), only13}, []*policy.Policy{strict(), lax}, Weak3DES)
	var order []string
	for _, s := range a.Steps {
		order = append(order, s.Name)
	}
	if !slices.Equal(order, []string{"only13", "strict", "lax"}) {
		t.Error(order)
	}
	if a.Strictest == nil || a.Strictest.Name != "lax" || a.Next == nil || a.Next.Name != "strict" || len(a.NextBreaking) != 3 {
		t.Errorf("%+v %+v", a.Strictest, a.Next)
	}
	o := a.Openings[0]
	var add []string
	for _, x := range o.Additions {
		add = append(add, x.Kind()+" "+x.String())
	}
	want := []string{"cipher_suite TLS_RSA_WITH_3DES_EDE_CBC_SHA", "cipher_suite TLS_RSA_WITH_AES_128_GCM_SHA256", "group secp384r1", "version TLS 1.0"}
	if !slices.Equal(add, want) || !o.Exact || o.Left.Connections != 0 || o.Price.Connections != 3 || o.Hellos != 3 {
		t.Errorf("%v %+v", add, o)
	}
	if then := st.Ask(o.Opened); then.Breaks.Connections != 0 {
		t.Errorf("the opened policy breaks %+v", then.Breaking)
	}
	if o := a.Openings[1]; len(o.Additions) != 0 || o.Opened != nil {
		t.Errorf("%+v", o)
	}
}

// TestOpenVersions checks that Advise adds no version that the client may not
// support.
func TestOpenVersions(t *testing.T) {
	const cbc iana.CipherSuite = 0xc013
	st := study([]*report.Connection{
		conn(1, 1, legacy(iana.TLS10, cbc), iana.TLS10, cbc, secrecy.Yes), conn(2, 1, legacy(iana.SSL30, rsa3DES), iana.SSL30, rsa3DES, secrecy.No),
	}, policy.KeyRSA)
	p := strict()
	p.Suites, p.Groups, p.SHA1 = []iana.CipherSuite{cbc}, []iana.Group{p256}, secrecy.True
	var add []string
	for _, x := range st.open(p, Weak3DES|WeakSSL3).Additions {
		add = append(add, x.String())
	}
	if want := []string{"TLS_RSA_WITH_3DES_EDE_CBC_SHA", "SSLv3", "TLS 1.0"}; !slices.Equal(add, want) {
		t.Error(add)
	}
}

// TestCover compares the search with known minimal covers.
func TestCover(t *testing.T) {
	var atoms []Addition
	for i := range 6 {
		atoms = append(atoms, Addition{Group: iana.Group(0x0100 + i)})
	}
	for _, c := range []struct {
		ways [][]way
		want string
	}{
		{[][]way{{{0}, {1}}, {{1}, {2}}, {{1}, {3}}}, "1"},
		{[][]way{{{0}}, {{1}, {2}}, {{2}, {3}}}, "0 2"},
		{[][]way{{{0, 1}, {2}}, {{2}, {3}}, {{0, 1}, {3}}}, "2 3"},
		// A greedy choice takes 4 first, which covers the most, and then needs
		// three.
		{[][]way{{{0}, {4}}, {{0}, {4}}, {{0}}, {{1}, {4}}, {{1}, {4}}, {{1}}}, "0 1"},
	} {
		s := &search{atoms: atoms, ways: c.ways, exact: true}
		var got []string
		for i, used := range s.solve() {
			if used {
				got = append(got, string(rune('0'+i)))
			}
		}
		if strings.Join(got, " ") != c.want || !s.exact {
			t.Errorf("%v: %v, want %s", c.ways, got, c.want)
		}
	}
}

// TestLimits checks that connections beyond the limits are counted.
func TestLimits(t *testing.T) {
	s := NewSum()
	for i := range maxHellos + 50 {
		o := legacy(iana.TLS12, rsaGCM, iana.CipherSuite(i))
		s.Add(conn(1, 1, o, iana.TLS12, rsaGCM, secrecy.No))
	}
	if len(s.hellos) != maxHellos || s.lost == 0 || len(s.pointers) > maxPointers {
		t.Errorf("%d offers, %d lost", len(s.hellos), s.lost)
	}
	st := s.Study(nil)
	if n := st.Now(); n.Beyond != s.lost || n.Beyond+n.Complete.Connections != maxHellos+50 {
		t.Errorf("%+v", st.Now())
	}
	if o := st.open(strict(), 0); o.Exact || len(o.Additions) == 0 {
		t.Errorf("%d distinct offers: %+v", maxHellos, o)
	}
}

func BenchmarkAdd(b *testing.B) {
	s := NewSum()
	list := network()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s.Add(list[i%len(list)])
		i++
	}
}

func BenchmarkAsk(b *testing.B) {
	st := study(network())
	p, _ := policy.Lookup("mozilla-intermediate-6-0")
	b.ReportAllocs()
	for b.Loop() {
		st.Ask(p)
	}
}

// TestPSKGains checks that a connection resumed with psk_ke gains forward
// secrecy under a policy with key shares, and does not count as unchanged.
func TestPSKGains(t *testing.T) {
	o := modern([]iana.Group{p256}, []iana.Group{p256})
	p := strict()
	suite := p.Answer(HelloOf(o), &policy.Server{Keys: []policy.KeyType{policy.KeyRSA}})
	full := conn(1, 1, o, iana.TLS13, suite.Suite, secrecy.Yes)
	full.Group, full.HasGroup = suite.Group, true
	bare := conn(2, 1, o, iana.TLS13, suite.Suite, secrecy.No)
	bare.Group, bare.HasGroup = 0, false
	a := study([]*report.Connection{full, bare}, policy.KeyRSA).Ask(p)
	if a.Keeps.Connections != 1 || a.Changes.Connections != 1 || a.GainsForwardSecrecy.Connections != 1 {
		t.Errorf("%+v", a)
	}
}

// TestSite routes connections to the servers of a configuration. Each gets the
// policy of its server, and the sum equals that of the parts.
func TestSite(t *testing.T) {
	text := `http {
 server { listen 10.1.0.1:443 ssl; server_name d.example; ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers AES128-GCM-SHA256@SECLEVEL=0; }
 server { listen 10.1.0.1:443 ssl; server_name a.example; ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE-RSA-AES256-GCM-SHA384@SECLEVEL=0; }
}`
	list, err := policy.Read(strings.NewReader(text), "n.conf")
	if err != nil {
		t.Fatal(err)
	}
	sites, _ := policy.Sites(list)
	var conns []*report.Connection
	for i, name := range []string{"d.example", "a.example", "", "unknown.example", "a.example"} {
		c := conn(i+1, 1, legacy(iana.TLS12, rsaGCM), iana.TLS12, rsaGCM, secrecy.No)
		c.ServerName, c.Server = name, report.Endpoint{AddrPort: netip.MustParseAddrPort("10.1.0.1:443")}
		conns = append(conns, c)
	}
	away := conn(9, 1, legacy(iana.TLS12, rsaGCM), iana.TLS12, rsaGCM, secrecy.No)
	away.Server = report.Endpoint{AddrPort: netip.MustParseAddrPort("10.1.0.1:8443")}
	st := study(append(conns, away), policy.KeyRSA)
	r := st.AskSite(sites[0])
	if r.Sum.Asked.Connections != 5 || r.Sum.Elsewhere.Connections != 1 || r.Sum.Breaks.Connections != 2 || r.Sum.Keeps.Connections != 3 {
		t.Errorf("%+v", r.Sum)
	}
	if r.Hosts[0].Keeps.Connections != 3 || r.Hosts[0].Breaks.Connections != 0 || r.Hosts[1].Breaks.Connections != 2 || r.Hosts[1].Asked.Connections != 2 {
		t.Errorf("%+v\n%+v", r.Hosts[0], r.Hosts[1])
	}
	adv := st.Advise(nil, list, 0)
	if len(adv.Openings) != 2 || len(adv.Openings[0].Additions) != 0 || len(adv.Openings[1].Additions) != 1 {
		t.Errorf("%+v", adv.Openings)
	}
	// A single server takes everything on its socket, whatever the name.
	single, err := policy.Read(strings.NewReader("server { listen 10.1.0.1:443 ssl; server_name a.example; ssl_protocols TLSv1.3; }"), "one.conf")
	if err != nil {
		t.Fatal(err)
	}
	if sites, _ := policy.Sites(single); true {
		if r := st.AskSite(sites[0]); r.Hosts != nil || r.Sum.Name != "one.conf-a.example" || r.Sum.Asked.Connections != 5 || r.Sum.Elsewhere.Connections != 1 {
			t.Errorf("%+v", r.Sum)
		}
	}
	// Behind address translation the port decides, and without a matching port
	// the name.
	for _, c := range conns {
		c.Server = report.Endpoint{AddrPort: netip.MustParseAddrPort("203.0.113.1:443")}
	}
	if r := study(conns, policy.KeyRSA).AskSite(sites[0]); r.Sum.Breaks.Connections != 2 || !strings.Contains(r.Sum.Policy.Note, "other addresses") {
		t.Errorf("%+v %s", r.Sum, r.Sum.Policy.Note)
	}
	for _, c := range conns {
		c.Server = report.Endpoint{AddrPort: netip.MustParseAddrPort("203.0.113.1:4433")}
	}
	if r := study(conns, policy.KeyRSA).AskSite(sites[0]); r.Sum.Breaks.Connections != 2 || !strings.Contains(r.Sum.Policy.Note, "server name only") {
		t.Errorf("%+v %s", r.Sum, r.Sum.Policy.Note)
	}
}

// TestAdviseIsSafe opens policies to clients that offer one suite each, of
// every kind. No weakness may be added, and clients that need one are listed
// with it.
func TestAdviseIsSafe(t *testing.T) {
	var conns []*report.Connection
	needs := map[string]Weakness{}
	suites := 0
	for _, x := range iana.Suites() {
		if x.Kind == "scsv" || x.Kind == "grease" || x.KeyExchange == iana.KexTLS13 {
			continue
		}
		c := conn(suites+1, 1, legacy(iana.TLS12, x.ID), iana.TLS12, x.ID, secrecy.No)
		conns = append(conns, c)
		needs[x.ID.String()] = weakness(x.ID)
		suites++
	}
	p := strict()
	p.SHA1 = secrecy.True
	for _, allow := range []Weakness{0, WeakRC4 | WeakNull, ^Weakness(0)} {
		for at := 0; at < len(conns); at += 100 { // within the limits of the search
			st := study(conns[at:min(at+100, len(conns))], policy.KeyRSA)
			o := st.open(p, allow)
			for _, a := range o.Additions {
				if w := a.weakness() &^ allow; w != 0 {
					t.Errorf("%s is added, which is %v", a, w.Names())
				}
			}
			var left uint64
			for _, x := range o.Isolate {
				left += x.Connections
				if want := needs[x.Offered.CipherSuites[0].String()] &^ allow; x.Needs != 0 && x.Needs != want {
					t.Errorf("%s needs %v, want %v", x.Offered.CipherSuites[0], x.Needs.Names(), want.Names())
				}
			}
			if left != o.Left.Connections {
				t.Errorf("%d connections listed, %d left", left, o.Left.Connections)
			}
			var opens uint64
			for _, g := range o.Gains {
				opens += g.Opens.Connections
			}
			if before := st.step(p).Breaks.Connections; before != opens+left {
				t.Errorf("%d break, %d are opened and %d left", before, opens, left)
			}
		}
	}
}
