package report

import (
	"net/netip"
	"reflect"
	"testing"

	"pfsight/capture/stream"
	"pfsight/report/secrecy"
)

// TestEnded compares Add followed by Ended with one Add of the complete row.
func TestEnded(t *testing.T) {
	cert := &Certificate{Subject: "CN=a", Key: "RSA", Bits: 2048, SPKI: [32]byte{1}}
	whole, steps := NewReport(), NewReport()
	for i := range 6 {
		c := Connection{
			ID: uint64(i), Time: int64(1000 * (i + 1)), Client: Endpoint{AddrPort: netip.MustParseAddrPort("10.0.0.1:5000")}, Server: Endpoint{AddrPort: netip.MustParseAddrPort("10.0.0.2:443")},
			ServerName: "a.example", HasServerHello: true, Version: 0x303, CipherSuite: 0x9c, KeyExchange: "RSA", ForwardSecrecy: secrecy.No,
			Certificate: cert, TicketKey: "aa", EphemeralKey: KeyID{byte(1 + i/3)}, Outcome: Established,
		}
		c.Reasons.Add(secrecy.RSAKeyTransport)
		if i%3 > 0 {
			c.Reasons.Add(secrecy.ReusedEphemeralKey)
		}
		if i == 5 {
			c = Connection{ID: 5, Time: 7, Outcome: Rejected} // without a ServerHello
		}
		open := c
		steps.Add(&open)
		c.Totals = stream.Totals{Bytes: [2]uint64{uint64(i), 10}, Packets: 4, Last: c.Time + 500}
		whole.Add(&c)
		steps.Ended(&c)
	}
	w, s := whole.Summary(), steps.Summary()
	if !reflect.DeepEqual(w, s) {
		t.Errorf("whole rows give\n%+v\nsteps give\n%+v", w, s)
	}
	if s.Servers[0].Bytes != 60 || s.Exposure[0].Bytes != 60 || s.Exposure[0].Last != 5500 || s.ReusedKeySpan != 2500 {
		t.Errorf("bytes %d and %d, last %d, span %d", s.Servers[0].Bytes, s.Exposure[0].Bytes, s.Exposure[0].Last, s.ReusedKeySpan)
	}
}
