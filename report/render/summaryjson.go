package render

import (
	"encoding/hex"
	"io"
	"time"

	"pfsight/report"
	"pfsight/report/secrecy"
)

// The JSON form of a summary. A count is a number of connections unless its
// comment says otherwise. Shares are not written: a share is the count of a
// verdict over negotiated.
type (
	jsonSummary struct {
		Input              jsonInput         `json:"input"`
		Connections        uint64            `json:"connections"` // all rows
		Negotiated         uint64            `json:"negotiated"`  // with a ServerHello: the base of every share
		ForwardSecrecy     map[string]uint64 `json:"forward_secrecy"`
		Outcomes           map[string]uint64 `json:"outcomes"`                // over connections
		TicketKey          uint64            `json:"ticket_key"`              // of the yes: depend on a ticket key too
		Resumed            uint64            `json:"resumed"`                 // of negotiated
		PostQuantum        uint64            `json:"post_quantum"`            // of negotiated
		PostQuantumOffered uint64            `json:"post_quantum_offered"`    // of client_hellos
		ClientHellos       uint64            `json:"client_hellos"`           // with a ClientHello
		HelloRetryRequests uint64            `json:"hello_retry_requests"`    // of negotiated
		HellosSplit        uint64            `json:"client_hellos_split"`     // sent in more than one packet
		ClientOnly         uint64            `json:"one_direction_client"`    // only the client's side was seen
		ServerOnly         uint64            `json:"one_direction_server"`    // only the server's side was seen
		Gaps               uint64            `json:"gaps"`                    // bytes of the handshake are missing
		ReusedKeys         uint64            `json:"reused_ephemeral_values"` // values, not connections
		ReusedConnections  uint64            `json:"reused_ephemeral_connections"`
		TicketKeys         uint64            `json:"ticket_keys"` // names, not connections
		KeysLost           uint64            `json:"keys_lost"`   // observations beyond the limit of distinct keys
		Versions           []jsonCount       `json:"versions"`
		KeyExchanges       []jsonCount       `json:"key_exchanges"`
		Groups             []jsonCount       `json:"groups"`
		CipherSuites       []jsonCount       `json:"cipher_suites"`
		Reasons            []jsonCount       `json:"reasons"` // over connections; one connection may have several
		Undetermined       []jsonCount       `json:"unknown_because"`
		Servers            []jsonServer      `json:"servers"`       // those without forward secrecy first, up to the requested number
		ServersTotal       uint64            `json:"servers_total"` // distinct servers kept
		ServersLost        uint64            `json:"servers_lost"`  // connections of servers beyond the limit
		Exposure           []jsonExposure    `json:"exposure"`      // up to the requested number
		Live               *jsonLive         `json:"live,omitempty"`
	}
	jsonInput struct {
		Sources []string   `json:"sources"` // files or interfaces
		Packets uint64     `json:"packets"`
		Bytes   uint64     `json:"bytes"`
		Records uint64     `json:"records,omitempty"`      // saved records; they do not state what their captures lost
		Filter  string     `json:"filter,omitempty"`       // packet filter expression
		Where   string     `json:"where,omitempty"`        // connection filter expression
		Events  string     `json:"events_where,omitempty"` // filter expression of events; it does not affect the sums
		First   string     `json:"first,omitempty"`        // RFC 3339, UTC; absent without packets and records
		Last    string     `json:"last,omitempty"`
		Loss    []jsonLoss `json:"loss"` // losses by reason; they are in no share
	}
	jsonCount struct {
		Name           string `json:"name"`
		ForwardSecrecy string `json:"forward_secrecy,omitempty"` // of a key exchange
		Count          uint64 `json:"count"`
	}
	jsonServer struct {
		IP             string            `json:"server_ip,omitempty"`
		Port           uint16            `json:"server_port,omitempty"`
		MAC            string            `json:"server_mac,omitempty"` // of EAPOL, which has no IP
		Name           string            `json:"server_name,omitempty"`
		Negotiated     uint64            `json:"negotiated"`
		ForwardSecrecy map[string]uint64 `json:"forward_secrecy"`
		Bytes          uint64            `json:"bytes"`
		Clients        uint64            `json:"clients"`          // distinct clients kept
		Reason         string            `json:"reason,omitempty"` // the most frequent one against it
	}
	jsonExposure struct {
		SPKI        string `json:"spki_sha256"`
		Subject     string `json:"subject,omitempty"`
		Key         string `json:"key,omitempty"`
		Bits        int    `json:"bits,omitempty"`
		IP          string `json:"server_ip,omitempty"` // of a server that used the key
		Port        uint16 `json:"server_port,omitempty"`
		MAC         string `json:"server_mac,omitempty"`
		Name        string `json:"server_name,omitempty"`
		Connections uint64 `json:"connections"`
		Bytes       uint64 `json:"bytes"`
		Clients     uint64 `json:"clients"`
		First       string `json:"first,omitempty"`
		Last        string `json:"last,omitempty"`
	}
	jsonLive struct {
		Time       string            `json:"time"`
		Started    string            `json:"started"`
		Drops      uint64            `json:"kernel_drops"` // packets
		PacketRate float64           `json:"packets_per_second"`
		BitRate    float64           `json:"bits_per_second"`
		Handshakes float64           `json:"handshakes_per_second"`
		Open       uint64            `json:"open_connections"`
		Minute     jsonWindow        `json:"last_minute"`
		Interfaces []jsonInterface   `json:"interfaces"`
		SinkLoss   map[string]uint64 `json:"sink_losses"` // rows that a sink did not accept
	}
	jsonWindow struct {
		Connections    uint64            `json:"connections"`
		Negotiated     uint64            `json:"negotiated"`
		ForwardSecrecy map[string]uint64 `json:"forward_secrecy"`
		Packets        uint64            `json:"packets"`
		Drops          uint64            `json:"kernel_drops"`
	}
	jsonInterface struct {
		Name    string `json:"name"`
		Up      bool   `json:"up"`
		Packets uint64 `json:"packets"`
		Drops   uint64 `json:"kernel_drops"`
		Freezes uint64 `json:"ring_freezes"`
	}
)

