package livestate

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"pfsight/capture"
	"pfsight/capture/stream"
	"pfsight/cmd/pfsight/internal/rows"
	"pfsight/report"
	"pfsight/report/metrics"
	"pfsight/report/render"
	"pfsight/report/secrecy"
)

// Limits of what is kept of a capture that goes on.
const (
	// KeptRows is how many of the newest connections of each verdict are kept,
	// so that a flood of one verdict does not displace the others. Each takes
	// about 700 bytes and what rows share.
	KeptRows = 512
	// settleAt is how many changes wait before the capture side sums them up
	// itself if no reader does.
	settleAt = 512
	// MaxPending is how many changes wait while a reader holds the sums. Beyond
	// it the capture side waits too, and the kernel counts what it then misses.
	MaxPending = 1 << 14
	// lookFor is how long one result of Look is shared by all callers, at
	// least: Look sorts every server. A result that took longer than
	// 1/lookShare of lookFor is shared for lookShare times as long as it took,
	// so that Look takes at most 1/lookShare of a core.
	lookFor   = 900 * time.Millisecond
	lookShare = 10
	// rateOver is the time over which rates are averaged.
	rateOver = 10 * time.Second
	// minute is the length of the "last minute", seconds.
	minute = 60
)

// Options are the options of New.
type Options struct {
	Version string // of the program, for the metrics
	// Filter and Events are the expressions that choose packets and events.
	Filter, Events string
	// MaxPending is how many changes wait. Default: the constant.
	MaxPending int
}

// A State is what people see of a capture that goes on: sums, the newest
// connections, and what was lost. It is safe for concurrent use. The capture side
// only copies a row under a lock that no reader holds for long. Readers make the
// sums, or the capture side does so in batches.
type State struct {
	now     func() time.Time
	started time.Time
	metrics *metrics.Set
	opt     Options

	mu      sync.Mutex // short: guards what is pending and the state of the capture
	pending []change
	ifaces  []stream.InterfaceStats
	capture capture.Stats
	samples []sample // one a second, oldest first, of a minute
	lost    map[string]uint64

	sums   sync.Mutex // long: guards what is made of the changes
	spare  []change
	report *report.Report
	begun  uint64
	ended  uint64
	recent [minute]second
	rings  [4]ring
	places map[uint64]place // of the rows in rings that have not ended

	looking   sync.Mutex // guards the latest result of Look; locked before sums
	summary   *report.Summary
	live      *render.Live
	lookUntil time.Time
}

// A change is a handshake whose verdict is known, or the end of a connection.
type change struct {
	at    int64 // seconds since 1970 UTC
	ended bool
	row   report.Connection
}

// A second counts the handshakes of one second.
type second struct {
	at       int64
	all      uint64    // with a ServerHello or without
	verdicts [4]uint64 // of those with a ServerHello
}

// A sample is how far the capture was at a time.
type sample struct {
	at                    time.Time
	packets, bytes, drops uint64
}

// New returns an empty State.
func New(opt Options) *State {
	if opt.MaxPending == 0 {
		opt.MaxPending = MaxPending
	}
	s := &State{now: time.Now, opt: opt, report: report.NewReport(), lost: map[string]uint64{}, places: map[uint64]place{}}
	s.started = s.now()
	s.samples = []sample{{at: s.started}}
	s.metrics = metrics.New(opt.Version, s.captureMetrics)
	return s
}

// Report returns the sums, to bound their memory before the first connection is
// added.
func (s *State) Report() *report.Report { return s.report }

// Metrics returns the metrics for Prometheus.
func (s *State) Metrics() *metrics.Set { return s.metrics }

// Add adds a connection whose verdict is known. It copies r, so the caller may
// change its Totals later.
func (s *State) Add(r *report.Connection) { s.change(r, false) }

// End adds the Totals of a connection that was added before.
func (s *State) End(r *report.Connection) { s.change(r, true) }

func (s *State) change(r *report.Connection, ended bool) {
	at := s.now().Unix()
	s.mu.Lock()
	s.pending = append(s.pending, change{at, ended, *r})
	n := len(s.pending)
	s.mu.Unlock()
	switch {
	case n >= s.opt.MaxPending:
		s.sums.Lock()
	case n < settleAt || !s.sums.TryLock():
		return
	}
	s.settle()
	s.sums.Unlock()
}

