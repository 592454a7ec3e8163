package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A scene is a capture of testdata/captures with the truths of its connections.
type scene struct {
	name    string
	packets []packet
	convs   []conversation
	labels  []label
	v6      bool
}

// A conversation is a 5-tuple in a scene, or all EAPOL frames of a scene.
type conversation struct {
	proto          byte
	client, server uint16 // ports
}

// A label holds the true values of one connection.
type label struct {
	scene  string
	number int    // of the connection in its scene, from 1
	family string // how TLS is carried: tls, starttls, proxy, dtls, quic, eap, openvpn
	conv   int
	mac    [6]byte // of the client, in an EAPOL scene
	at     int64   // start of the connection
	key    string  // the endpoints; set when the scene is placed
	want   answer  // "" where the stack did not report the value
}

// A truth is a connection in NAME.truth.json; see testdata/make.
type truth struct {
	Version string `json:"version"`
	Suite   string `json:"cipher_suite"`
	SuiteID string `json:"cipher_suite_id"`
	Group   string `json:"group"`
	Resumed *bool  `json:"resumed"`
	PSKMode string `json:"psk_mode"`
	Stack   string `json:"stack"`
	Client  int    `json:"client_port"`
}

// A location identifies a connection in its capture. It consists of the fields of
// NAME.json that tell which packets a truth belongs to; no other fields of
// pfsight's records are used.
type location struct {
	Time       time.Time `json:"time"`
	ClientPort uint16    `json:"client_port"`
	ServerPort uint16    `json:"server_port"`
	ClientMAC  string    `json:"client_mac"`
	Protocol   string    `json:"protocol"`
	Transport  string    `json:"transport"`
	Upgrade    string    `json:"upgrade"`
}

