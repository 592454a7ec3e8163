package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// tshark prints the packets that complete a handshake message, as JSON. The rest
// of this file joins the messages of each connection.
var tshark = tool{
	name: "tshark", program: "tshark", version: []string{"--version"},
	reports: [numFields]bool{true, true, true, true, true, true}, reportsGroups: true,
	note: "with reassembly of out-of-order segments and the protocols of non-standard ports (-d); messages are joined by stream, QUIC connection and client random. " +
		"Resumed: tls.resumed is set, the session ID is echoed, or the ServerHello has pre_shared_key",
	args: func(capture, _ string, k *kind) []string {
		args := []string{"-n", "-r", capture, "-o", "tcp.reassemble_out_of_order:TRUE", "-o", "ip.defragment:TRUE",
			"-Y", "tls.handshake.type in {1,2,12} || dtls.handshake.type in {1,2,12} || tls.resumed || dtls.resumed",
			"-T", "json", "--no-duplicate-keys"}
		for _, d := range decodeAs {
			transport, port, _ := strings.Cut(d.port, "/")
			n, _ := strconv.Atoi(port)
			if k.shift == 0 && !d.always {
				continue
			}
			args = append(args, "-d", fmt.Sprintf("%s.port==%d,%s", transport, n+int(k.shift), d.protocol))
		}
		return args
	},
	read: func(r io.Reader, _ string) ([]entry, error) { return readTshark(r) },
}

// decodeAs lists the protocols on the ports of the corpus. tshark knows most
// standard ports; always marks the others. Its dissectors of AMQP, IRC, RDP and
// SIP do not support TLS, but its TLS dissector finds the hello after their
// bytes.
var decodeAs = []struct {
	port, protocol string
	always         bool
}{
	{"tcp/443", "tls", false}, {"tcp/25", "smtp", false}, {"tcp/587", "smtp", false}, {"tcp/24", "smtp", true}, {"tcp/143", "imap", false},
	{"tcp/110", "pop", false}, {"tcp/21", "ftp", false}, {"tcp/119", "nntp", false}, {"tcp/389", "ldap", false}, {"tcp/5432", "pgsql", false},
	{"tcp/3306", "mysql", false}, {"tcp/3389", "tls", true}, {"tcp/1433", "tds", false}, {"tcp/6667", "tls", true}, {"tcp/5222", "xmpp", false},
	{"tcp/5269", "xmpp", true}, {"tcp/5060", "tls", true}, {"tcp/5672", "tls", true}, {"tcp/631", "http", false}, {"tcp/3128", "http", false},
	{"tcp/8080", "http", false}, {"tcp/1080", "socks", false}, {"tcp/1194", "openvpn", false}, {"udp/1194", "openvpn", false},
	{"udp/1812", "radius", false}, {"udp/443", "quic", false}, {"udp/4433", "dtls", false}, {"udp/5246", "capwap", false},
}

// Handshake types.
const (
	clientHello       = "1"
	serverHello       = "2"
	serverKeyExchange = "12"
)

// A stream holds the values from the messages of one connection.
type stream struct {
	entry
	names                   []string // of tshark's streams that contain its packets
	clientRandom, sessionID string
	hello, answered, psk    bool
	tls13                   bool
}

// readTshark reads the output of tshark -T json --no-duplicate-keys.
func readTshark(r io.Reader) ([]entry, error) {
	d := json.NewDecoder(r)
	if _, err := d.Token(); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var order []*stream
	for d.More() {
		var p struct {
			Source struct {
				Layers map[string]any `json:"layers"`
			} `json:"_source"`
		}
		if err := d.Decode(&p); err != nil {
			return nil, err
		}
		l := p.Source.Layers
		name, keys := endsOf(l)
		at := seconds(field(l, "frame.time_epoch"))
		for _, m := range messages(l) {
			kind := typeOf(m)
			if kind != "" && kind != clientHello && kind != serverHello && kind != serverKeyExchange {
				continue
			}
			s := streamOf(order, m, name, keys)
			if s == nil {
				s = &stream{entry: entry{keys: keys, at: at}, names: name}
				order = append(order, s)
			}
			s.add(m)
		}
	}
	var all []entry
	for _, s := range order {
		if s.answered && (s.hello || s.tls13) && s.answer[resumption] == "" {
			s.answer[resumption] = fmt.Sprint(s.psk)
		}
		all = append(all, s.entry)
	}
	return all, nil
}

// endsOf returns the names of the streams that contain a packet, and the key of
// its endpoints. In a tunnel it uses the innermost layers.
func endsOf(l map[string]any) (names, keys []string) {
	transport := "tcp"
	if l[transport] == nil || l["udp"] != nil && l["quic"] != nil {
		transport = "udp"
	}
	if l[transport] == nil || l["eapol"] != nil {
		eth := innermost(l["eth"])
		for _, a := range []string{field(eth, "eth.src"), field(eth, "eth.dst")} {
			if first, err := strconv.ParseUint(a[:min(2, len(a))], 16, 8); err == nil && first&1 == 0 { // not a group address
				keys = append(keys, a)
			}
		}
		return []string{"eapol"}, keys
	}
	t := innermost(l[transport])
	names = []string{transport + field(t, transport+".stream")}
	if n := field(l["quic"], "quic.connection.number"); n != "" {
		names = append(names, "quic"+n)
	}
	sport, _ := strconv.ParseUint(field(t, transport+".srcport"), 10, 16)
	dport, _ := strconv.ParseUint(field(t, transport+".dstport"), 10, 16)
	for _, ip := range []string{"ip", "ipv6"} {
		x := innermost(l[ip])
		if x == nil || ip == "ip" && strings.HasPrefix(field(innermost(l["ipv6"]), "ipv6.src"), "2001:db8") {
			continue // IPv6 in an IPv4 tunnel
		}
		return names, endpoints(field(x, ip+".src"), uint16(sport), field(x, ip+".dst"), uint16(dport))
	}
	return names, nil
}

