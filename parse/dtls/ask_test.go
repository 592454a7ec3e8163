package dtls

import (
	"math/rand/v2"
	"testing"

	"pfsight/capture/stream"
)

// TestAskLastFlight sends the datagrams of the server's last flight in any
// order, some of the datagrams before it twice: Ask waits for all of it.
func TestAskLastFlight(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var r Reader
	for range 500 {
		in := []said{client(plain(messageOf(1, 0, hello1)))}
		flight := []said{
			server(recordOf(RecordHandshake, version12, 0, 0, messageOf(2, 0, serverHello1))),
			server(recordOf(RecordHandshake, version12, 0, 1, messageOf(11, 1, certificate))),
			server(recordOf(RecordHandshake, version12, 0, 2, messageOf(typeServerHelloDone, 2, ""))),
		}
		for range rnd.IntN(4) {
			flight = append(flight, flight[rnd.IntN(3)])
		}
		rnd.Shuffle(len(flight), func(i, j int) { flight[i], flight[j] = flight[j], flight[i] })
		in = append(in, flight...)
		in = append(in, client(recordOf(RecordHandshake, version12, 0, 1, messageOf(16, 1, "04 05060708"))+
			recordOf(RecordChangeCipherSpec, version12, 0, 2, "01")+finished))
		last := []said{
			server(recordOf(RecordHandshake, version12, 0, 3, messageOf(4, 3, "00000000 0002 abcd"))),
			server(recordOf(RecordChangeCipherSpec, version12, 0, 4, "01")),
			server(finished),
			server(data),
		}
		rnd.Shuffle(len(last), func(i, j int) { last[i], last[j] = last[j], last[i] })
		in = append(in, last...)
		v, n := ask(in)
		if v != stream.Enough {
			t.Fatalf("verdict %d after %d of %d datagrams", v, n, len(in))
		}
		o := r.Read(conversation(in[:n]))
		if s := &o.Said[stream.ToClient]; !s.has(4) || s.CCS.Count != 1 || s.Handshake.Count != 1 {
			t.Fatalf("enough after %d of %d datagrams: %s", n, len(in), summary(o))
		}
	}
}

// TestAskServerHelloLate sends the server's flight of DTLS 1.3 in any order,
// after a HelloRetryRequest or without one: Ask waits for the ServerHello.
func TestAskServerHelloLate(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	var r Reader
	const tail = "00 1301 00 0006 002b 0002 fefc"
	for i := range 200 {
		in := []said{client(plain(messageOf(1, 0, hello1)))}
		seq := uint64(0)
		if i%2 == 1 {
			in = append(in, server(recordOf(RecordHandshake, version12, 0, 0, messageOf(2, 0, "fefd"+retry+tail))),
				client(recordOf(RecordHandshake, version12, 0, 1, messageOf(1, 1, hello1))))
			seq = 1
		}
		flight := []said{
			server(recordOf(RecordHandshake, version12, 0, seq, messageOf(2, uint16(seq), "fefd"+random2+tail))),
			server(unified("2e", "0001", 60)),
			server(unified("2e", "0002", 60)),
			client(unified("2e", "0003", 60)),
			server(unified("2f", "0000", 40)),
		}
		rnd.Shuffle(len(flight), func(i, j int) { flight[i], flight[j] = flight[j], flight[i] })
		in = append(in, flight...)
		v, n := ask(in)
		if o := r.Read(conversation(in[:n])); v == stream.Enough && len(o.Said[stream.ToClient].Messages) != 1+int(seq) {
			t.Fatalf("enough after %d of %d datagrams: %s", n, len(in), summary(o))
		}
		if v, _ := ask(append(in, client(unified("2f", "0001", 60)), server(unified("2e", "0004", 60)))); v != stream.Enough {
			t.Fatalf("verdict %d at the end", v)
		}
	}
}
