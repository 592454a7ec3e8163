package eap_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pfsight/capture"
	"pfsight/capture/pcapfile"
	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/parse/eap"
)

// A session is what was made of one session of EAP in a capture.
type session struct {
	id          uint64
	transport   stream.Transport
	client      string
	server      string
	protocol    string
	result      uint8
	version     string
	suite       string
	established bool
	packet      uint64 // that completed the ClientHello
	problems    []string
}

// A sink makes sessions of openings.
type sink struct {
	reader eap.Reader
	parser parse.Parser
	found  *[]session
	mine   []session
}

func (s *sink) Take(events []capture.Event) {
	s.mine = s.mine[:0]
	for _, e := range events {
		if e.Opening == nil {
			continue
		}
		o := s.reader.Read(e.Opening)
		if o == nil {
			continue
		}
		x := session{id: e.ID, transport: e.Opening.Transport, client: e.Opening.Client.String(), server: e.Opening.Server.String(), protocol: o.Protocol, result: o.Result}
		if x.transport == stream.EAPOL {
			x.client, x.server = e.Opening.ClientMAC.String(), e.Opening.ServerMAC.String()
		}
		if o.Swapped {
			x.client, x.server = x.server, x.client
		}
		if h := s.parser.Parse(&stream.Conversation{Half: o.TLS}); h != nil {
			if h.ServerHello != nil {
				x.version, x.suite = h.ServerHello.Version().String(), fmt.Sprintf("0x%04x", uint16(h.ServerHello.CipherSuite))
			}
			if h.ClientHello != nil {
				x.packet = h.ClientHello.Mark.Packet
			}
			x.established = h.ClientFinished && (h.ServerFinished || h.ServerHello.Version().IsTLS13())
			for _, p := range h.Problems {
				x.problems = append(x.problems, p.Field+": "+p.What)
			}
		}
		s.mine = append(s.mine, x)
	}
}

func (s *sink) Emit(*capture.Stats) { *s.found = append(*s.found, s.mine...) }

// read returns the sessions of a capture, in the order in which they began.
func read(t *testing.T, workers int, paths ...string) []session {
	t.Helper()
	src, err := pcapfile.Open(paths, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var found []session
	var sinks []capture.Sink
	for range workers {
		sinks = append(sinks, &sink{found: &found})
	}
	opt := capture.Options{Inspector: stream.Inspector{
		Ask: eap.Ask, SniffTCP: func([]byte) stream.Sniff { return stream.SniffNone }, SniffUDP: eap.Sniff, Split: eap.NewSessions().Split,
	}}
	if _, err := capture.Run(context.Background(), src, opt, sinks...); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(found, func(a, b session) int { return int(a.id) - int(b.id) })
	return found
}

// A truth is what the stacks themselves said of a session; see testdata/make.
type truth struct {
	Version string
	SuiteID string `json:"cipher_suite_id"`
	Outcome string
}

// TestCaptures holds sessions of real stacks against what these said, and the
// sessions that several workers find against those of one.
func TestCaptures(t *testing.T) {
	protocols := map[string]string{
		"eap-peap": "peap", "eap-peap-resumed": "peap", "eap-wired-group": "peap", "eap-ttls": "eap-ttls", "eap-ttls-dhe": "eap-ttls", "eap-fast": "eap-fast",
	}
	files, _ := filepath.Glob("../../testdata/captures/eap-*.truth.json")
	if len(files) < 15 {
		t.Fatalf("%d captures", len(files))
	}
	for _, file := range files {
		base := strings.TrimSuffix(file, ".truth.json")
		name := filepath.Base(base)
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var said []truth
			if err := json.Unmarshal(b, &said); err != nil {
				t.Fatal(err)
			}
			got := read(t, 1, base+".pcap")
			if len(got) != len(said) {
				t.Fatalf("%d sessions, the stack had %d: %+v", len(got), len(said), got)
			}
			for i, s := range got {
				want := said[i]
				if s.version != want.Version || s.suite != want.SuiteID || s.established != (want.Outcome == "established") || s.established != (s.result == eap.Success) || s.result == 0 {
					t.Errorf("%+v, the stack said %+v", s, want)
				}
				if p := cmp.Or(protocols[name], "eap-tls"); s.protocol != p {
					t.Errorf("%s, want %s", s.protocol, p)
				}
				if len(s.problems) > 0 || s.packet == 0 {
					t.Errorf("ClientHello in packet %d, problems %v", s.packet, s.problems)
				}
				if wired := strings.HasPrefix(name, "eap-wired"); wired != (s.transport == stream.EAPOL) || wired && (s.server != "02:00:00:00:00:0a" || !strings.HasPrefix(s.client, "02:00:00:00:0")) {
					t.Errorf("%s from %s to %s", s.transport, s.client, s.server)
				}
			}
			if again := read(t, 3, base+".pcap"); !reflect.DeepEqual(again, got) {
				t.Errorf("three workers found %+v, one %+v", again, got)
			}
		})
	}
}
