package dtls_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pfsight/capture"
	"pfsight/capture/pcapfile"
	"pfsight/capture/stream"
	"pfsight/parse/dtls"
	"pfsight/parse/iana"
	"pfsight/parse/turn"
)

const captures = "../../testdata/captures/"

// A sink gives each conversation to a function.
type sink func(*stream.Conversation)

func (s sink) Take(events []capture.Event) {
	for i := range events {
		if c := events[i].Opening; c != nil && c.Transport == stream.UDP {
			s(c)
		}
	}
}

func (sink) Emit(*capture.Stats) {}

// read follows the conversations of DTLS in a capture.
func read(t testing.TB, path string, f func(*stream.Conversation)) {
	t.Helper()
	src, err := pcapfile.Open([]string{path}, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	opt := capture.Options{Inspector: stream.Inspector{
		Ask: dtls.Ask, SniffTCP: func([]byte) stream.Sniff { return stream.SniffNone }, SniffUDP: dtls.Sniff, Split: turn.NewSessions(dtls.Sniff).Split,
	}}
	if _, err = capture.Run(context.Background(), src, opt, sink(f)); err != nil {
		t.Fatal(err)
	}
}

// A truth is what a stack said of one connection; see
// testdata/make/peers/dtls.
type truth struct {
	Stack, Version, Outcome, Alert string
	Suite                          string `json:"cipher_suite"`
	SuiteID                        string `json:"cipher_suite_id"`
	ClientPort                     int    `json:"client_port"`
}

// messages are the types of the messages in each capture, the client's before
// the server's, one entry for each connection. RFC 6347 section 4.2.4, RFC
// 9147 section 5.
var messages = map[string][]string{
	"dtls10-rsa":                {"1 1 16 | 3 2 11 14 4"},
	"dtls10-capwap":             {"1 1 16 | 3 2 11 14 4"},
	"dtls10-dhe":                {"1 1 16 | 3 2 11 12 14 4"},
	"dtls10-ecdhe":              {"1 1 16 | 3 2 11 12 14 4"},
	"dtls10-gnutls-rsa":         {"1 1 11 16 | 3 2 11 13 14 4"},
	"dtls12-rsa":                {"1 1 16 | 3 2 11 14 4"},
	"dtls12-dhe":                {"1 1 16 | 3 2 11 12 14 4"},
	"dtls12-ecdhe":              {"1 1 16 | 3 2 11 12 14 4"},
	"dtls12-ecdhe-ecdsa":        {"1 1 16 | 3 2 11 12 14 4"},
	"dtls12-psk":                {"1 1 16 | 3 2 14 4"},
	"dtls12-ecdhe-psk":          {"1 1 16 | 3 2 12 14 4"},
	"dtls12-cookie":             {"1 1 16 | 3 2 11 12 14 4"},
	"dtls12-mtu":                {"1 1 16 | 3 2 11 12 14 4"},
	"dtls12-mtu-reordered":      {"1 1 16 | 3 2 11 12 14 4"},
	"dtls12-mtu-duplicated":     {"1 1 16 | 3 2 11 12 14 4"},
	"dtls12-ticket":             {"1 1 16 | 3 2 11 12 14 4", "1 1 | 3 2"},
	"dtls12-session-id":         {"1 1 16 | 3 2 11 14", "1 1 | 3 2"},
	"dtls12-client-certificate": {"1 1 11 16 15 | 3 2 11 12 13 14 4"},
	"dtls12-failed-suite":       {"1 1 | 3"},
	"dtls12-failed-version":     {"1 1 | 3"},
	"dtls12-failed-unknown-ca":  {"1 1 | 3 2 11 12 14"},
	"dtls-no-answer":            {"1 |"},
	"dtls12-gnutls-ecdhe":       {"1 1 11 16 | 3 2 11 12 13 14 4"},
	"dtls12-gnutls-dhe":         {"1 1 11 16 | 3 2 11 12 13 14 4"},
	"dtls12-pion-ecdhe":         {"1 1 16 | 3 2 11 12 14"},
	"dtls12-pion-psk":           {"1 1 16 | 3 2 12 14"},
	"dtls12-pion-cid":           {"1 1 16 | 3 2 11 12 14"},
	"dtls12-pion-cid-server":    {"1 1 16 | 3 2 11 12 14"},
	"dtls12-pion-srtp":          {"1 11 16 15 | 2 11 12 13 14"},
	"dtls12-pion-session-id":    {"1 1 16 | 3 2 11 12 14", "1 1 | 3 2"},
	"dtls12-pion-turn":          {"1 1 16 | 3 2 11 12 14", "1 1 16 | 3 2 11 12 14", "1 1 16 | 3 2 11 12 14", "1 1 16 | 3 2 11 12 14"},
	"dtls13-webrtc":             {"1 | 2"},
}

// TestCaptures holds what is read of real handshakes against what the stacks
// said of them and against the order of messages.
func TestCaptures(t *testing.T) {
	files, _ := filepath.Glob(captures + "dtls*.truth.json")
	if len(files) != len(messages) {
		t.Errorf("%d captures, and messages are known of %d", len(files), len(messages))
	}
	var r dtls.Reader
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
			n := 0
			left := slices.Clone(said) // those that end out of order are known by their port
			read(t, base+".pcap", func(c *stream.Conversation) {
				if n++; n > len(said) || n > len(messages[name]) {
					return
				}
				i := slices.IndexFunc(left, func(x truth) bool { return x.ClientPort == 0 || x.ClientPort == int(c.Client.Port()) })
				if i < 0 {
					t.Fatalf("no connection of port %d", c.Client.Port())
				}
				want := left[i]
				left = slices.Delete(left, i, i+1)
				o := r.Read(c)
				if o == nil {
					t.Fatal("nothing of DTLS")
				}
				compare(t, c, o, &want, messages[name][n-1])
				peculiar(t, name, o)
			})
			if n != len(said) || n != len(messages[name]) {
				t.Errorf("%d connections; the stack had %d, and messages are known of %d", n, len(said), len(messages[name]))
			}
		})
	}
}