// SummaryJSON writes the summary as one JSON object. l is nil unless the
// capture is live. Strings from the wire are in the form of report.Text.
func SummaryJSON(w io.Writer, s *report.Summary, l *Live, opt Options) error {
	in := &s.Input
	j := jsonSummary{
		Input:       jsonInput{Sources: append([]string{}, in.Files...), Packets: in.Packets, Bytes: in.Bytes, Records: in.Records, Filter: in.Filter, Where: in.Where, Events: in.Events, Loss: jsonLosses(in.Loss)},
		Connections: s.Connections, Negotiated: s.Negotiated, ForwardSecrecy: jsonVerdicts(s.Verdicts), Outcomes: map[string]uint64{},
		TicketKey: s.TicketKey, Resumed: s.Resumed, PostQuantum: s.PostQuantum, PostQuantumOffered: s.PostQuantumOffered,
		ClientHellos: s.ClientHellos, HelloRetryRequests: s.HelloRetryRequests, HellosSplit: s.HellosSplit, ClientOnly: s.ClientOnly, ServerOnly: s.ServerOnly,
		Gaps: s.Gaps, ReusedKeys: s.ReusedKeys, ReusedConnections: s.ReusedKeyConnections, TicketKeys: s.TicketKeys, KeysLost: s.KeysLost,
		Versions: jsonCounts(s.Versions, false), KeyExchanges: jsonCounts(s.KeyExchanges, true), Groups: jsonCounts(s.Groups, false),
		CipherSuites: jsonCounts(s.Suites, false), Reasons: jsonCounts(s.Reasons, false), Undetermined: jsonCounts(s.Undetermined, false),
		Servers: []jsonServer{}, ServersTotal: s.ServersTotal, ServersLost: s.ServersLost, Exposure: []jsonExposure{},
	}
	if in.Timed() {
		j.Input.First, j.Input.Last = rfc3339(in.First), rfc3339(in.Last)
	}
	for i, n := range s.Outcomes {
		j.Outcomes[report.Outcome(i).String()] = n
	}
	for i := range s.Servers[:min(len(s.Servers), opt.top())] {
		x := &s.Servers[i]
		j.Servers = append(j.Servers, jsonServer{ipOf(x.Addr), x.Addr.Port(), macOf(x.Addr), x.Name, x.N, jsonVerdicts(x.Verdicts), x.Bytes, x.Clients, x.Why})
	}
	for i := range s.Exposure[:min(len(s.Exposure), opt.top())] {
		e := &s.Exposure[i]
		j.Exposure = append(j.Exposure, jsonExposure{hex.EncodeToString(e.SPKI[:]), e.Subject, e.Key, e.Bits, ipOf(e.Server), e.Server.Port(), macOf(e.Server), e.Name,
			e.N, e.Bytes, e.Clients, rfc3339(e.First), rfc3339(e.Last)})
	}
	if l != nil {
		j.Live = jsonOf(l)
	}
	return writeJSON(w, &j, " ")
}

func jsonOf(l *Live) *jsonLive {
	m := &l.Minute
	j := &jsonLive{
		Time: rfc3339(l.Now), Started: rfc3339(l.Started), Drops: l.Drops, PacketRate: l.PacketRate, BitRate: l.BitRate, Handshakes: l.Handshakes, Open: l.Open,
		Minute:     jsonWindow{m.Connections, m.Negotiated, jsonVerdicts(m.Verdicts), m.Packets, m.Drops},
		Interfaces: []jsonInterface{}, SinkLoss: map[string]uint64{},
	}
	for i := range l.Interfaces {
		f := &l.Interfaces[i]
		j.Interfaces = append(j.Interfaces, jsonInterface{f.Name, f.Up, f.Packets, f.Drops, f.Freezes})
	}
	for _, c := range l.SinkLoss {
		j.SinkLoss[c.Label] += c.N
	}
	return j
}

func jsonVerdicts(v [4]uint64) map[string]uint64 {
	m := map[string]uint64{}
	for i, n := range v {
		m[secrecy.Verdict(i).String()] = n
	}
	return m
}

func jsonCounts(list []report.Count, verdict bool) []jsonCount {
	out := make([]jsonCount, 0, len(list))
	for _, c := range list {
		j := jsonCount{Name: c.Label, Count: c.N}
		if verdict {
			j.ForwardSecrecy = c.Note
		}
		out = append(out, j)
	}
	return out
}

// rfc3339 formats a time; "" if it is unknown.
func rfc3339(ns int64) string {
	if ns == 0 {
		return ""
	}
	return time.Unix(0, ns).UTC().Format(time.RFC3339Nano)
}

// ipOf returns the IP address of e, "" where it has none.
func ipOf(e report.Endpoint) string {
	if !e.IsValid() {
		return ""
	}
	return e.Addr().String()
}

// macOf returns the MAC address of e, "" where it has none.
func macOf(e report.Endpoint) string {
	if !e.HasMAC() {
		return ""
	}
	return e.MAC.String()
}
