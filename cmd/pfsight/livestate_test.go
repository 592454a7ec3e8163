package main

import (
	"fmt"
	"net/netip"
	"strings"
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

func stateAt(c *clock) *liveState {
	st := newLiveState()
	st.now = c.now
	st.started = c.now()
	st.samples = []sample{{at: st.started}}
	return st
}

// madeRow is a connection of which only what the state looks at is set.
func madeRow(id uint64, v secrecy.Verdict) *report.Connection {
	c := &report.Connection{
		ID: id, Time: int64(id), Client: report.Endpoint{AddrPort: netip.MustParseAddrPort("10.0.0.1:50000")}, Server: report.Endpoint{AddrPort: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), uint16(id%50000))},
		HasServerHello: true, Version: 0x303, CipherSuite: 0x9c, KeyExchange: "RSA", ForwardSecrecy: v, Outcome: report.Established,
	}
	c.Reasons.Add(secrecy.RSAKeyTransport)
	return c
}

// TestKept holds the rings to their limit, and to keeping what is rare.
func TestKept(t *testing.T) {
	st := newLiveState()
	const many = 3 * keptRows
	st.Add(madeRow(1, secrecy.No))
	for i := range many {
		st.Add(madeRow(uint64(i+2), secrecy.Yes))
	}
	st.Add(madeRow(many+2, secrecy.Conditional))
	rows, of := st.newest(1<<20, nil)
	if of != keptRows+2 || len(rows) != of {
		t.Errorf("%d of %d rows are kept", len(rows), of)
	}
	if rows[0].ID != many+2 || rows[1].ID != many+1 || rows[len(rows)-1].ID != 1 {
		t.Errorf("first %d, %d; last %d", rows[0].ID, rows[1].ID, rows[len(rows)-1].ID)
	}
	if len(st.places) != keptRows+2 {
		t.Errorf("%d places are remembered", len(st.places))
	}
	no, _ := st.newest(10, func(c *report.Connection) bool { return c.ForwardSecrecy == secrecy.No })
	if len(no) != 1 || no[0].ID != 1 {
		t.Errorf("%d without forward secrecy", len(no))
	}
	// The end of one that is kept brings its bytes, of one that is not it
	// only counts.
	for _, id := range []uint64{1, 2, many + 1} {
		c := madeRow(id, secrecy.No)
		c.Totals = stream.Totals{Bytes: [2]uint64{id, id}}
		st.End(c)
	}
	rows, _ = st.newest(1<<20, nil)
	for _, r := range rows {
		want := uint64(0)
		if r.ID == 1 || r.ID == many+1 {
			want = r.ID
		}
		if r.Totals.Bytes[0] != want {
			t.Errorf("%d has %d bytes, want %d", r.ID, r.Totals.Bytes[0], want)
		}
	}
	if _, l := st.look(); l.Open != many+2-3 {
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
		st.Add(madeRow(id, v))
		stats.Packets, stats.Bytes = stats.Packets+10, stats.Bytes+1000
		c.pass(time.Second)
		st.SetCapture([]InterfaceStats{{Name: "eth0", Drops: id}}, stats)
	}
	_, l := st.look()
	if w := l.Minute; w.Negotiated != 59 || w.Verdicts[secrecy.No] != 30 || w.Verdicts[secrecy.Yes] != 29 || w.Drops != 60 || w.Packets != 600 {
		t.Errorf("last minute: %+v", w)
	}
	if l.PacketRate != 10 || l.BitRate != 8000 || l.DropRate != 1 || l.Handshakes != 1 || l.Drops != 90 {
		t.Errorf("rates: %+v", l)
	}
	s, again := st.look()
	if again != l || s.Verdicts[secrecy.Yes] != 60 || s.Verdicts[secrecy.No] != 30 {
		t.Errorf("a second look differs: %v", s.Verdicts)
	}
	if len(s.Input.Loss) != 1 || s.Input.Loss[0].Reason != "kernel_drops" || s.Input.Loss[0].Count != 90 || s.Input.Files[0] != "eth0" {
		t.Errorf("lost: %+v", s.Input)
	}
	c.pass(2 * time.Minute)
	if _, l = st.look(); l.Minute.Negotiated != 0 || l.Handshakes != 0 {
		t.Errorf("two minutes later: %+v", l)
	}
	if len(st.samples) > minute+1 {
		t.Errorf("%d samples are kept", len(st.samples))
	}
}