// SetCapture sets the state of the capture.
func (s *State) SetCapture(ifaces []stream.InterfaceStats, st capture.Stats) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ifaces, s.capture = append(s.ifaces[:0], ifaces...), st
	if n := len(s.samples); now.Sub(s.samples[n-1].at) >= time.Second {
		if n > minute {
			s.samples = append(s.samples[:0], s.samples[n-minute:]...)
		}
		s.samples = append(s.samples, sample{now, st.Packets, st.Bytes, s.drops()})
	}
}

// drops returns how many packets the kernel dropped: the sum of the interfaces,
// or the capture's own count if that is larger. mu is held.
func (s *State) drops() uint64 {
	var n uint64
	for i := range s.ifaces {
		n += s.ifaces[i].Drops
	}
	return max(n, s.capture.Drops[capture.KernelDrops])
}

// Lost counts events that a sink did not deliver.
func (s *State) Lost(sink string, n uint64) {
	s.mu.Lock()
	s.lost[sink] += n
	s.mu.Unlock()
}

// settle sums up the pending changes. sums is held.
func (s *State) settle() {
	s.mu.Lock()
	batch := s.pending
	s.pending = s.spare[:0]
	s.mu.Unlock()
	for i := range batch {
		c := &batch[i]
		if c.ended {
			s.end(&c.row)
			continue
		}
		c.row.Totals = stream.Totals{} // end sets them
		s.begun++
		s.report.Add(&c.row)
		s.metrics.Add(&c.row)
		sec := &s.recent[c.at%minute]
		if sec.at != c.at {
			*sec = second{at: c.at}
		}
		sec.all++
		if c.row.HasServerHello {
			sec.verdicts[c.row.ForwardSecrecy]++
		}
		s.keep(&c.row)
	}
	clear(batch) // so that only the rings keep what the rows point to
	s.spare = batch
}

func (s *State) end(r *report.Connection) {
	s.ended++
	s.report.Ended(r)
	s.metrics.End(r)
	p, ok := s.places[r.ID]
	if !ok {
		return
	}
	delete(s.places, r.ID)
	if k := s.rings[p.verdict].at(p.seq); k != nil && k.ID == r.ID {
		k.Totals = r.Totals
	}
}

// keep adds a row to the ring of its verdict.
func (s *State) keep(r *report.Connection) {
	g := &s.rings[r.ForwardSecrecy]
	seq := g.n
	if old := g.at(seq - KeptRows); seq >= KeptRows && old != nil {
		if p, ok := s.places[old.ID]; ok && p == (place{r.ForwardSecrecy, seq - KeptRows}) {
			delete(s.places, old.ID)
		}
	}
	g.put(s.begun, r)
	s.places[r.ID] = place{r.ForwardSecrecy, seq}
}

// A place locates a row in the rings.
type place struct {
	verdict secrecy.Verdict
	seq     uint64
}

// A ring holds the newest KeptRows rows of one verdict.
type ring struct {
	n    uint64 // rows that were ever added
	rows []kept
}

type kept struct {
	order uint64 // of arrival, among all verdicts
	report.Connection
}

func (g *ring) put(order uint64, r *report.Connection) {
	if g.n < KeptRows {
		g.rows = append(g.rows, kept{order, *r})
	} else {
		g.rows[g.n%KeptRows] = kept{order, *r}
	}
	g.n++
}

// at returns the seq-th row that was added, or nil if it was replaced.
func (g *ring) at(seq uint64) *kept {
	if seq >= g.n || g.n-seq > KeptRows {
		return nil
	}
	return &g.rows[seq%KeptRows]
}

// Newest returns copies of the newest rows for which match reports true, newest
// first and at most limit, and how many rows are kept. A nil match accepts all.
func (s *State) Newest(limit int, match func(*report.Connection) bool) ([]*report.Connection, int) {
	s.sums.Lock()
	s.settle()
	all := make([]kept, 0, 4*KeptRows)
	for i := range s.rings {
		all = append(all, s.rings[i].rows...)
	}
	s.sums.Unlock()
	slices.SortFunc(all, func(a, b kept) int { return cmp.Compare(b.order, a.order) })
	var out []*report.Connection
	for i := range all {
		if len(out) == limit {
			break
		}
		if c := &all[i].Connection; match == nil || match(c) {
			out = append(out, c)
		}
	}
	return out, len(all)
}