// innermost returns the last of several layers of one name.
func innermost(v any) any {
	if list, ok := v.([]any); ok {
		return list[len(list)-1]
	}
	return v
}

// streamOf returns the connection that a message belongs to, nil for a new one. A
// ClientHello with a different random begins a new connection. A ServerHello
// belongs to the first connection without one.
func streamOf(streams []*stream, m map[string]any, names, keys []string) *stream {
	var candidates []*stream
	for _, s := range streams {
		switch {
		case !slices.ContainsFunc(s.names, func(n string) bool { return slices.Contains(names, n) }):
		case names[0] == "eapol" && !slices.ContainsFunc(keys, func(k string) bool { return len(keys) == 1 || k == s.keys[0] }):
		default:
			candidates = append(candidates, s)
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	last := candidates[len(candidates)-1]
	switch typeOf(m) {
	case clientHello:
		random := get(m, "random")
		for _, s := range candidates {
			if s.hello && s.clientRandom == random || !s.hello && s == last { // the server's messages may come first
				s.names = append(s.names, names...)
				return s
			}
		}
		return nil
	case serverHello:
		for _, s := range candidates {
			if !s.answered {
				return s
			}
		}
	}
	return last
}

// helloRetry is the Random of a HelloRetryRequest, RFC 8446 section 4.1.3.
const helloRetry = "cf:21:ad:74:e5:9a:61:11:be:1d:8c:02:1e:65:b8:91:c2:a2:11:16:7a:bb:8c:5e:07:9e:09:e2:c8:a8:33:9c"

func (s *stream) add(m map[string]any) {
	switch typeOf(m) {
	case clientHello:
		s.hello = true
		s.clientRandom, s.sessionID = get(m, "random"), get(m, "session_id")
		s.answer[sni] = get(m, "extensions_server_name")
	case serverHello:
		if get(m, "random") == helloRetry {
			return
		}
		s.answered = true
		v := get(m, "extensions.supported_version")
		if s.tls13 = v != ""; !s.tls13 {
			v = get(m, "version")
		}
		s.answer[version] = versionName(v)
		s.answer[suite] = suiteName(get(m, "ciphersuite"))
		if g := get(m, "extensions_key_share_group"); g != "" {
			s.answer[group] = groupName(g)
		}
		for _, x := range values(m, "extension.type") {
			s.psk = s.psk || x == "41"
		}
		if id := get(m, "session_id"); !s.tls13 && id != "" && id == s.sessionID {
			s.psk = true
		}
	case serverKeyExchange:
		if g := get(m, "server_named_curve"); g != "" {
			s.answer[group] = groupName(g)
		}
	case "": // tls.resumed
		s.answer[resumption] = "true"
	}
}

// messages returns the handshake messages of a packet. An empty map stands for
// tls.resumed, which is outside of a message.
func messages(v any) []map[string]any {
	var out []map[string]any
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			out = append(out, messages(x)...)
		}
	case map[string]any:
		if typeOf(v) != "" {
			return append(out, v)
		}
		_, tls := v["tls.resumed"]
		_, dtls := v["dtls.resumed"]
		if tls || dtls {
			out = append(out, map[string]any{})
		}
		for _, k := range sortedKeys(v) {
			out = append(out, messages(v[k])...)
		}
	}
	return out
}

func typeOf(m map[string]any) string {
	for _, p := range []string{"tls", "dtls"} {
		if s, ok := m[p+".handshake.type"].(string); ok {
			return s
		}
	}
	return ""
}

// get returns the first value of a handshake field at any depth.
func get(m map[string]any, name string) string {
	if v := values(m, name); len(v) > 0 {
		return v[0]
	}
	return ""
}

func values(m map[string]any, name string) []string {
	return append(all(m, "tls.handshake."+name), all(m, "dtls.handshake."+name)...)
}

// field returns the first value of a field at any depth.
func field(v any, name string) string {
	if a := all(v, name); len(a) > 0 {
		return a[0]
	}
	return ""
}

func all(v any, name string) []string {
	var out []string
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			out = append(out, all(x, name)...)
		}
	case map[string]any:
		for _, k := range sortedKeys(v) {
			switch x := v[k].(type) {
			case string:
				if k == name {
					out = append(out, x)
				}
			case []any:
				for _, y := range x {
					if s, ok := y.(string); ok && k == name {
						out = append(out, s)
					}
				}
				out = append(out, all(x, name)...)
			default:
				out = append(out, all(x, name)...)
			}
		}
	}
	return out
}
