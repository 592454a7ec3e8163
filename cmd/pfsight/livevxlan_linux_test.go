package main

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"testing"
	"time"

	"pfsight/capture"
	"pfsight/capture/live"
	"pfsight/capture/live/livetest"
	"pfsight/cmd/pfsight/internal/rows"
)

// vxlan puts a frame into a VXLAN tunnel, RFC 7348, with fixed endpoints and ports.
func vxlan(inner []byte) []byte {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0xc0, 0, 0x12, 0xb5, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 7, 0}
	binary.BigEndian.PutUint16(b[16:], uint16(len(b)-14+len(inner)))
	binary.BigEndian.PutUint16(b[38:], uint16(len(b)-34+len(inner)))
	return append(b, inner...)
}

// A counting Sink counts the events of one worker.
type counting struct {
	opened *atomic.Int64
	some   int // blocks with handshakes
}

func (c *counting) Take(events []capture.Event) {
	for i := range events {
		if events[i].Opening != nil {
			c.opened.Add(1)
		}
	}
	if len(events) > 0 {
		c.some++
	}
	time.Sleep(5 * time.Millisecond) // stands in for the parse time
}

func (c *counting) Emit(*capture.Stats) {}

// TestVXLANWorkers captures connections inside one VXLAN tunnel, which the kernel
// puts into one ring. All workers must get some of them.
func TestVXLANWorkers(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	frames, _ := loadFrames(t, rsa)
	src, err := live.Open(live.Options{Interfaces: []string{"vb"}, Rings: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	send := livetest.NewSender(t, "va")
	const rounds = 2000
	for round := range rounds {
		for _, f := range frames {
			livetest.Renew(f, round)
			send.Send(vxlan(f))
		}
	}
	var opened atomic.Int64
	workers := [4]*counting{}
	var sinks []capture.Sink
	for i := range workers {
		workers[i] = &counting{opened: &opened}
		sinks = append(sinks, workers[i])
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		time.Sleep(200 * time.Millisecond)
		src.Stop()
	}()
	st, err := capture.Run(context.Background(), src, rows.CaptureOptions(0), sinks...)
	<-stopped
	if err != nil {
		t.Fatal(err)
	}
	if n := uint64(rounds * len(frames)); st.Packets+src.Lost() != n {
		t.Errorf("%d packets were sent, %d came, %d were dropped", n, st.Packets, src.Lost())
	}
	if want := int64(len(records(t, rsa)) * rounds); src.Lost() == 0 && opened.Load() != want {
		t.Errorf("%d handshakes came, of %d", opened.Load(), want)
	}
	all, most := 0, 0
	for _, w := range workers {
		all += w.some
		most = max(most, w.some)
	}
	if all < 2*len(workers) || most > all/2 {
		t.Errorf("one worker had %d of %d blocks", most, all)
	}
}
