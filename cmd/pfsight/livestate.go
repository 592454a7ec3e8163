package main

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"pfsight/capture"
	"pfsight/capture/stream"
	"pfsight/report"
	"pfsight/report/metrics"
	"pfsight/report/render"
	"pfsight/report/secrecy"
)

// Limits of what is kept of a capture that goes on.
const (
	// keptRows is how many of the newest connections of each verdict are
	// kept, so that a flood of one verdict does not wash away the others:
	// about 700 bytes each, and what they share.
	keptRows = 512
	// settleAt is how many changes wait before the capture side sums them up
	// itself, where nobody looks at them.
	settleAt = 512
	// maxPending is how many changes wait while somebody reads the sums.
	// Beyond it the capture side waits too; what it then misses, the kernel
	// counts.
	maxPending = 1 << 14
	// lookFor is how long a look is shown to all who ask, at least: it sorts
	// every server, and that must not be had once for each request. One that
	// took longer than a tenth of it lives ten times as long as it took, so
	// that who looks costs a tenth of a core at most.
	lookFor   = 900 * time.Millisecond
	lookShare = 10
	// rateOver is the time over which rates are taken.
	rateOver = 10 * time.Second
	// minute is the "now" of shares, seconds.
	minute = 60
)

// InterfaceStats are what the kernel says of an interface since the start of
// the capture.
type InterfaceStats struct {
	Name                    string
	Packets, Drops, Freezes uint64
	Up                      bool
}