// readScenes reads every capture in dir that has a NAME.truth.json, sorted by name.
func readScenes(dir string) ([]*scene, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.truth.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no *.truth.json in %s", dir)
	}
	var out []*scene
	for _, f := range files {
		s, err := readScene(strings.TrimSuffix(f, ".truth.json"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		out = append(out, s)
	}
	return out, nil
}

func readScene(base string) (*scene, error) {
	s := &scene{name: filepath.Base(base)}
	raw, err := os.ReadFile(base + ".pcap")
	if err != nil {
		return nil, err
	}
	if s.packets, err = readPcap(raw); err != nil {
		return nil, err
	}
	var truths []truth
	var places []location
	for path, to := range map[string]any{base + ".truth.json": &truths, base + ".json": &places} {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(b, to); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if len(truths) != len(places) {
		return nil, fmt.Errorf("%d connections in the truth file, %d in the records", len(truths), len(places))
	}
	slices.SortStableFunc(places, func(a, b location) int { return a.Time.Compare(b.Time) })
	if !slices.ContainsFunc(truths, func(t truth) bool { return t.Client == 0 }) {
		slices.SortStableFunc(truths, func(a, b truth) int { return a.Client - b.Client })
		slices.SortStableFunc(places, func(a, b location) int { return int(a.ClientPort) - int(b.ClientPort) })
	}
	s.findConversations(places)
	if err := s.standardPorts(places); err != nil {
		return nil, err
	}
	names := s.serverNames()
	for i, p := range places {
		l := label{scene: s.name, number: i + 1, family: family(p), conv: -1, at: p.Time.UnixNano()}
		if p.Transport == "eapol" {
			l.conv = 0
			if _, err := fmt.Sscanf(p.ClientMAC, "%x:%x:%x:%x:%x:%x", &l.mac[0], &l.mac[1], &l.mac[2], &l.mac[3], &l.mac[4], &l.mac[5]); err != nil {
				return nil, fmt.Errorf("client_mac %q: %w", p.ClientMAC, err)
			}
		}
		for c := range s.convs {
			if s.convs[c].client == p.ClientPort && s.convs[c].server == s.standard(p) {
				l.conv = c
			}
		}
		if l.conv < 0 {
			return nil, fmt.Errorf("no conversation from port %d to %d", p.ClientPort, p.ServerPort)
		}
		l.want = want(truths[i], len(truths) == 1, strings.Contains(s.name, "psk"))
		l.want[sni] = names[l.conv]
		if n, ok := givenNames[s.name]; ok {
			l.want[sni] = n
		} else if p.Protocol == "quic" && !strings.Contains(truths[i].Stack, "ngtcp2") {
			l.want[sni] = "quic.example"
		}
		s.labels = append(s.labels, l)
	}
	return s, nil
}

// givenNames holds the server names that the clients of some DTLS scenes were
// configured to send. The clients of the QUIC scenes send quic.example, except
// ngtcp2's.
var givenNames = map[string]string{"dtls12-ecdhe": "rsa.example", "dtls12-pion-session-id": "ecdsa.example"}

func family(p location) string {
	switch u := p.Upgrade; {
	case strings.HasPrefix(u, "eap") || u == "peap":
		return "eap"
	case u == "openvpn":
		return u
	case u == "connect" || u == "socks" || u == "proxy" || u == "websocket":
		return "proxy"
	case u != "":
		return "starttls"
	}
	return p.Protocol
}

// want returns the values of a label from the truth of a stack. alone reports
// that the scene has no other connection, psk that it uses external PSKs.
func want(t truth, alone, psk bool) answer {
	a := answer{version: t.Version, suite: t.Suite, group: t.Group}
	if t.SuiteID != "" {
		a[suite] = suiteName(t.SuiteID)
	}
	if t.Resumed != nil {
		a[resumption] = fmt.Sprint(*t.Resumed)
	}
	// The scene implies some values that the verdict needs. The only connection
	// of two new processes is no resumption. A psk_mode implies TLS 1.3.
	b := a
	switch {
	case t.PSKMode == "psk_ke":
		a[verdict] = "no"
		return a
	case t.PSKMode == "psk_dhe_ke":
		b[group] = "some"
	case t.Resumed == nil && alone:
		b[resumption] = "false"
	}
	a[verdict] = b.judge(false)
	unknown := b[resumption] == "" || psk && b[group] == "" && tls13Suite(strings.TrimPrefix(a[suite], "TLS_"))
	if unknown && a[verdict] == "yes" {
		a[verdict] = "" // it may have been a resumption, or a PSK without a key share
	}
	return a
}

// findConversations sets s.convs and the direction of each packet. The server of
// a conversation is the endpoint whose port is a server port in places, else the
// one that did not send the first packet.
func (s *scene) findConversations(places []location) {
	serves := map[uint16]bool{}
	for _, p := range places {
		serves[p.ServerPort] = true
	}
	index := map[conversation]int{}
	for i := range s.packets {
		p := &s.packets[i]
		if p.eapol() { // RFC 3748 section 4: servers send all packets but responses
			p.fromServer = len(p.data) > 4 && p.data[1] == 0 && p.data[4] != 2
			if len(s.convs) == 0 {
				s.convs = append(s.convs, conversation{})
			}
			continue
		}
		c := conversation{p.proto, p.sport, p.dport}
		r := conversation{p.proto, p.dport, p.sport}
		n, known := index[c]
		if !known {
			if n, known = index[r]; known {
				p.fromServer = true
			}
		}
		if !known {
			n = len(s.convs)
			if serves[p.sport] && !serves[p.dport] {
				c, p.fromServer = r, true
			}
			index[c] = n
			s.convs = append(s.convs, c)
		}
		p.conv = n
		s.v6 = s.v6 || p.src.Is6()
	}
}

// standard returns the standard server port of a connection's protocol. The
// servers of testdata/make use other ports, where tools that select a parser by
// port would miss them.
func (s *scene) standard(p location) uint16 {
	if strings.Contains(s.name, "turn") {
		return p.ServerPort // two servers would get the same port
	}
	switch u := p.Upgrade; {
	case p.Transport == "eapol":
		return 0
	case s.name == "dtls10-capwap":
		return 5246
	case p.Protocol == "quic":
		return 443
	case p.Protocol == "dtls":
		return 4433
	case strings.HasPrefix(u, "eap") || u == "peap":
		return 1812
	case u == "openvpn":
		return 1194
	case u == "proxy" || u == "" && p.Protocol == "tls":
		return 443
	case u == "smtp" && p.ServerPort != 3128 && p.ServerPort != 587:
		return 25
	}
	return p.ServerPort
}

func (s *scene) standardPorts(places []location) error {
	to := map[uint16]uint16{}
	for _, p := range places {
		if _, ok := to[p.ServerPort]; !ok {
			to[p.ServerPort] = s.standard(p)
		}
	}
	seen := map[conversation]bool{}
	for i, c := range s.convs {
		if n, ok := to[c.server]; ok {
			s.convs[i].server = n
		}
		if seen[s.convs[i]] {
			return fmt.Errorf("two conversations have the same ports: %v", s.convs[i])
		}
		seen[s.convs[i]] = true
	}
	return nil
}

// Scenes of a corpus begin at intervals of spacing, so that connections of
// several scenes overlap.
const (
	spacing = 250 * time.Millisecond
	begin   = 1795824000 * int64(time.Second) // 2026-11-28T00:00:00Z
)

// place returns the packets and labels of the scene as the n-th of the corpus,
// with unique addresses and shifted times. It adds shift to the server ports.
func (s *scene) place(n int, v6 bool, shift uint16) ([]packet, []label) {
	client, server := address(n, 1, v6 || s.v6), address(n, 2, v6 || s.v6)
	move := begin + int64(n)*int64(spacing) - s.packets[0].at
	out := clone(s.packets)
	for i := range out {
		p := &out[i]
		p.at += move
		if p.eapol() {
			ownMAC(p.mac[:6], n)
			ownMAC(p.mac[6:], n)
			continue
		}
		c := s.convs[p.conv]
		p.src, p.dst, p.sport, p.dport = client, server, c.client, c.server+shift
		p.mac = [12]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
		if p.fromServer {
			p.src, p.dst, p.sport, p.dport = p.dst, p.src, p.dport, p.sport
			p.mac = [12]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
		}
	}
	labels := slices.Clone(s.labels)
	for i := range labels {
		l := &labels[i]
		l.at += move
		if c := s.convs[l.conv]; c.proto == 0 {
			ownMAC(l.mac[:], n)
			l.key = macKey(l.mac[:])
		} else {
			l.key = tupleKey(netip.AddrPortFrom(client, c.client), netip.AddrPortFrom(server, c.server+shift))
		}
	}
	return out, labels
}

func address(n int, host byte, v6 bool) netip.Addr {
	if v6 { // no group is zero, because ndpiReader prints each zero group as "::"
		a := [16]byte{0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, host}
		binary.BigEndian.PutUint16(a[6:], uint16(n+1))
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), host})
}

// ownMAC puts the number of the scene into an address that is not a group address.
func ownMAC(mac []byte, n int) {
	if mac[0]&1 == 0 {
		mac[0], mac[1], mac[2], mac[3] = 2, 0xca, byte(n>>8), byte(n)
	}
}

// tupleKey returns a key for two endpoints, the same for both orders.
func tupleKey(a, b netip.AddrPort) string {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return a.String() + " " + b.String()
}

func macKey(mac []byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5])
}