func compare(t *testing.T, c *stream.Conversation, o *dtls.Opening, want *truth, types string) {
	t.Helper()
	var w []string
	for role := range o.Said {
		s := &o.Said[role]
		if role == 1 {
			w = append(w, "|")
		}
		for i, m := range s.Messages {
			w = append(w, strconv.Itoa(int(m.Type)))
			if m.Missing || int(m.Seq) != i {
				t.Errorf("message %d of type %d has message_seq %d, %d of %d bytes", i, m.Type, m.Seq, len(m.Body), m.Length)
			}
			if m.Mark.Packet == 0 || c.Half[s.Dir].Data[m.Offset] != m.Type {
				t.Errorf("message %d of type %d came in packet %d at %d", i, m.Type, m.Mark.Packet, m.Offset)
			}
		}
	}
	if got := strings.Join(w, " "); got != types {
		t.Errorf("messages %s, want %s", got, types)
	}
	if len(o.Problems) > 0 || o.Swapped || o.Another || o.Restarts > 0 {
		t.Errorf("problems %v, swapped %v, another %v, restarts %d", o.Problems, o.Swapped, o.Another, o.Restarts)
	}
	if want.ClientPort != 0 && int(c.Client.Port()) != want.ClientPort {
		t.Errorf("client port %d, want %d", c.Client.Port(), want.ClientPort)
	}
	version, suite := serverHello(o)
	if want.Version != "" && iana.Version(version).String() != want.Version {
		t.Errorf("version %#x, %s says %s", version, want.Stack, want.Version)
	}
	if want.Suite != "" && iana.CipherSuite(suite).String() != want.Suite || want.SuiteID != "" && fmt.Sprintf("%#04x", suite) != want.SuiteID {
		t.Errorf("suite %#04x, %s says %s%s", suite, want.Stack, want.Suite, want.SuiteID)
	}
	var alert string
	for _, s := range o.Said {
		for _, a := range s.Alerts {
			alert = strconv.Itoa(int(a.Code))
		}
	}
	if alert != want.Alert {
		t.Errorf("alert %q, want %q", alert, want.Alert)
	}
	established := true
	for _, s := range o.Said {
		established = established && s.Handshake.Count+s.CID.Count+s.Unified.Count > 0
	}
	if established != (want.Outcome == "established") {
		t.Errorf("established %v, %s says %s", established, want.Stack, want.Outcome)
	}
	if v := ask(c); (v == stream.Enough) != (want.Outcome != "incomplete") {
		t.Errorf("verdict %d of one that is %s", v, want.Outcome)
	}
}