// A liveState is what people look at while a capture goes on: sums, the
// newest connections, and what was lost. It is safe for concurrent use. What
// the capture side does is short: a copy under a lock that no reader holds
// for long; the sums are made by whoever looks, or in batches.
type liveState struct {
	now     func() time.Time
	started time.Time
	metrics *metrics.Set
	// filter and events are the expressions that chose packets and events;
	// both, and maxPending, are set before the first change.
	filter, events string
	// maxPending is how many changes wait, the constant or less.
	maxPending int

	mu      sync.Mutex // short: of what is pending and of what is told of the capture
	pending []change
	ifaces  []InterfaceStats
	capture capture.Stats
	samples []sample // one a second, oldest first, of a minute
	lost    map[string]uint64

	sums   sync.Mutex // long: of what is made of the changes
	spare  []change
	report *report.Report
	begun  uint64
	ended  uint64
	recent [minute]second
	rings  [4]ring
	places map[uint64]place // of the rows in rings that have not ended

	looking   sync.Mutex // one look at a time; taken before sums
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

// A second is what was negotiated in one.
type second struct {
	at       int64
	all      uint64 // with a ServerHello or without
	verdicts [4]uint64
}

// A sample is how far the capture was at a time.
type sample struct {
	at                    time.Time
	packets, bytes, drops uint64
}

func newLiveState() *liveState {
	s := &liveState{now: time.Now, report: report.NewReport(), lost: map[string]uint64{}, places: map[uint64]place{}, maxPending: maxPending}
	s.started = s.now()
	s.samples = []sample{{at: s.started}}
	s.metrics = metrics.New(version(), s.captureMetrics)
	return s
}

// Add takes a connection whose verdict is known. It keeps nothing of r's own
// memory, so that the caller may go on to write its Totals.
func (s *liveState) Add(r *report.Connection) { s.take(r, false) }

// End takes a connection that Add was given, when its Totals are known.
func (s *liveState) End(r *report.Connection) { s.take(r, true) }

func (s *liveState) take(r *report.Connection, ended bool) {
	at := s.now().Unix()
	s.mu.Lock()
	s.pending = append(s.pending, change{at, ended, *r})
	n := len(s.pending)
	s.mu.Unlock()
	switch {
	case n >= s.maxPending:
		s.sums.Lock()
	case n < settleAt || !s.sums.TryLock():
		return
	}
	s.settle()
	s.sums.Unlock()
}

// SetCapture takes how the capture stands.
func (s *liveState) SetCapture(ifaces []InterfaceStats, st capture.Stats) {
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

// drops is how many packets the kernel dropped: what it says of the
// interfaces, or what the capture says where that is more. mu is held.
func (s *liveState) drops() uint64 {
	var n uint64
	for i := range s.ifaces {
		n += s.ifaces[i].Drops
	}
	return max(n, s.capture.Drops[capture.KernelDrops])
}

// Lost counts rows that a sink did not take.
func (s *liveState) Lost(sink string, n uint64) {
	s.mu.Lock()
	s.lost[sink] += n
	s.mu.Unlock()
}

// settle sums up what is pending. sums is held.
func (s *liveState) settle() {
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
		c.row.Totals = stream.Totals{} // end brings them
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
	clear(batch) // what it points to is garbage when the rings let go
	s.spare = batch
}

func (s *liveState) end(r *report.Connection) {
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

// keep puts a row into the ring of its verdict.
func (s *liveState) keep(r *report.Connection) {
	g := &s.rings[r.ForwardSecrecy]
	seq := g.n
	if old := g.at(seq - keptRows); seq >= keptRows && old != nil {
		if p, ok := s.places[old.ID]; ok && p == (place{r.ForwardSecrecy, seq - keptRows}) {
			delete(s.places, old.ID)
		}
	}
	g.put(s.begun, r)
	s.places[r.ID] = place{r.ForwardSecrecy, seq}
}

// A place is where a row is kept.
type place struct {
	verdict secrecy.Verdict
	seq     uint64
}

// A ring holds the newest keptRows rows of one verdict.
type ring struct {
	n    uint64 // that were ever put into it
	rows []kept
}

type kept struct {
	order uint64 // among all verdicts
	report.Connection
}

func (g *ring) put(order uint64, r *report.Connection) {
	if g.n < keptRows {
		g.rows = append(g.rows, kept{order, *r})
	} else {
		g.rows[g.n%keptRows] = kept{order, *r}
	}
	g.n++
}

// at returns the row that was put as number seq, nil where it is gone.
func (g *ring) at(seq uint64) *kept {
	if seq >= g.n || g.n-seq > keptRows {
		return nil
	}
	return &g.rows[seq%keptRows]
}

// newest returns copies of the newest rows for which match reports true, nil
// for all, newest first and at most limit; and how many rows were looked at.
func (s *liveState) newest(limit int, match func(*report.Connection) bool) ([]*report.Connection, int) {
	s.sums.Lock()
	s.settle()
	all := make([]kept, 0, 4*keptRows)
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

// look returns the sums and how the capture stands, of one moment. Both are
// shared: do not write.
func (s *liveState) look() (*report.Summary, *render.Live) {
	s.looking.Lock()
	defer s.looking.Unlock()
	now := s.now()
	if s.summary == nil || !now.Before(s.lookUntil) {
		s.sums.Lock()
		s.settle()
		s.summary = s.report.Summary()
		s.live = s.stand(now)
		s.sums.Unlock()
		in := &s.summary.Input
		s.mu.Lock()
		st := s.capture
		st.Drops[capture.KernelDrops] = s.drops()
		*in = inputOf(&st, lossesOf(&st, &gapCount{n: s.summary.Gaps}))
		in.Filter, in.Events = s.filter, s.events
		for i := range s.ifaces {
			in.Files = append(in.Files, s.ifaces[i].Name)
		}
		s.mu.Unlock()
		end := s.now()
		s.lookUntil = end.Add(max(lookFor, lookShare*end.Sub(now)))
	}
	return s.summary, s.live
}

// fresh makes the next look a new one.
func (s *liveState) fresh() {
	s.looking.Lock()
	s.lookUntil = time.Time{}
	s.looking.Unlock()
}

// stand returns how the capture stands now. sums is held.
func (s *liveState) stand(now time.Time) *render.Live {
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
	for i := range s.ifaces {
		f := &s.ifaces[i]
		l.Interfaces = append(l.Interfaces, render.Interface{Name: f.Name, Packets: f.Packets, Drops: f.Drops, Freezes: f.Freezes, Up: f.Up})
	}
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

// captureMetrics returns how the capture stands, for a scrape.
func (s *liveState) captureMetrics() metrics.Capture {
	s.sums.Lock()
	s.settle()
	s.sums.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.capture
	c := metrics.Capture{Packets: st.Packets, Bytes: st.Bytes, Last: st.Last}
	for i := range s.ifaces {
		f := &s.ifaces[i]
		c.Interfaces = append(c.Interfaces, metrics.Interface{Name: f.Name, Packets: f.Packets, Drops: f.Drops, Freezes: f.Freezes, Up: f.Up})
	}
	for i, n := range st.Drops {
		switch r := capture.Reason(i); r {
		case capture.KernelDrops: // by interface
		case capture.SYNEvict:
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
