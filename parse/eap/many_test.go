package eap_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// TestManySessions reads thousands of sessions from one port of a NAS, 60 at a
// time, with one worker and with three.
func TestManySessions(t *testing.T) {
	t.Parallel()
	const sessions, atOnce = 2500, 60
	raw, err := os.ReadFile("../../testdata/captures/eap-tls.pcap")
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	for {
		b, _, err := r.ReadPacketData()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, b)
	}
	const ethernet, payload = 14, 14 + 20 + 8
	if binary.BigEndian.Uint16(frames[0][ethernet-2:]) != 0x0800 {
		t.Fatal("eap-tls.pcap: got other frames than IPv4 over Ethernet")
	}
	var out bytes.Buffer
	w := pcapgo.NewWriter(&out)
	if err := w.WriteFileHeader(1<<16, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	sent, requests := 0, 0
	ids := make([]byte, sessions)
	// write writes the k-th packet of the capture as one of session s.
	write := func(s, k int) {
		f := slices.Clone(frames[k])
		b := f[payload:]
		if b[0] == 1 { // Access-Request: the NAS uses one counter for all sessions
			ids[s] = byte(requests)
			requests++
		}
		b[1] = ids[s]
		binary.BigEndian.PutUint32(b[4:], uint32(s)) // the authenticator
		for at := 20; at+2 < len(b) && b[at+1] >= 2; at += int(b[at+1]) {
			if b[at] == 24 && b[at+1] >= 6 { // State
				binary.BigEndian.PutUint32(b[at+2:], uint32(s))
			}
		}
		info := gopacket.CaptureInfo{Timestamp: time.UnixMilli(1_700_000_000_000 + int64(sent)), CaptureLength: len(f), Length: len(f)}
		if err := w.WritePacket(info, f); err != nil {
			t.Fatal(err)
		}
		sent++
	}
	for from := 0; from < sessions; from += atOnce {
		for k := range frames {
			for s := from; s < min(from+atOnce, sessions); s++ {
				write(s, k)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "many.pcap")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	one := read(t, 1, path)
	if len(one) != sessions {
		t.Fatalf("got %d sessions, want %d", len(one), sessions)
	}
	for i, s := range one {
		if !s.established || s.suite != "0xc030" || s.result != 3 || len(s.problems) > 0 {
			t.Fatalf("session %d: got %+v", i, s)
		}
	}
	if three := read(t, 3, path); !reflect.DeepEqual(one, three) {
		t.Error("three workers: got other sessions than with one")
	}
}
