package metrics

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"pfsight/capture/stream"
	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/secrecy"
)

func row(v secrecy.Verdict, version iana.Version, kex string, group iana.Group) *report.Connection {
	return &report.Connection{
		Client: report.Endpoint{AddrPort: netip.MustParseAddrPort("10.0.0.1:1")}, Server: report.Endpoint{AddrPort: netip.MustParseAddrPort("10.0.0.2:443")}, HasServerHello: true,
		ForwardSecrecy: v, Version: version, KeyExchange: kex, HasGroup: group != 0, Group: group, Outcome: report.Established,
	}
}

func some() Capture {
	return Capture{
		Packets: 100, Bytes: 9000, Last: 1700000000500000000,
		Interfaces: []stream.InterfaceStats{{Name: "eth0", Packets: 100, Drops: 3, Freezes: 1, Up: true}, {Name: "eth1"}},
		Drops:      []report.Loss{{Reason: "not_ip", Count: 4}, {Reason: "gap_limit"}}, Evictions: []Count{{"half_open", 5}},
		Tables: []Table{{"connections", 10, 100}}, QueueLoss: []Count{{"kafka", 6}},
	}
}

func TestMetrics(t *testing.T) {
	s := New("1.2.3", some)
	c := row(secrecy.No, iana.TLS12, "RSA", 0)
	c.Reasons.Add(secrecy.RSAKeyTransport)
	s.Add(c)
	s.Add(row(secrecy.Yes, iana.TLS13, "hybrid", 0x11ec))
	s.Add(row(secrecy.Yes, iana.TLS13, "hybrid", 0x11ec))
	s.Add(&report.Connection{Outcome: report.Rejected, OneWay: "client", Gap: true})
	c.Totals.Bytes = [2]uint64{10, 20}
	s.End(c)
	want := `
# HELP pfsight_connections_total Negotiated TLS connections (a ServerHello was seen): the base of every share.
# TYPE pfsight_connections_total counter
pfsight_connections_total{group="X25519MLKEM768",key_exchange="hybrid",verdict="yes",version="TLS 1.3"} 2
pfsight_connections_total{group="none",key_exchange="RSA",verdict="no",version="TLS 1.2"} 1
# HELP pfsight_verdicts_total Negotiated connections by verdict: the sum of connections_total, present from the start.
# TYPE pfsight_verdicts_total counter
pfsight_verdicts_total{verdict="conditional"} 0
pfsight_verdicts_total{verdict="no"} 1
pfsight_verdicts_total{verdict="unknown"} 0
pfsight_verdicts_total{verdict="yes"} 2
# HELP pfsight_handshakes_total TLS handshakes observed, negotiated or not, by how they ended.
# TYPE pfsight_handshakes_total counter
pfsight_handshakes_total{outcome="established"} 3
pfsight_handshakes_total{outcome="incomplete"} 0
pfsight_handshakes_total{outcome="rejected"} 1
# HELP pfsight_connection_bytes_total Payload bytes of negotiated connections that have ended.
# TYPE pfsight_connection_bytes_total counter
pfsight_connection_bytes_total{verdict="conditional"} 0
pfsight_connection_bytes_total{verdict="no"} 30
pfsight_connection_bytes_total{verdict="unknown"} 0
pfsight_connection_bytes_total{verdict="yes"} 0
# HELP pfsight_gaps_total Connections with bytes missing inside the handshake.
# TYPE pfsight_gaps_total counter
pfsight_gaps_total 1
# HELP pfsight_one_direction_connections_total Connections with only one side seen.
# TYPE pfsight_one_direction_connections_total counter
pfsight_one_direction_connections_total{side="client"} 1
pfsight_one_direction_connections_total{side="server"} 0
# HELP pfsight_kernel_drops_total Packets that the kernel dropped because the ring was full; they are in no share.
# TYPE pfsight_kernel_drops_total counter
pfsight_kernel_drops_total{interface="eth0"} 3
pfsight_kernel_drops_total{interface="eth1"} 0
# HELP pfsight_interface_up Whether the interface is up and captured from.
# TYPE pfsight_interface_up gauge
pfsight_interface_up{interface="eth0"} 1
pfsight_interface_up{interface="eth1"} 0
# HELP pfsight_last_packet_timestamp_seconds Time of the latest packet, in seconds since 1970 UTC.
# TYPE pfsight_last_packet_timestamp_seconds gauge
pfsight_last_packet_timestamp_seconds 1.7000000005e+09
# HELP pfsight_queue_losses_total Rows that a sink did not accept in time.
# TYPE pfsight_queue_losses_total counter
pfsight_queue_losses_total{sink="kafka"} 6
# HELP pfsight_evictions_total Entries that left a table early for lack of room.
# TYPE pfsight_evictions_total counter
pfsight_evictions_total{table="half_open"} 5
`
	var names []string
	for line := range strings.Lines(want) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == "TYPE" {
			names = append(names, f[2])
		}
	}
	if err := testutil.GatherAndCompare(s.Gatherer(), strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

// TestConventions checks the Prometheus naming conventions.
func TestConventions(t *testing.T) {
	problems, err := testutil.GatherAndLint(New("1", some).Gatherer())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestLabels(t *testing.T) {
	for v, want := range map[iana.Version]string{
		iana.TLS12: "TLS 1.2", iana.SSL30: "SSLv3", 0x7f17: "TLS 1.3 draft", 0xfb1a: "TLS 1.3 draft", 0x7e01: "TLS 1.3 draft", 0x0a0a: other, 0x1234: other, iana.DTLS12: "DTLS 1.2",
	} {
		if got := versionLabel(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
	for name, want := range map[string]string{"ECDHE": "ECDHE", "hybrid": "hybrid", "KEM": "KEM", "unknown": other, "": other, "x\n": other} {
		if got := keyExchangeLabel(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
	for _, c := range []struct {
		group iana.Group
		has   bool
		bits  int
		want  string
	}{
		{29, true, 0, "x25519"}, {0x0a0a, true, 0, other}, {0xfffe, true, 0, other}, {0, false, 0, none}, {0, false, 2048, "DH 2048 bits"}, {0, false, 2047, "DH other"},
	} {
		if got := groupLabel(&report.Connection{Group: c.group, HasGroup: c.has, DHBits: c.bits}); got != c.want {
			t.Errorf("%+v is %q", c, got)
		}
	}
}

// TestSeriesBounded adds every combination of labels, as a hostile server
// would.
func TestSeriesBounded(t *testing.T) {
	s := New("1", func() Capture { return Capture{} })
	n := 0
	for _, g := range iana.Groups() {
		for _, v := range []iana.Version{iana.SSL30, iana.TLS10, iana.TLS11, iana.TLS12, iana.TLS13} {
			for _, k := range iana.KeyExchanges() {
				s.Add(row(secrecy.Verdict(n%4), v, k.String(), g.ID))
				n++
			}
		}
	}
	families, err := s.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var sum, verdicts float64
	series := 0
	for _, f := range families {
		switch f.GetName() {
		case "pfsight_connections_total":
			series = len(f.Metric)
			sum = total(f)
		case "pfsight_verdicts_total":
			verdicts = total(f)
		}
	}
	if series > maxSeries+4 || series < maxSeries/2 {
		t.Errorf("%d series", series)
	}
	if sum != float64(n) || verdicts != float64(n) {
		t.Errorf("%v and %v of %d connections are counted", sum, verdicts, n)
	}
}

func total(f *dto.MetricFamily) float64 {
	var sum float64
	for _, m := range f.Metric {
		sum += m.GetCounter().GetValue()
	}
	return sum
}

func BenchmarkAdd(b *testing.B) {
	s := New("1", some)
	c := row(secrecy.Yes, iana.TLS13, "hybrid", 0x11ec)
	c.Reasons.Add(secrecy.TLS13KeyShare)
	b.ReportAllocs()
	for b.Loop() {
		s.Add(c)
	}
}
