package livestate

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"pfsight/capture"
	"pfsight/capture/stream"
	"pfsight/report"
	"pfsight/report/secrecy"
)

// A clock is set by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func stateAt(c *clock) *State {
	st := New(Options{})
	st.now = c.now
	st.started = c.now()
	st.samples = []sample{{at: st.started}}
	return st
}

// TestKept holds the rings to their limit, and to keeping what is rare.
func TestKept(t *testing.T) {
	st := New(Options{})
	const many = 3 * KeptRows
	st.Add(testRow(1, secrecy.No))
	for i := range many {
		st.Add(testRow(uint64(i+2), secrecy.Yes))
	}
	st.Add(testRow(many+2, secrecy.Conditional))
	rows, of := st.Newest(1<<20, nil)
	if of != KeptRows+2 || len(rows) != of {
		t.Errorf("%d of %d rows are kept", len(rows), of)
	}
	if rows[0].ID != many+2 || rows[1].ID != many+1 || rows[len(rows)-1].ID != 1 {
		t.Errorf("first %d, %d; last %d", rows[0].ID, rows[1].ID, rows[len(rows)-1].ID)
	}
	if len(st.places) != KeptRows+2 {
		t.Errorf("%d places are remembered", len(st.places))
	}
	no, _ := st.Newest(10, func(c *report.Connection) bool { return c.ForwardSecrecy == secrecy.No })
	if len(no) != 1 || no[0].ID != 1 {
		t.Errorf("%d without forward secrecy", len(no))
	}
	// The end of one that is kept brings its bytes, of one that is not it
	// only counts.
	for _, id := range []uint64{1, 2, many + 1} {
		c := testRow(id, secrecy.No)
		c.Totals = stream.Totals{Bytes: [2]uint64{id, id}}
		st.End(c)
	}
	rows, _ = st.Newest(1<<20, nil)
	for _, r := range rows {
		want := uint64(0)
		if r.ID == 1 || r.ID == many+1 {
			want = r.ID
		}
		if r.Totals.Bytes[0] != want {
			t.Errorf("%d has %d bytes, want %d", r.ID, r.Totals.Bytes[0], want)
		}
	}
	if _, l := st.Look(); l.Open != many+2-3 {
		t.Errorf("%d are open", l.Open)
	}
}

// TestMinute lets time pass over what was seen.
func TestMinute(t *testing.T) {
	c := &clock{t: time.Unix(1700000000, 0)}
	st := stateAt(c)
	var stats capture.Stats
	id := uint64(0)
	for range 90 { // a connection, ten packets and a drop a second
		id++
		v := secrecy.Yes
		if id > 60 {
			v = secrecy.No
		}
		st.Add(testRow(id, v))
		stats.Packets, stats.Bytes = stats.Packets+10, stats.Bytes+1000
		c.pass(time.Second)
		st.SetCapture([]stream.InterfaceStats{{Name: "eth0", Drops: id}}, stats)
	}
	_, l := st.Look()
	if w := l.Minute; w.Negotiated != 59 || w.Verdicts[secrecy.No] != 30 || w.Verdicts[secrecy.Yes] != 29 || w.Drops != 60 || w.Packets != 600 {
		t.Errorf("last minute: %+v", w)
	}
	if l.PacketRate != 10 || l.BitRate != 8000 || l.DropRate != 1 || l.Handshakes != 1 || l.Drops != 90 {
		t.Errorf("rates: %+v", l)
	}
	s, again := st.Look()
	if again != l || s.Verdicts[secrecy.Yes] != 60 || s.Verdicts[secrecy.No] != 30 {
		t.Errorf("a second look differs: %v", s.Verdicts)
	}
	if len(s.Input.Loss) != 1 || s.Input.Loss[0].Reason != "kernel_drops" || s.Input.Loss[0].Count != 90 || s.Input.Files[0] != "eth0" {
		t.Errorf("lost: %+v", s.Input)
	}
	c.pass(2 * time.Minute)
	if _, l = st.Look(); l.Minute.Negotiated != 0 || l.Handshakes != 0 {
		t.Errorf("two minutes later: %+v", l)
	}
	if len(st.samples) > minute+1 {
		t.Errorf("%d samples are kept", len(st.samples))
	}
}

// TestLiveStateConcurrent adds from several sides while others look.
func TestLiveStateConcurrent(t *testing.T) {
	st := New(Options{})
	const sides, each = 4, 3000
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				st.Look()
				st.Newest(10, nil)
				st.captureMetrics()
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for side := range sides {
		writers.Go(func() {
			for i := range each {
				c := testRow(uint64(side*each+i), secrecy.Verdict(i%4))
				st.Add(c)
				c.Totals.Bytes[0] = 5 // the caller's own again
				st.End(c)
				st.Lost("file", 1)
				st.SetCapture(nil, capture.Stats{Packets: uint64(i)})
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	st.lookUntil = time.Time{}
	s, l := st.Look()
	if s.Connections != sides*each || l.Open != 0 || l.SinkLoss[0].N != sides*each {
		t.Errorf("%d connections, %d open, %v", s.Connections, l.Open, l.SinkLoss)
	}
	var bytes uint64
	for _, v := range s.Servers {
		bytes += v.Bytes
	}
	if bytes != 5*sides*each {
		t.Errorf("%d bytes, want %d", bytes, 5*sides*each)
	}
}

// TestPendingBounded holds what waits to its limit while somebody reads for
// long.
func TestPendingBounded(t *testing.T) {
	st := New(Options{})
	st.sums.Lock()
	done := make(chan struct{})
	go func() {
		for i := range MaxPending + 100 {
			st.Add(testRow(uint64(i), secrecy.Yes))
		}
		close(done)
	}()
	deadline := time.Now().Add(20 * time.Second)
	for {
		st.mu.Lock()
		n := len(st.pending)
		st.mu.Unlock()
		if n >= MaxPending || time.Now().After(deadline) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	select {
	case <-done:
		t.Error("it does not wait")
	default:
	}
	st.sums.Unlock()
	<-done
	st.lookUntil = time.Time{}
	if s, _ := st.Look(); s.Connections != MaxPending+100 {
		t.Errorf("%d connections, want %d", s.Connections, MaxPending+100)
	}
}

// testRow returns a connection with only the fields that a State uses.
func testRow(id uint64, v secrecy.Verdict) *report.Connection {
	c := &report.Connection{
		ID: id, Time: int64(id), Client: report.Endpoint{AddrPort: netip.MustParseAddrPort("10.0.0.1:50000")}, Server: report.Endpoint{AddrPort: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), uint16(id%50000))},
		HasServerHello: true, Version: 0x303, CipherSuite: 0x9c, KeyExchange: "RSA", ForwardSecrecy: v, Outcome: report.Established,
	}
	c.Reasons.Add(secrecy.RSAKeyTransport)
	return c
}
