package metrics

import (
	"maps"

	"github.com/prometheus/client_golang/prometheus"

	"pfsight/report"
	"pfsight/report/secrecy"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("pfsight_"+name, help, labels, nil)
}

var (
	descBuild       = desc("build_info", "Version of the program; always 1.", "version", "goversion")
	descConnections = desc("connections_total", "Negotiated TLS connections (a ServerHello was seen): the base of every share.", "verdict", "version", "key_exchange", "group")
	descVerdicts    = desc("verdicts_total", "Negotiated connections by verdict: the sum of connections_total, present from the start.", "verdict")
	descHandshakes  = desc("handshakes_total", "TLS handshakes observed, negotiated or not, by how they ended.", "outcome")
	descReasons     = desc("reasons_total", "Reasons that explain or qualify verdicts; a connection may have several.", "reason")
	descEnded       = desc("connections_ended_total", "Connections that have ended or left the table.")
	descSecretBytes = desc("connection_bytes_total", "Payload bytes of negotiated connections that have ended.", "verdict")
	descResumed     = desc("resumed_connections_total", "Negotiated connections that resumed an earlier session.")
	descRetries     = desc("hello_retry_requests_total", "Negotiated connections that needed a HelloRetryRequest.")
	descTicketKey   = desc("ticket_key_connections_total", "Forward-secret connections of TLS 1.2 or older that also depend on a ticket key.")
	descHellos      = desc("client_hellos_total", "Connections whose ClientHello was seen.")
	descPQOffered   = desc("post_quantum_offers_total", "ClientHellos that offer a post-quantum group.")
	descPQ          = desc("post_quantum_connections_total", "Negotiated connections with a post-quantum key exchange.")
	descGaps        = desc("gaps_total", "Connections with bytes missing inside the handshake.")
	descOneWay      = desc("one_direction_connections_total", "Connections with only one side seen.", "side")

	descPackets    = desc("packets_total", "Packets read.")
	descBytes      = desc("packet_bytes_total", "Bytes of packets read, as captured.")
	descLast       = desc("last_packet_timestamp_seconds", "Time of the latest packet, in seconds since 1970 UTC.")
	descIfPackets  = desc("interface_packets_total", "Packets that the kernel received for this capture.", "interface")
	descIfDrops    = desc("kernel_drops_total", "Packets that the kernel dropped because the ring was full; they are in no share.", "interface")
	descIfFreezes  = desc("ring_freezes_total", "Times the ring of the interface was full.", "interface")
	descIfUp       = desc("interface_up", "Whether the interface is up and captured from.", "interface")
	descDrops      = desc("drops_total", "Packets and connections not followed, by reason.", "reason")
	descEvictions  = desc("evictions_total", "Entries that left a table early for lack of room.", "table")
	descTablePeak  = desc("table_peak", "Peak number of entries in the table (for held_bytes: bytes).", "table")
	descTableLimit = desc("table_limit", "Limit of entries in the table (for held_bytes: bytes).", "table")
	descQueueLoss  = desc("queue_losses_total", "Rows that a sink did not accept in time.", "sink")
)

// Describe implements prometheus.Collector. It sends nothing, so the registry
// checks the metrics when they are collected.
func (s *Set) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s *Set) Collect(ch chan<- prometheus.Metric) {
	capture := s.capture() // before the lock, because it may call Add
	s.mu.Lock()
	connections := maps.Clone(s.connections)
	verdicts, outcomes, reasons, bytes, c := s.verdicts, s.outcomes, s.reasons, s.bytes, s.c
	s.mu.Unlock()

	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(descBuild, 1, s.version, goVersion)
	for l, n := range connections {
		count(descConnections, n, l.verdict.String(), l.version, l.keyExchange, l.group)
	}
	for i, n := range verdicts {
		count(descVerdicts, n, secrecy.Verdict(i).String())
	}
	for i, n := range outcomes {
		count(descHandshakes, n, report.Outcome(i).String())
	}
	for i, n := range reasons {
		count(descReasons, n, secrecy.Reason(i).String())
	}
	for i, n := range bytes {
		count(descSecretBytes, n, secrecy.Verdict(i).String())
	}
	count(descEnded, c.ended)
	count(descResumed, c.resumed)
	count(descRetries, c.retries)
	count(descTicketKey, c.ticketKey)
	count(descHellos, c.hellos)
	count(descPQOffered, c.offered)
	count(descPQ, c.postQuantum)
	count(descGaps, c.gaps)
	count(descOneWay, c.clientOnly, "client")
	count(descOneWay, c.serverOnly, "server")
	capture.collect(count, gauge)
}

func (c *Capture) collect(count func(*prometheus.Desc, uint64, ...string), gauge func(*prometheus.Desc, float64, ...string)) {
	count(descPackets, c.Packets)
	count(descBytes, c.Bytes)
	if c.Packets > 0 {
		gauge(descLast, float64(c.Last)/1e9)
	}
	for _, i := range c.Interfaces {
		count(descIfPackets, i.Packets, i.Name)
		count(descIfDrops, i.Drops, i.Name)
		count(descIfFreezes, i.Freezes, i.Name)
		up := 0.0
		if i.Up {
			up = 1
		}
		gauge(descIfUp, up, i.Name)
	}
	for _, d := range c.Drops {
		count(descDrops, d.Count, d.Reason)
	}
	for _, e := range c.Evictions {
		count(descEvictions, e.N, e.Name)
	}
	for _, t := range c.Tables {
		gauge(descTablePeak, float64(t.Peak), t.Name)
		gauge(descTableLimit, float64(t.Limit), t.Name)
	}
	for _, q := range c.QueueLoss {
		count(descQueueLoss, q.N, q.Name)
	}
}
