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

// A session is the result for one EAP session.
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
	packet      uint64 // the one that completed the ClientHello
	problems    []string
}

// A sink appends the sessions of one worker to all.
type sink struct {
	reader eap.Reader
	parser parse.Parser
	all    *[]session
	batch  []session // of the last Take
}

func (s *sink) Take(events []capture.Event) {
	s.batch = s.batch[:0]
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
		s.batch = append(s.batch, x)
	}
}

func (s *sink) Emit(*capture.Stats) { *s.all = append(*s.all, s.batch...) }

// read returns the sessions of a capture, in the order in which they began.
func read(t *testing.T, workers int, paths ...string) []session {
	t.Helper()
	src, err := pcapfile.Open(paths, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var sessions []session
	var sinks []capture.Sink
	for range workers {
		sinks = append(sinks, &sink{all: &sessions})
	}
	opt := capture.Options{Inspector: stream.Inspector{
		Ask: eap.Ask, SniffTCP: func([]byte) stream.Sniff { return stream.SniffNone }, SniffUDP: eap.Sniff, Split: eap.NewSessions().Split,
	}}
	if _, err := capture.Run(context.Background(), src, opt, sinks...); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(sessions, func(a, b session) int { return int(a.id) - int(b.id) })
	return sessions
}

// A truth is what the TLS stacks reported about a session; see testdata/make.
type truth struct {
	Version string
	SuiteID string `json:"cipher_suite_id"`
	Outcome string
}

// TestCaptures compares sessions of real stacks with what the stacks reported,
// and the sessions that three workers find with those of one.
func TestCaptures(t *testing.T) {
	t.Parallel()
	protocols := map[string]string{
		"eap-peap": "peap", "eap-peap-resumed": "peap", "eap-wired-group": "peap", "eap-ttls": "eap-ttls", "eap-ttls-dhe": "eap-ttls", "eap-fast": "eap-fast",
	}
	files, _ := filepath.Glob("../../testdata/captures/eap-*.truth.json")
	if len(files) < 15 {
		t.Fatalf("got %d captures, want at least 15", len(files))
	}
	for _, file := range files {
		base := strings.TrimSuffix(file, ".truth.json")
		name := filepath.Base(base)
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var truths []truth
			if err := json.Unmarshal(b, &truths); err != nil {
				t.Fatal(err)
			}
			got := read(t, 1, base+".pcap")
			if len(got) != len(truths) {
				t.Fatalf("got %d sessions, want %d: %+v", len(got), len(truths), got)
			}
			for i, s := range got {
				want := truths[i]
				if s.version != want.Version || s.suite != want.SuiteID || s.established != (want.Outcome == "established") || s.established != (s.result == eap.Success) || s.result == 0 {
					t.Errorf("session %d: got %+v, want %+v", i, s, want)
				}
				if p := cmp.Or(protocols[name], "eap-tls"); s.protocol != p {
					t.Errorf("session %d: got protocol %s, want %s", i, s.protocol, p)
				}
				if len(s.problems) > 0 || s.packet == 0 {
					t.Errorf("session %d: got ClientHello in packet %d and problems %v, want a packet and no problems", i, s.packet, s.problems)
				}
				if wired := strings.HasPrefix(name, "eap-wired"); wired != (s.transport == stream.EAPOL) || wired && (s.server != "02:00:00:00:00:0a" || !strings.HasPrefix(s.client, "02:00:00:00:0")) {
					t.Errorf("session %d from %s to %s: got transport %s", i, s.client, s.server, s.transport)
				}
			}
			if again := read(t, 3, base+".pcap"); !reflect.DeepEqual(again, got) {
				t.Errorf("three workers: got %+v, want %+v as with one", again, got)
			}
		})
	}
}
