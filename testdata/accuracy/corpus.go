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

// A scene is a capture of testdata/captures with what its stacks said of the
// connections in it.
type scene struct {
	name    string
	packets []packet
	convs   []conversation
	labels  []label
	v6      bool
}

// A conversation is a 5-tuple of a scene, or all EAPOL frames of one.
type conversation struct {
	proto          byte
	client, server uint16 // ports
}

// A label is the truth of one connection.
type label struct {
	scene  string
	number int    // in its scene, from 1
	family string // how TLS is carried: tls, starttls, proxy, dtls, quic, eap, openvpn
	conv   int
	mac    [6]byte // of the client, in an EAPOL scene
	at     int64   // when the connection begins
	key    string  // the endpoints; set when the scene is placed
	want   answer  // "" where the stack did not say
}

// said is a connection in NAME.truth.json; see testdata/make.
type said struct {
	Version string `json:"version"`
	Suite   string `json:"cipher_suite"`
	SuiteID string `json:"cipher_suite_id"`
	Group   string `json:"group"`
	Resumed *bool  `json:"resumed"`
	PSKMode string `json:"psk_mode"`
	Stack   string `json:"stack"`
	Client  int    `json:"client_port"`
}

// A place is where a connection is in its capture: the fields of
// NAME.json that say which packets the truth is about. No other field of
// pfsight's record is read here.
type place struct {
	Time       time.Time `json:"time"`
	ClientPort uint16    `json:"client_port"`
	ServerPort uint16    `json:"server_port"`
	ClientMAC  string    `json:"client_mac"`
	Protocol   string    `json:"protocol"`
	Transport  string    `json:"transport"`
	Upgrade    string    `json:"upgrade"`
}

// readScenes reads every capture in dir that has a truth, in the order of
// their names.
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
	var truth []said
	var places []place
	for path, to := range map[string]any{base + ".truth.json": &truth, base + ".json": &places} {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(b, to); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if len(truth) != len(places) {
		return nil, fmt.Errorf("%d connections in the truth, %d in the records", len(truth), len(places))
	}
	slices.SortStableFunc(places, func(a, b place) int { return a.Time.Compare(b.Time) })
	if !slices.ContainsFunc(truth, func(t said) bool { return t.Client == 0 }) {
		slices.SortStableFunc(truth, func(a, b said) int { return a.Client - b.Client })
		slices.SortStableFunc(places, func(a, b place) int { return int(a.ClientPort) - int(b.ClientPort) })
	}
	s.converse(places)
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
		l.want = want(truth[i], len(truth) == 1, strings.Contains(s.name, "psk"))
		l.want[sni] = names[l.conv]
		if n, ok := givenNames[s.name]; ok {
			l.want[sni] = n
		} else if p.Protocol == "quic" && !strings.Contains(truth[i].Stack, "ngtcp2") {
			l.want[sni] = "quic.example"
		}
		s.labels = append(s.labels, l)
	}
	return s, nil
}

// givenNames are the names that the clients of some DTLS scenes were told to
// send. Those of the QUIC scenes were all told to send quic.example, but for
// ngtcp2's, which make a name of their own.
var givenNames = map[string]string{"dtls12-ecdhe": "rsa.example", "dtls12-pion-session-id": "ecdsa.example"}

func family(p place) string {
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

// want makes a label of what a stack said. alone says that the scene has no
// other connection, psk that it is one of external PSKs.
func want(t said, alone, psk bool) answer {
	a := answer{version: t.Version, suite: t.Suite, group: t.Group}
	if t.SuiteID != "" {
		a[suite] = suiteName(t.SuiteID)
	}
	if t.Resumed != nil {
		a[resumption] = fmt.Sprint(*t.Resumed)
	}
	// What the verdict needs and the scene tells: the only connection of two
	// new programs resumes nothing; a psk_mode is of TLS 1.3.
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
	unsaid := b[resumption] == "" || psk && b[group] == "" && tls13Suite(strings.TrimPrefix(a[suite], "TLS_"))
	if unsaid && a[verdict] == "yes" {
		a[verdict] = "" // it may have been a resumption, or a PSK without a key share
	}
	return a
}

// converse finds the conversations and which end of each is the server: the
// one whose port is a server's in places, else the one that did not begin.
func (s *scene) converse(places []place) {
	serves := map[uint16]bool{}
	for _, p := range places {
		serves[p.ServerPort] = true
	}
	index := map[conversation]int{}
	for i := range s.packets {
		p := &s.packets[i]
		if p.eapol() { // a request, a success and a failure are the server's: RFC 3748 section 4
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

// standard returns the port at which the server of a connection is found in
// the field. The stacks of testdata/make listen elsewhere, and tools that
// choose a parser by port would not find them.
func (s *scene) standard(p place) uint16 {
	if strings.Contains(s.name, "turn") {
		return p.ServerPort // two of its servers would become one
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

func (s *scene) standardPorts(places []place) error {
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
			return fmt.Errorf("two conversations become one: %v", s.convs[i])
		}
		seen[s.convs[i]] = true
	}
	return nil
}

// Scenes of a corpus begin this far apart, so that connections of several are
// open at once.
const (
	spacing = 250 * time.Millisecond
	begin   = 1795824000 * int64(time.Second) // 2026-11-28T00:00:00Z
)

// place gives the scene addresses of its own, its n-th in the corpus, and
// moves it in time. shift is added to the ports of servers.
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
	if v6 { // without zeros: ndpiReader prints "::" for each
		a := [16]byte{0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, host}
		binary.BigEndian.PutUint16(a[6:], uint16(n+1))
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), host})
}

// ownMAC puts the number of the scene into an address that is no group's.
func ownMAC(mac []byte, n int) {
	if mac[0]&1 == 0 {
		mac[0], mac[1], mac[2], mac[3] = 2, 0xca, byte(n>>8), byte(n)
	}
}

// tupleKey names the two endpoints of a connection in any order.
func tupleKey(a, b netip.AddrPort) string {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return a.String() + " " + b.String()
}

func macKey(mac []byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5])
}
