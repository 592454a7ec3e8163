package quic

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

const (
	odcid = "original"   // of the client's first Initial
	cscid = "clnt"       // the client's connection ID
	sscid = "server-cid" // the server's
)

// first makes a first Initial of a client with these frames.
func first(t testing.TB, frames string) long {
	t.Helper()
	return long{version: Version1, dcid: odcid, scid: cscid, frames: frames, size: 1200}
}

// answer makes an Initial of the server.
func answer(frames string) long {
	return long{version: Version1, role: toClient, key: odcid, dcid: cscid, scid: sscid, frames: frames}
}

const (
	ackFrame   = "\x02\x05\x40\x64\x01\x01\x00\x02"         // two ranges
	ecnFrame   = "\x03\x05\x00\x00\x00\x01\x02\x03"         // and ECN counts
	pingFrame  = "\x01"                                     //
	closeFrame = "\x1c\x41\x78\x06\x03bye"                  // no_application_protocol
	longClose  = "\x1c\x80\x00\x01\x28\x40\x00\x44\x00what" // a reason that is longer than there is
)

// TestFrames reads the frames that Initials of a client may hold.
func TestFrames(t *testing.T) {
	msg := message(msgClientHello, 600)
	big := message(msgClientHello, 80000)
	f := func(from, to int) string { return cryptoFrame(msg, from, to) }
	var craze string // as Chromium cuts it: each piece behind the next
	for i := 600; i > 0; i -= 50 {
		craze += f(i-50, i) + "\x00\x00" + pingFrame
	}
	for _, x := range []struct {
		name    string
		packets []string // frames
		want    string   // of data
		gaps    []stream.Gap
		marks   string // from-to:packet
		problem string
	}{
		{"one frame", []string{f(0, 600)}, msg, nil, "0-600:1", ""},
		{"all kinds", []string{ackFrame + pingFrame + "\x00\x00" + f(0, 300) + ecnFrame + f(300, 600) + "\x00"}, msg, nil, "0-600:1", ""},
		{"two packets", []string{f(0, 300), f(300, 600)}, msg, nil, "0-300:1 300-600:2", ""},
		{"second first", []string{f(300, 600), f(0, 300)}, msg, nil, "300-600:1 0-300:2", ""},
		{"in many pieces", []string{craze}, msg, nil, "0-600:1", ""},
		{"a piece in another packet", []string{f(0, 100) + f(200, 600), f(100, 200)}, msg, nil, "0-100:1 200-600:1 100-200:2", ""},
		{"overlaps", []string{f(100, 400), f(0, 200), f(300, 600), f(0, 600)}, msg, nil, "100-400:1 0-100:2 400-600:3", ""},
		{"covers several", []string{f(100, 200) + f(300, 400), f(0, 600)}, msg, nil, "100-200:1 300-400:1 0-100:2 200-300:2 400-600:2", ""},
		{"twice", []string{f(0, 600), f(0, 600)}, msg, nil, "0-600:1", ""},
		{"a gap", []string{f(0, 100), f(200, 300)}, msg[:100] + strings.Repeat("\x00", 100) + msg[200:300], []stream.Gap{{From: 100, To: 200}}, "0-100:1 200-300:2", ""},
		{"the beginning is missing", []string{f(100, 300)}, strings.Repeat("\x00", 100) + msg[100:300], []stream.Gap{{From: 0, To: 100}}, "100-300:1", ""},
		{"an empty frame", []string{f(50, 50) + f(0, 10)}, msg[:10], nil, "0-10:1", ""},
		{"no frame", []string{""}, "", nil, "", ""},
		{"CRYPTO cut", []string{strings.Repeat("\x00", 1200-26-16-60) + f(0, 100)[:60]}, msg[:56], nil, "0-56:1", "CRYPTO is cut"},
		{"CRYPTO without a length", []string{f(0, 40) + strings.Repeat("\x01", 1200-26-16-44) + "\x06\x00"}, msg[:40], nil, "0-40:1", "CRYPTO is malformed"},
		{"a frame of another level", []string{f(0, 40) + "\x08" + f(40, 80)}, msg[:40], nil, "0-40:1", badFrame},
		{"HANDSHAKE_DONE", []string{"\x1e"}, "", nil, "", badFrame},
		{"an application's close", []string{"\x1d\x00\x00"}, "", nil, "", badFrame},
		{"ACK with too many ranges", []string{f(0, 40) + "\x02\x05\x00\x7f\xff\x00"}, msg[:40], nil, "0-40:1", "ACK is malformed"},
		{"a type in more bytes than it needs", []string{"\x40\x06" + f(0, 40)[1:]}, msg[:40], nil, "0-40:1", ""},
		{"an offset beyond all", []string{f(0, 40) + "\x06\xff\xff\xff\xff\xff\xff\xff\xff\x01x"}, msg[:40], nil, "0-40:1", ""},
		{"at the limit", []string{f(0, 40), cryptoFrame(big, maxCrypto-10, maxCrypto+10)}, msg[:40] + strings.Repeat("\x00", maxCrypto-50) + big[maxCrypto-10:maxCrypto],
			[]stream.Gap{{From: 40, To: maxCrypto - 10}}, fmt.Sprintf("0-40:1 %d-%d:2", maxCrypto-10, maxCrypto), ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			var list []datagram
			for i, frames := range x.packets {
				p := first(t, frames)
				p.number = int64(i)
				list = append(list, datagram{toServer, p.seal(t)})
			}
			var r Reader
			o := r.Read(conversation(list...))
			if o == nil {
				t.Fatal("nothing of QUIC")
			}
			check(t, o)
			h := &o.Hello[toServer]
			if string(h.Data) != x.want || !slices.Equal(h.Gaps, x.gaps) {
				t.Errorf("%d bytes, gaps %v, want %d, %v", len(h.Data), h.Gaps, len(x.want), x.gaps)
			}
			var marks []string
			for _, m := range h.Marks {
				marks = append(marks, fmt.Sprintf("%d-%d:%d", m.From, m.To, m.Packet))
			}
			if got := strings.Join(marks, " "); got != x.marks {
				t.Errorf("marks %s, want %s", got, x.marks)
			}
			problem := ""
			if len(o.Problems) > 0 {
				problem = o.Problems[0].What
			}
			if problem != x.problem || len(o.Problems) > 1 {
				t.Errorf("problems %v, want %q", o.Problems, x.problem)
			}
			if h.Conflict {
				t.Error("a conflict")
			}
			if full := strings.Contains(x.name, "limit") || strings.Contains(x.name, "beyond"); h.Full != full {
				t.Errorf("full %v", h.Full)
			}
		})
	}
}