// TestLiveStateConcurrent adds from several sides while others look.
func TestLiveStateConcurrent(t *testing.T) {
	st := newLiveState()
	const sides, each = 4, 3000
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				st.look()
				st.newest(10, nil)
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
				c := madeRow(uint64(side*each+i), secrecy.Verdict(i%4))
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
	s, l := st.look()
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
	st := newLiveState()
	st.sums.Lock()
	done := make(chan struct{})
	go func() {
		for i := range maxPending + 100 {
			st.Add(madeRow(uint64(i), secrecy.Yes))
		}
		close(done)
	}()
	deadline := time.Now().Add(20 * time.Second)
	for {
		st.mu.Lock()
		n := len(st.pending)
		st.mu.Unlock()
		if n >= maxPending || time.Now().After(deadline) {
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
	if s, _ := st.look(); s.Connections != maxPending+100 {
		t.Errorf("%d connections, want %d", s.Connections, maxPending+100)
	}
}

func TestTUI(t *testing.T) {
	st := fedState(t)
	evil := madeRow(1<<40, secrecy.No)
	evil.ServerName = "\x1b]0;x\x07\u202e日本語の名前" + strings.Repeat("w", 300)
	st.Add(evil)
	st.SetCapture([]InterfaceStats{{Name: "eth0", Drops: 1 << 40}, {Name: strings.Repeat("v", 60)}}, st.capture)
	m := &tuiModel{st: st, width: 80, height: 24}
	m.look()
	for _, size := range [][2]int{{80, 24}, {60, 16}, {200, 60}, {71, 30}, {20, 5}} {
		m.width, m.height = size[0], size[1]
		for _, k := range []string{"1", "2", "3", "end", "up", "pgdown", "home", "?", "x", "p", "tab", "left"} {
			m.key(k)
			lines := strings.Split(m.View().Content, "\n")
			if len(lines) > m.height {
				t.Errorf("%v %s: %d lines", size, k, len(lines))
			}
			for _, line := range lines {
				text := plainText(line)
				if n := width(text); n > max(m.width, 40) {
					t.Errorf("%v %s: %d columns: %q", size, k, n, text)
				}
				if strings.ContainsAny(text, "\x1b\x07\u202e") {
					t.Errorf("%v %s: %q", size, k, text)
				}
			}
		}
		m.paused = false
	}
	m.width, m.height = 80, 24
	m.key("1")
	m.key("home")
	screen := plainText(m.View().Content)
	for _, want := range []string{"pfsight live", "eth0", "The kernel dropped", "3 rows lost to kafka", "not forward secret", "rsa_key_transport", "q quit", `\x1b]0;x`} {
		if !strings.Contains(screen, want) {
			t.Errorf("it does not say %q:\n%s", want, screen)
		}
	}
	m.ascii, m.width = true, 130
	m.key("1")
	for _, r := range m.View().Content {
		if r > 0x7e && !strings.ContainsRune("日本語の名前", r) {
			t.Errorf("%q on a terminal of ASCII", r)
		}
	}
	if m.key("q") == nil || m.key("ctrl+c") == nil {
		t.Error("it does not quit")
	}
}

// plainText takes the colours out.
func plainText(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == 0x1b && i+1 < len(s) && s[i+1] == '[' {
			for i < len(s) && s[i] != 'm' {
				i++
			}
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// BenchmarkLiveAdd is what a handshake and its end cost the capture side,
// the sums that it makes from time to time included.
func BenchmarkLiveAdd(b *testing.B) {
	rows := connections(b, handshakeFiles(b)...)
	st := newLiveState()
	b.ReportAllocs()
	id := uint64(0)
	for b.Loop() {
		id++
		c := rows[id%uint64(len(rows))]
		c.ID = id
		st.Add(c)
		st.End(c)
	}
}

// BenchmarkScrape is what a scrape costs, by how many series there are.
func BenchmarkScrape(b *testing.B) {
	for _, series := range []int{0, 1000} {
		b.Run(fmt.Sprint(series), func(b *testing.B) {
			st := fedState(b)
			for i := range series {
				c := madeRow(uint64(i), secrecy.Verdict(i%4))
				c.HasGroup, c.Group = true, 1
				c.DHBits, c.Version = i, 0x300
				c.Group = groupAt(i)
				st.Add(c)
			}
			h := st.metrics.Handler()
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(&discard{}, scrapeRequest)
			}
		})
	}
}

// BenchmarkLook is a look at tables that are full of servers and keys.
func BenchmarkLook(b *testing.B) {
	st := newLiveState()
	for i := range 1 << 17 {
		c := madeRow(uint64(i), secrecy.Verdict(i%4))
		c.EphemeralKey = report.KeyID{byte(i), byte(i >> 8), byte(i >> 16), 1}
		c.ServerName = fmt.Sprint(i / 50000)
		st.Add(c)
	}
	b.ReportAllocs()
	for b.Loop() {
		st.lookUntil = time.Time{}
		st.look()
	}
}
