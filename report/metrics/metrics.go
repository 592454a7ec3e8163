// Package metrics counts connections for Prometheus and shows how a capture
// stands. Names follow the conventions of Prometheus: base units, _total for
// what only grows, and labels whose values are few and known beforehand. No
// address and no name from the wire is a label; those are in the report.
package metrics

import (
	"net/http"
	"runtime"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pfsight/report"
	"pfsight/report/secrecy"
)

// A Capture is how a capture stands. Every count is since its start.
type Capture struct {
	Packets    uint64
	Bytes      uint64 // captured
	Last       int64  // time of the latest packet, nanoseconds since 1970 UTC; 0 without packets
	Interfaces []Interface
	Drops      []report.Loss // what was not read, by reason, those at zero too
	Evictions  []Count       // entries that had to go for lack of room, by table
	Tables     []Table
	QueueLoss  []Count // rows that a sink did not take in time, by sink
}

// An Interface is what the kernel says of one.
type Interface struct {
	Name           string
	Packets, Drops uint64 // received and dropped by the kernel for this capture
	Freezes        uint64 // times the ring was full
	Up             bool
}

// A Count is a number with a name.
type Count struct {
	Name string
	N    uint64
}

// A Table is how full a table was at its fullest, and what it may hold.
type Table struct {
	Name        string
	Peak, Limit uint64
}

// A Set counts connections and shows a Capture. It is safe for concurrent
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

// New returns a Set. capture is called at each scrape.
func New(version string, capture func() Capture) *Set {
	s := &Set{capture: capture, reg: prometheus.NewRegistry(), version: version, connections: map[labels]uint64{}}
	s.reg.MustRegister(s, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return s
}

// Add counts a connection whose verdict is known.
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

// count counts under l, or under less where there are too many already.
func (s *Set) count(l labels) {
	if _, ok := s.connections[l]; !ok && len(s.connections) >= maxSeries {
		l.group = other
		if _, ok := s.connections[l]; !ok {
			l.version, l.keyExchange = other, other // one for each verdict
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

// Handler returns what answers a scrape.
func (s *Set) Handler() http.Handler {
	return promhttp.HandlerFor(s.reg, promhttp.HandlerOpts{EnableOpenMetrics: true, CoalesceGather: true})
}

// Gatherer gives the metrics to what is not a scrape.
func (s *Set) Gatherer() prometheus.Gatherer { return s.reg }

// goVersion is the version of Go that built the program.
var goVersion = runtime.Version()