func TestConflict(t *testing.T) {
	a, b := message(msgClientHello, 100), message(msgServerHello, 100)
	p, q := first(t, cryptoFrame(a, 0, 60)), first(t, cryptoFrame(b, 50, 100)+cryptoFrame(b, 0, 10))
	q.number = 1
	var r Reader
	o := r.Read(conversation(datagram{toServer, p.seal(t)}, datagram{toServer, q.seal(t)}))
	if h := &o.Hello[0]; !h.Conflict || string(h.Data) != a[:60]+b[60:] {
		t.Errorf("conflict %v, %x", h.Conflict, h.Data)
	}
}

// TestRanges gives a stream more pieces than it keeps.
func TestRanges(t *testing.T) {
	msg := message(msgClientHello, 4*maxRanges)
	var list []datagram
	for i := 0; i < 2*maxRanges; i += 64 {
		frames := ""
		for j := i; j < i+64; j++ {
			frames += cryptoFrame(msg, 2*j, 2*j+1)
		}
		p := first(t, frames)
		p.number = int64(i)
		list = append(list, datagram{toServer, p.seal(t)})
	}
	var r Reader
	o := r.Read(conversation(list...))
	check(t, o)
	if h := &o.Hello[0]; !h.Full || len(h.Data) != 2*maxRanges-1 || len(h.Marks) != stream.MaxMarks {
		t.Errorf("full %v, %d bytes, %d marks", h.Full, len(h.Data), len(h.Marks))
	}
}

func TestPacketNumbers(t *testing.T) {
	msg := message(msgClientHello, 400)
	var list []datagram
	for i, x := range []struct {
		number int64
		bytes  int
	}{{0, 1}, {200, 1}, {300, 2}, {420, 1}, {70000, 3}, {70001, 1}, {69999, 2}, {1 << 31, 4}} {
		p := first(t, cryptoFrame(msg, 50*i, 50*i+50))
		p.number, p.bytes = x.number, x.bytes
		list = append(list, datagram{toServer, p.seal(t)})
	}
	var r Reader
	o := r.Read(conversation(list...))
	if string(o.Hello[0].Data) != msg || o.Opened[0] != len(list) {
		t.Errorf("opened %d of %d, %d bytes", o.Opened[0], len(list), len(o.Hello[0].Data))
	}
	// RFC 9000 appendix A.3.
	if n := fullNumber(0xa82f30ea, 0x9b32, 16); n != 0xa82f9b32 {
		t.Errorf("%x", n)
	}
}

// TestClose reads CONNECTION_CLOSE.
func TestClose(t *testing.T) {
	hello := cryptoFrame(message(msgClientHello, 300), 0, 300)
	for _, x := range []struct {
		name           string
		client, server string
		want           Close
		alert          uint8
		isAlert        bool
	}{
		{"of the server", hello, closeFrame, Close{Seen: true, From: toClient, Code: 0x178, Frame: 6}, 120, true},
		{"of the client", hello + closeFrame, "", Close{Seen: true, From: toServer, Code: 0x178, Frame: 6}, 120, true},
		{"the first counts", hello + closeFrame, longClose, Close{Seen: true, From: toServer, Code: 0x178, Frame: 6}, 120, true},
		{"with a reason that is cut", hello, longClose, Close{Seen: true, From: toClient, Code: 0x128, Frame: 0}, 40, true},
		{"not of TLS", hello, "\x1c\x0b\x00\x00", Close{Seen: true, From: toClient, Code: 0xb}, 0, false},
		{"beyond the alerts", hello, "\x1c\x42\x00\x00\x00", Close{Seen: true, From: toClient, Code: 0x200}, 0, false},
		{"none", hello, ackFrame, Close{}, 0, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			var r Reader
			o := r.Read(conversation(datagram{toServer, first(t, x.client).seal(t)}, datagram{toClient, answer(x.server).seal(t)}))
			got := o.Close
			got.Mark = stream.Mark{}
			alert, is := o.Close.Alert()
			if got != x.want || is != x.isAlert || is && alert != x.alert || len(o.Problems) != 0 {
				t.Errorf("%+v, alert %d %v, problems %v", o.Close, alert, is, o.Problems)
			}
		})
	}
}
