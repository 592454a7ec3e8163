package metrics

import (
	"net/http"
	"runtime"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pfsight/capture/stream"
	"pfsight/report"
	"pfsight/report/secrecy"
)

// A Capture is the state of a live capture. Counts are since its start.
type Capture struct {
	Packets    uint64
	Bytes      uint64 // captured
	Last       int64  // time of the latest packet, nanoseconds since 1970 UTC; 0 without packets
	Interfaces []stream.InterfaceStats
	Drops      []report.Loss // losses by reason, including those at zero
	Evictions  []Count       // entries evicted for lack of room, by table
	Tables     []Table
	QueueLoss  []Count // rows that a sink did not accept in time, by sink
}

// A Count is a named number.
type Count struct {
	Name string
	N    uint64
}

// A Table is the peak size and the limit of a table.
type Table struct {
	Name        string
	Peak, Limit uint64
}

// A Set counts connections and exposes a Capture. It is safe for concurrent
// use.
type Set struct {
	capture func() Capture
	reg     *prometheus.Registry
	version string

	mu          sync.Mutex
	connections map[labels]uint64
	verdicts    [4]uint64
	outcomes    [3]uint64
	reasons     [secrecy.NumReasons]uint64
	bytes       [4]uint64 // of ended connections, by verdict
	c           counters
}

// counters are those without labels.
type counters struct {
	ended, gaps, clientOnly, serverOnly, resumed, retries, ticketKey uint64
	hellos, offered, postQuantum                                     uint64
}

// New returns a Set. It calls capture at each scrape.
func New(version string, capture func() Capture) *Set {
	s := &Set{capture: capture, reg: prometheus.NewRegistry(), version: version, connections: map[labels]uint64{}}
	s.reg.MustRegister(s, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return s
}

// Add counts a connection whose handshake was read.
func (s *Set) Add(c *report.Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[c.Outcome]++
	c.Reasons.All(func(r secrecy.Reason) { s.reasons[r]++ })
	if c.Gap {
		s.c.gaps++
	}
	switch c.OneWay {
	case "client":
		s.c.clientOnly++
	case "server":
		s.c.serverOnly++
	}
	if c.Offered != nil {
		s.c.hellos++
		if c.Offered.PostQuantum() {
			s.c.offered++
		}
	}
	if !c.HasServerHello {
		return
	}
	if c.PostQuantum == secrecy.True {
		s.c.postQuantum++
	}
	if c.Resumed == secrecy.True {
		s.c.resumed++
	}
	if c.HelloRetryRequest == secrecy.True {
		s.c.retries++
	}
	if c.Reasons.Has(secrecy.TicketIssued) {
		s.c.ticketKey++
	}
	s.verdicts[c.ForwardSecrecy]++
	s.count(labelsOf(c))
}

// count counts under l, or under fewer labels if there are too many series.
func (s *Set) count(l labels) {
	if _, ok := s.connections[l]; !ok && len(s.connections) >= maxSeries {
		l.group = other
		if _, ok := s.connections[l]; !ok {
			l.version, l.keyExchange = other, other // one series for each verdict
		}
	}
	s.connections[l]++
}

// End counts the bytes of a connection that has ended.
func (s *Set) End(c *report.Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.c.ended++
	if c.HasServerHello {
		s.bytes[c.ForwardSecrecy] += c.Totals.Bytes[0] + c.Totals.Bytes[1]
	}
}

// Handler returns the HTTP handler for scrapes.
func (s *Set) Handler() http.Handler {
	return promhttp.HandlerFor(s.reg, promhttp.HandlerOpts{EnableOpenMetrics: true, CoalesceGather: true})
}

// Gatherer returns the metrics for other consumers than a scrape.
func (s *Set) Gatherer() prometheus.Gatherer { return s.reg }

// goVersion is the Go version that built the program.
var goVersion = runtime.Version()
