package sensor

import (
	"bytes"
	"net/netip"
	"testing"

	"pfsight/capture"
	"pfsight/capture/stream"
	"pfsight/cmd/pfsight/internal/livestate"
	"pfsight/cmd/pfsight/internal/rows"
	"pfsight/cmd/pfsight/internal/sink"
	"pfsight/report"
	"pfsight/report/render"
	"pfsight/report/secrecy"
)

// TestManyEvents ends many connections at once, as the end of a capture does. A
// sink without room for all events gets those that it has room for.
func TestManyEvents(t *testing.T) {
	const n = 1024
	var lost uint64
	var got bytes.Buffer
	k, err := sink.Open("-", sink.Options{Stdout: &got})
	if err != nil {
		t.Fatal(err)
	}
	k.Room, k.Lost = 4*batchSize, func(n uint64) { lost += n }
	e := &emitter{events: []render.Event{render.Handshake, render.End}, state: livestate.New(livestate.Options{}), open: rows.NewTable(report.NewHistory()), sinks: []*sink.Sink{k}}
	w := &worker{rows.NewWorker(report.NewBuilder()), e}
	for i := range uint32(n) {
		w.Began(i+1, &report.Connection{
			ID: uint64(i + 1), Time: int64(i + 1), HasServerHello: true, Version: 0x303, CipherSuite: 0x9c, KeyExchange: "RSA", ForwardSecrecy: secrecy.No, Outcome: report.Established,
			Client: report.Endpoint{AddrPort: netip.MustParseAddrPort("10.0.0.1:50000")}, Server: report.Endpoint{AddrPort: netip.MustParseAddrPort("10.0.0.2:443")},
		})
	}
	for i := range uint32(n) {
		w.Ended(i+1, stream.Totals{End: stream.EndInput})
	}
	w.Emit(new(capture.Stats))
	k.Start()
	sink.Close([]*sink.Sink{k})
	if got.Len() < k.Room-2*batchSize || got.Len() > k.Room {
		t.Errorf("got %d bytes of events, want about the room of %d", got.Len(), k.Room)
	}
	if lost == 0 || lost >= 2*n {
		t.Errorf("got %d lost events of %d, want some", lost, 2*n)
	}
	if n := e.open.Open(); n != 0 {
		t.Errorf("got %d open rows at the end, want 0", n)
	}
}
