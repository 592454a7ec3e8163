package openvpn_test

import (
	"context"
	"encoding/json"
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
	"pfsight/parse/openvpn"
)

// A session is the result for one key exchange.
type session struct {
	id          uint64
	transport   stream.Transport
	client      string
	server      string
	version     string
	suite       string
	group       string
	established bool
	packet      uint64 // the one that completed the ClientHello
	problems    []string
}

// A sink appends the sessions of one worker to all.
type sink struct {
	reader openvpn.Reader
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
		x := session{id: e.ID, transport: e.Opening.Transport, client: e.Opening.Client.String(), server: e.Opening.Server.String()}
		if o.Swapped {
			x.client, x.server = x.server, x.client
		}
		if h := s.parser.Parse(&stream.Conversation{Half: o.TLS}); h != nil {
			if h.ServerHello != nil {
				x.version, x.suite = h.ServerHello.Version().String(), h.ServerHello.CipherSuite.String()
			}
			if h.ServerHello != nil && len(h.ServerHello.KeyShare) > 0 {
				x.group = h.ServerHello.Group.String()
			} else if h.ServerKeyExchange != nil && h.ServerKeyExchange.Group != 0 {
				x.group = h.ServerKeyExchange.Group.String()
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
	opt := capture.Options{Inspector: stream.Inspector{Ask: openvpn.Ask, SniffTCP: openvpn.Sniff, SniffUDP: openvpn.Sniff, Split: openvpn.NewSessions().Split}}
	if _, err := capture.Run(context.Background(), src, opt, sinks...); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(sessions, func(a, b session) int { return int(a.id) - int(b.id) })
	return sessions
}

// A truth is what the TLS stacks reported about a session; see testdata/make.
type truth struct {
	Version string
	Suite   string `json:"cipher_suite"`
	Group   string
	Outcome string
}

// TestCaptures compares sessions of real stacks with what the stacks reported,
// and the sessions that three workers find with those of one.
func TestCaptures(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("../../testdata/captures/openvpn-*.truth.json")
	if len(files) < 9 {
		t.Fatalf("got %d captures, want at least 9", len(files))
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
				if s.version != want.Version || s.suite != want.Suite || s.group != want.Group && want.Group != "" || s.established != (want.Outcome == "established") {
					t.Errorf("session %d: got %+v, want %+v", i, s, want)
				}
				if len(s.problems) > 0 || s.packet == 0 {
					t.Errorf("session %d: got ClientHello in packet %d and problems %v, want a packet and no problems", i, s.packet, s.problems)
				}
				if tcp := strings.HasPrefix(name, "openvpn-tcp"); tcp != (s.transport == stream.TCP) {
					t.Errorf("session %d from %s to %s: got transport %s", i, s.client, s.server, s.transport)
				}
			}
			if again := read(t, 3, base+".pcap"); !reflect.DeepEqual(again, got) {
				t.Errorf("three workers: got %+v, want %+v as with one", again, got)
			}
		})
	}
}
