package quic

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pfsight/capture"
	"pfsight/capture/pcapfile"
	"pfsight/capture/stream"
)

const captures = "../../testdata/captures"

// A truth is what a stack said of its connection; see testdata/make/peers.
type truth struct {
	Stack, Version, Group, Outcome, Alert string
	Suite                                 string `json:"cipher_suite"`
	Resumed                               *bool
	EarlyData                             string `json:"early_data"`
	HelloRetry                            *bool  `json:"hello_retry_request"`
	ClientPort                            uint16 `json:"client_port"`
	QUIC                                  string `json:"quic_version"`
	FirstQUIC                             string `json:"quic_first_version"`
	Retry                                 bool   `json:"quic_retry"`
	AlertFrom                             string `json:"alert_from"`
}

// Code points of RFC 8446 and the registries behind it.
var (
	suites = map[string]uint16{"TLS_AES_128_GCM_SHA256": 0x1301, "TLS_AES_256_GCM_SHA384": 0x1302, "TLS_CHACHA20_POLY1305_SHA256": 0x1303}
	curves = map[string]uint16{"secp256r1": 23, "secp384r1": 24, "secp521r1": 25, "x25519": 29, "X25519MLKEM768": 4588, "SecP384r1MLKEM1024": 4589}
)

const (
	extPreSharedKey      = 41
	extEarlyData         = 42
	extSupportedVersions = 43
	extKeyShare          = 51
)

// A collector keeps the conversations that a tracker finds.
type collector struct{ list []*stream.Conversation }

func (c *collector) Take(events []capture.Event) {
	for _, e := range events {
		if e.Opening == nil {
			continue
		}
		o := *e.Opening
		for d := range o.Half {
			h := &o.Half[d]
			h.Data, h.Marks = slices.Clone(h.Data), slices.Clone(h.Marks)
		}
		c.list = append(c.list, &o)
	}
}

func (c *collector) Emit(*capture.Stats) {}

// follow reads the UDP conversations of a capture.
func follow(t testing.TB, path string, ask stream.Asker) []*stream.Conversation {
	t.Helper()
	src, err := pcapfile.Open([]string{path}, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var c collector
	no := func([]byte) stream.Sniff { return stream.SniffNone }
	if _, err := capture.Run(context.Background(), src, capture.Options{Inspector: stream.Inspector{Ask: ask, SniffTCP: no, SniffUDP: Sniff, Rebind: new(Rebinder)}}, &c); err != nil {
		t.Fatal(err)
	}
	return c.list
}

// more is an asker that wants all.
func more(c *stream.Conversation, d stream.Dir) stream.Decision { return stream.More }

// datagramsOf returns the datagrams of a conversation in order.
func datagramsOf(c *stream.Conversation) []datagram {
	type at struct {
		d datagram
		m stream.Mark
	}
	var all []at
	for d := range c.Half {
		for _, m := range c.Half[d].Marks {
			all = append(all, at{datagram{stream.Dir(d), string(c.Half[d].Data[m.From:m.To])}, m})
		}
	}
	slices.SortStableFunc(all, func(a, b at) int { return int(a.m.Packet) - int(b.m.Packet) })
	var list []datagram
	for _, a := range all {
		list = append(list, a.d)
	}
	return list
}

// A tlsHello is what a test reads of a ClientHello or a ServerHello.
type tlsHello struct {
	typ        byte
	retry      bool
	suites     []uint16
	extensions map[uint16][]byte
}

// hellos reads the messages of a CRYPTO stream, without the code under test.
func hellos(t *testing.T, b []byte) (list []tlsHello) {
	t.Helper()
	for len(b) > 0 {
		if len(b) < 4 {
			t.Fatalf("%d bytes are no message", len(b))
		}
		n := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		if n > len(b)-4 {
			t.Fatalf("a message of %d bytes in %d", n, len(b))
		}
		m := b[4 : 4+n]
		h := tlsHello{typ: b[0], extensions: map[uint16][]byte{}}
		b = b[4+n:]
		h.retry = string(m[2:34]) == retryRandom
		m = m[34:]
		m = m[1+int(m[0]):] // session ID
		if h.typ == msgClientHello {
			n := int(binary.BigEndian.Uint16(m))
			for i := 2; i < 2+n; i += 2 {
				h.suites = append(h.suites, binary.BigEndian.Uint16(m[i:]))
			}
			m = m[2+n:]
			m = m[1+int(m[0]):]
		} else {
			h.suites = []uint16{binary.BigEndian.Uint16(m)}
			m = m[3:]
		}
		if n := int(binary.BigEndian.Uint16(m)); n != len(m)-2 {
			t.Fatalf("%d bytes of extensions in %d", n, len(m)-2)
		}
		for m = m[2:]; len(m) > 0; {
			n := int(binary.BigEndian.Uint16(m[2:]))
			h.extensions[binary.BigEndian.Uint16(m)] = m[4 : 4+n]
			m = m[4+n:]
		}
		list = append(list, h)
	}
	return list
}

// TestCaptures reads the captures of real stacks and holds them against what
// the stacks said.
func TestCaptures(t *testing.T) {
	files, _ := filepath.Glob(captures + "/quic-*.pcap")
	if len(files) < 20 {
		t.Fatalf("%d captures", len(files))
	}
	var r Reader
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".pcap"), func(t *testing.T) {
			b, err := os.ReadFile(strings.TrimSuffix(f, ".pcap") + ".truth.json")
			if err != nil {
				t.Fatal(err)
			}
			var said []truth
			if err := json.Unmarshal(b, &said); err != nil {
				t.Fatal(err)
			}
			short, whole := follow(t, f, new(Asker).Ask), follow(t, f, more)
			for _, want := range said {
				for _, list := range [][]*stream.Conversation{short, whole} {
					i := slices.IndexFunc(list, func(c *stream.Conversation) bool { return c.Client.Port() == want.ClientPort })
					if i < 0 {
						t.Fatalf("no conversation of port %d", want.ClientPort)
					}
					want.compare(t, r.Read(list[i]))
				}
			}
			for _, c := range whole {
				variants(t, c)
			}
		})
	}
}