// serverHello returns the version and suite in the last ServerHello.
func serverHello(o *dtls.Opening) (version, suite uint16) {
	for _, m := range o.Said[stream.ToClient].Messages {
		if m.Type != dtls.TypeServerHello {
			continue
		}
		version = binary.BigEndian.Uint16(m.Body)
		b := m.Body[35+int(m.Body[34]):]
		suite = binary.BigEndian.Uint16(b)
		for b = b[min(5, len(b)):]; len(b) >= 4; b = b[4+binary.BigEndian.Uint16(b[2:]):] {
			if binary.BigEndian.Uint16(b) == 43 { // supported_versions
				version = binary.BigEndian.Uint16(b[4:])
			}
		}
	}
	return version, suite
}

// peculiar checks what one capture alone shows.
func peculiar(t *testing.T, name string, o *dtls.Opening) {
	client, server := &o.Said[stream.ToServer], &o.Said[stream.ToClient]
	if o.Capwap != (name == "dtls10-capwap") {
		t.Errorf("capwap %v", o.Capwap)
	}
	split := 0
	for _, m := range server.Messages {
		if m.Split {
			split++
		}
	}
	switch name {
	case "dtls12-mtu", "dtls12-mtu-reordered":
		if split < 2 {
			t.Errorf("%d messages in fragments", split)
		}
	case "dtls12-pion-cid":
		if len(client.ConnectionID) != 8 || len(server.ConnectionID) != 3 || client.CID.Count == 0 || server.CID.Count == 0 {
			t.Errorf("connection IDs %x and %x", client.ConnectionID, server.ConnectionID)
		}
	case "dtls12-pion-cid-server":
		if len(client.ConnectionID) != 4 || server.ConnectionID != nil || server.CID.Count != 0 {
			t.Errorf("connection IDs %x and %x", client.ConnectionID, server.ConnectionID)
		}
	case "dtls12-pion-srtp":
		if o.Foreign != 0 {
			t.Errorf("%d datagrams of STUN and RTP were kept", o.Foreign)
		}
	case "dtls13-webrtc":
		if client.Unified.Count == 0 || server.Unified.Count == 0 || client.Early.Count > 0 || client.CCS.Count > 0 {
			t.Errorf("records %+v and %+v", client.Unified, server.Unified)
		}
	}
	if want := strings.HasPrefix(types(server), "3"); want != (server.Verify == 0xfeff || server.Verify == 0xfefd) {
		t.Errorf("HelloVerifyRequest of version %#x", server.Verify)
	}
}

func types(s *dtls.Side) string {
	var w []string
	for _, m := range s.Messages {
		w = append(w, strconv.Itoa(int(m.Type)))
	}
	return strings.Join(w, " ")
}

// ask gives the datagrams of a conversation to Ask, in order of capture.
func ask(c *stream.Conversation) stream.Decision {
	type datagram struct {
		d stream.Dir
		m stream.Mark
	}
	var all []datagram
	for d := range c.Half {
		for _, m := range c.Half[d].Marks {
			all = append(all, datagram{stream.Dir(d), m})
		}
	}
	slices.SortStableFunc(all, func(a, b datagram) int {
		return cmp.Or(cmp.Compare(a.m.Time, b.m.Time), cmp.Compare(a.m.Packet, b.m.Packet))
	})
	again := &stream.Conversation{}
	v := stream.More
	for _, x := range all {
		h := &again.Half[x.d]
		h.Data = append(h.Data, c.Half[x.d].Data[x.m.From:x.m.To]...)
		h.Marks = append(h.Marks, x.m)
		if v = dtls.Ask(again, x.d); v != stream.More {
			break
		}
	}
	return v
}