// Look returns the sums and the state of the capture at one moment. Callers share
// both and must not change them.
func (s *State) Look() (*report.Summary, *render.Live) {
	s.looking.Lock()
	defer s.looking.Unlock()
	now := s.now()
	if s.summary == nil || !now.Before(s.lookUntil) {
		s.sums.Lock()
		s.settle()
		s.summary = s.report.Summary()
		s.live = s.rates(now)
		s.sums.Unlock()
		in := &s.summary.Input
		s.mu.Lock()
		st := s.capture
		st.Drops[capture.KernelDrops] = s.drops()
		*in = rows.Input(&st, &rows.Gaps{N: s.summary.Gaps})
		in.Filter, in.Events = s.opt.Filter, s.opt.Events
		for i := range s.ifaces {
			in.Files = append(in.Files, s.ifaces[i].Name)
		}
		s.mu.Unlock()
		end := s.now()
		s.lookUntil = end.Add(max(lookFor, lookShare*end.Sub(now)))
	}
	return s.summary, s.live
}

// Refresh makes the next Look compute a new result.
func (s *State) Refresh() {
	s.looking.Lock()
	s.lookUntil = time.Time{}
	s.looking.Unlock()
}

// rates returns the counts and rates of the capture. sums is held.
func (s *State) rates(now time.Time) *render.Live {
	l := &render.Live{Now: now.UnixNano(), Started: s.started.UnixNano(), Open: s.begun - min(s.ended, s.begun)}
	var over uint64
	for i := range s.recent {
		sec := &s.recent[i]
		age := now.Unix() - sec.at
		if age < 0 || age >= minute {
			continue
		}
		l.Minute.Connections += sec.all
		for v, n := range sec.verdicts {
			l.Minute.Verdicts[v] += n
			l.Minute.Negotiated += n
		}
		if age > 0 && age <= int64(rateOver/time.Second) { // whole seconds
			over += sec.all
		}
	}
	l.Handshakes = float64(over) / min(rateOver.Seconds(), max(1, now.Sub(s.started).Seconds()))

	s.mu.Lock()
	defer s.mu.Unlock()
	l.Interfaces = slices.Clone(s.ifaces)
	l.Open -= min(uint64(s.capture.Tables.Closed), l.Open)
	l.Packets, l.Bytes, l.Drops = s.capture.Packets, s.capture.Bytes, s.drops()
	l.Last = s.capture.Last
	for _, name := range slices.Sorted(maps.Keys(s.lost)) {
		l.SinkLoss = append(l.SinkLoss, report.Count{Label: name, N: s.lost[name]})
	}
	newest, ago := s.samples[len(s.samples)-1], s.samples[0]
	l.Minute.Packets, l.Minute.Drops = newest.packets-ago.packets, newest.drops-ago.drops
	for i := len(s.samples) - 1; i >= 0; i-- {
		if ago = s.samples[i]; newest.at.Sub(ago.at) >= rateOver {
			break
		}
	}
	if d := newest.at.Sub(ago.at).Seconds(); d > 0 {
		l.PacketRate = float64(newest.packets-ago.packets) / d
		l.BitRate = 8 * float64(newest.bytes-ago.bytes) / d
		l.DropRate = float64(newest.drops-ago.drops) / d
	}
	return l
}

// captureMetrics returns the state of the capture for a scrape.
func (s *State) captureMetrics() metrics.Capture {
	s.sums.Lock()
	s.settle()
	s.sums.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.capture
	c := metrics.Capture{Packets: st.Packets, Bytes: st.Bytes, Last: st.Last}
	c.Interfaces = slices.Clone(s.ifaces)
	for i, n := range st.Drops {
		switch r := capture.Reason(i); r {
		case capture.KernelDrops: // counted by interface
		case capture.HalfOpenEvict:
			c.Evictions = append(c.Evictions, metrics.Count{Name: "half_open", N: n})
		case capture.FlowEvict:
			c.Evictions = append(c.Evictions, metrics.Count{Name: "connections", N: n})
		default:
			c.Drops = append(c.Drops, report.Loss{Reason: r.String(), Count: n})
		}
	}
	t := &st.Tables
	for _, x := range []struct {
		name        string
		peak, limit int
	}{{"half_open", t.HalfOpen, t.MaxHalfOpen}, {"connections", t.Connections, t.MaxConnections}, {"held_bytes", t.Held, t.MaxHeld}} {
		if x.limit > 0 {
			c.Tables = append(c.Tables, metrics.Table{Name: x.name, Peak: uint64(x.peak), Limit: uint64(x.limit)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.lost)) {
		c.QueueLoss = append(c.QueueLoss, metrics.Count{Name: name, N: s.lost[name]})
	}
	return c
}
