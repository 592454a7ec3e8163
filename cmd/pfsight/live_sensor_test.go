package main

import (
	"sync"
	"testing"

	"pfsight/capture"
	"pfsight/capture/stream"
	"pfsight/report"
	"pfsight/report/render"
	"pfsight/report/secrecy"
)

// TestManyEvents ends many connections at once, as the end of a capture does:
// a sink without room for all events is given those that it has room for.
func TestManyEvents(t *testing.T) {
	const n = 1024
	var lost uint64
	k := &sink{name: "test", room: 4 * deliverAt, lost: func(n uint64) { lost += n }}
	k.more = sync.NewCond(&k.mu)
	s := &sensor{opt: &liveOptions{events: []render.Event{render.Handshake, render.End}}, state: newLiveState(), history: report.NewHistory(), sinks: []*sink{k}}
	w := &sensorWorker{s, finder{builder: report.NewBuilder()}}
	for i := range uint32(n) {
		w.found = append(w.found, found{ref: i + 1, row: madeRow(uint64(i+1), secrecy.No)})
	}
	for i := range uint32(n) {
		w.found = append(w.found, found{ref: i + 1, totals: stream.Totals{End: stream.EndInput}})
	}
	w.Emit(new(capture.Stats))
	if len(k.queue) < k.room-2*deliverAt || len(k.queue) > k.room {
		t.Errorf("%d bytes wait, there is room for %d", len(k.queue), k.room)
	}
	if lost == 0 || lost >= 2*n {
		t.Errorf("%d of %d events are lost", lost, 2*n)
	}
	for i, r := range s.rows {
		if r != nil {
			t.Fatalf("row %d is kept", i)
		}
	}
}