// TestOthers reads two connections one after the other between the same
// endpoints.
func TestOthers(t *testing.T) {
	list := follow(t, captures+"/quic-resumption.pcap", more)
	var r Reader
	want := string(r.Read(list[0]).Hello[toClient].Data)
	first, second := datagramsOf(list[0]), datagramsOf(list[1])
	all := slices.Concat(first, second)
	o := r.Read(conversation(all...))
	check(t, o)
	if o.Others != 1 || o.Other.Packet != uint64(len(first)+1) {
		t.Errorf("%d others, the first in packet %d, want 1 in %d", o.Others, o.Other.Packet, len(first)+1)
	}
	if string(o.Hello[toClient].Data) != want || o.Hello[toClient].Conflict {
		t.Error("the ServerHello of the first is not read")
	}
}

func (want *truth) compare(t *testing.T, o *Opening) {
	t.Helper()
	if o == nil {
		t.Fatal("nothing of QUIC")
	}
	check(t, o)
	if len(o.Problems) != 0 || o.Swapped {
		t.Errorf("swapped %v, problems %v", o.Swapped, o.Problems)
	}
	if want.QUIC != "" && o.Version.String() != "QUIC "+want.QUIC {
		t.Errorf("version %v, want %s", o.Version, want.QUIC)
	}
	if first := want.FirstQUIC; first != "" && o.FirstVersion.String() != "QUIC "+first || first == "" && o.FirstVersion != 0 {
		t.Errorf("first version %v, want %s", o.FirstVersion, first)
	}
	if o.Retry != want.Retry {
		t.Errorf("Retry %v", o.Retry)
	}
	if o.Opened[0] == 0 || want.Outcome != "incomplete" && o.Opened[1] == 0 {
		t.Fatalf("opened %v of %v", o.Opened, o.Initial)
	}
	ch := hellos(t, o.Hello[toServer].Data)
	if len(o.Hello[toServer].Gaps) != 0 || len(ch) == 0 || ch[0].typ != msgClientHello {
		t.Fatal("no ClientHello")
	}
	if m := o.Hello[toServer].Completed(0, 4); m.Packet == 0 || m.Time == 0 {
		t.Error("the ClientHello has no mark")
	}
	if (want.EarlyData == "accepted" || want.EarlyData == "rejected") != (ch[0].extensions[extEarlyData] != nil) {
		t.Errorf("early data %q, the ClientHello has %v", want.EarlyData, ch[0].extensions[extEarlyData])
	}
	if early := want.EarlyData == "accepted"; early && o.ZeroRTT[toServer].N == 0 || o.ZeroRTT[toClient].N != 0 || want.EarlyData == "" && o.ZeroRTT[toServer].N != 0 {
		t.Errorf("0-RTT packets %v", o.ZeroRTT)
	}
	alert, isAlert := o.Close.Alert()
	if isAlert != (want.Alert != "") || isAlert && strconv.Itoa(int(alert)) != want.Alert || isAlert && (o.Close.From == toServer) != (want.AlertFrom == "client") {
		t.Errorf("close %+v, want alert %q from %q", o.Close, want.Alert, want.AlertFrom)
	}
	if want.Outcome == "incomplete" && o.Initial[toClient].N != 0 {
		t.Errorf("packets of a server that was silent: %v", o.Initial)
	}
	if want.Outcome != "established" {
		if o.OneRTT[toServer].N != 0 {
			t.Errorf("1-RTT packets %v", o.OneRTT)
		}
		return
	}
	sh := hellos(t, o.Hello[toClient].Data)
	if len(sh) == 0 || len(o.Hello[toClient].Gaps) != 0 {
		t.Fatal("no ServerHello")
	}
	last := sh[len(sh)-1]
	if last.typ != msgServerHello || last.retry || last.suites[0] != suites[want.Suite] || fmt.Sprintf("%x", last.extensions[extSupportedVersions]) != "0304" {
		t.Errorf("ServerHello %+v, want %s", last, want.Suite)
	}
	if want.Group != "" && binary.BigEndian.Uint16(last.extensions[extKeyShare]) != curves[want.Group] {
		t.Errorf("key share %x, want %s", last.extensions[extKeyShare][:2], want.Group)
	}
	if want.Resumed != nil && *want.Resumed != (last.extensions[extPreSharedKey] != nil) {
		t.Errorf("resumed %v, ServerHello has %x", *want.Resumed, last.extensions[extPreSharedKey])
	}
	if want.HelloRetry != nil && (*want.HelloRetry != sh[0].retry || *want.HelloRetry != (len(ch) == 2)) {
		t.Errorf("HelloRetryRequest %v: %d ClientHellos", sh[0].retry, len(ch))
	}
	if o.Handshake[0].N == 0 || o.Handshake[1].N == 0 || o.OneRTT[0].N == 0 || o.OneRTT[0].First.Packet == 0 {
		t.Errorf("Handshake packets %v, 1-RTT %v", o.Handshake, o.OneRTT)
	}
}

