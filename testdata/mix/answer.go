package main

import (
	"fmt"

	"pfsight/report"
	"pfsight/report/impact"
	"pfsight/report/policy"
	"pfsight/report/secrecy"
)

// answer returns the connections that the clients in pool would have with servers
// that apply a policy.
func answer(pool []*report.Connection, name string) ([]*report.Connection, error) {
	p, ok := policy.Lookup(name)
	if !ok {
		return nil, fmt.Errorf("no built-in policy %s", name)
	}
	server := &policy.Server{Keys: []policy.KeyType{policy.KeyRSA}}
	cert := &report.Certificate{Subject: "CN=app.example", Issuer: "CN=app.example", Key: "RSA", Bits: 2048, NotBefore: 1767225600, NotAfter: 1830297600, SHA256: [32]byte{1}, SPKI: [32]byte{2}}
	byOrigin := map[*report.Connection]*report.Connection{}
	out := make([]*report.Connection, len(pool))
	for i, c := range pool {
		if byOrigin[c] == nil {
			if c.Offered == nil {
				return nil, fmt.Errorf("a connection of %s has no ClientHello", c.Source)
			}
			a := p.Answer(impact.HelloOf(c.Offered), server)
			byOrigin[c] = answered(c, &a, cert)
		}
		out[i] = byOrigin[c]
	}
	return out, nil
}

// answered returns the first connection of c's client to a server that responds
// with a.
func answered(c *report.Connection, a *policy.Answer, cert *report.Certificate) *report.Connection {
	out := &report.Connection{
		Time: c.Time, Client: c.Client, Server: c.Server, Protocol: c.Protocol, ServerName: c.ServerName, ECH: c.ECH, JA3: c.JA3, JA4: c.JA4, Offered: c.Offered,
		ClientHelloPacket: c.ClientHelloPacket, FirstHelloSplit: c.FirstHelloSplit, Totals: c.Totals, TicketLifetime: -1, Resumed: secrecy.False,
	}
	if !a.OK {
		out.Resumed = secrecy.Undetermined
		out.Outcome, out.Alert, out.AlertFrom = report.Rejected, a.Alert.String(), "server"
		out.Reasons.Add(secrecy.NoServerHello)
		return out
	}
	out.HasServerHello, out.Version, out.CipherSuite, out.Group, out.HasGroup = true, a.Version, a.Suite, a.Group, a.HasGroup
	out.ServerHelloPacket, out.Outcome, out.ForwardSecrecy, out.PostQuantum = 1, report.Established, a.ForwardSecrecy, a.PostQuantum
	out.HelloRetryRequest = secrecy.TriOf(a.HelloRetryRequest)
	suite := a.Suite.Info()
	switch {
	case a.Version.IsTLS13():
		out.KeyExchange = "ECDHE"
		if a.PostQuantum == secrecy.True {
			out.KeyExchange = "hybrid"
		}
		out.Reasons.Add(secrecy.TLS13KeyShare)
		out.EphemeralKey = report.KeyID{1} // mix replaces it in each connection
		return out
	case a.ForwardSecrecy == secrecy.Yes:
		out.EphemeralKey = report.KeyID{1}
		out.Reasons.Add(secrecy.EphemeralKeyExchange)
	default:
		_, _, why := secrecy.Family(suite.KeyExchange)
		out.Reasons.Add(why)
	}
	out.KeyExchange, out.Authentication, out.Certificate = suite.KeyExchange.String(), suite.Authentication, cert
	out.ExtendedMaster = secrecy.TriOf(false)
	return out
}