// variants reads the same datagrams as other captures would have them.
func variants(t *testing.T, c *stream.Conversation) {
	t.Helper()
	list := datagramsOf(c)
	var r, r2 Reader
	want := r.Read(c)
	same := func(name string, o *Opening, roles ...stream.Dir) {
		t.Helper()
		if o == nil {
			t.Errorf("%s: nothing of QUIC", name)
			return
		}
		check(t, o)
		for _, d := range roles {
			if string(o.Hello[d].Data) != string(want.Hello[d].Data) || len(o.Hello[d].Gaps) != len(want.Hello[d].Gaps) {
				t.Errorf("%s: %d bytes of the hello of %d, want %d; gaps %v", name, len(o.Hello[d].Data), d, len(want.Hello[d].Data), o.Hello[d].Gaps)
			}
		}
	}
	var twice []datagram
	for _, d := range list {
		twice = append(twice, d, d)
	}
	same("each twice", r2.Read(conversation(twice...)), 0, 1)
	back := slices.Clone(list)
	slices.Reverse(back)
	if o := r2.Read(conversation(back...)); want.Others == 0 && !want.VersionNegotiation {
		same("backwards", o, 0, 1)
	}
	var other []datagram
	for _, d := range list {
		other = append(other, datagram{d.from.Opposite(), d.b})
	}
	o := r2.Read(conversation(other...))
	same("endpoints swapped", o, 0, 1)
	if !o.Swapped && want.Opened[0] > 0 {
		t.Error("the swapped endpoints were not noticed")
	}
	for d := range stream.Dir(2) {
		one := slices.DeleteFunc(slices.Clone(list), func(x datagram) bool { return x.from != d })
		o := r2.Read(conversation(one...))
		switch {
		case d == toServer && !want.VersionNegotiation && !want.Retry:
			same("client alone", o, d)
		case d == toClient && len(one) > 0:
			if o == nil || o.Initial[toClient].N != want.Initial[toClient].N {
				t.Errorf("server alone: %+v", o)
			} else if len(o.Hello[toServer].Data) != 0 || o.Opened[toClient] > 0 != (want.Retry && want.Opened[toClient] > 0) {
				t.Errorf("server alone: opened %v, Retry %v", o.Opened, want.Retry)
			}
		}
	}
	// Datagrams that overtake each other, by up to three places.
	rng := rand.New(rand.NewPCG(1, uint64(len(list))))
	for range 20 {
		mixed := slices.Clone(list)
		for i := range mixed {
			j := min(i+rng.IntN(4), len(mixed)-1)
			mixed[i], mixed[j] = mixed[j], mixed[i]
		}
		v, n, got := ask(mixed...)
		if v == stream.Refuse {
			t.Fatalf("refused after %d datagrams", n)
		}
		if want.Others == 0 && !want.VersionNegotiation {
			same("reordered", r2.Read(got), 0, 1)
		}
	}
}
