package eap_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestManySessions carries thousands of sessions from one port of a NAS, some
// dozens at once, and has several workers find the same as one.
func TestManySessions(t *testing.T) {
	const sessions, atOnce = 2500, 60
	raw, err := os.ReadFile("../../testdata/captures/eap-tls.pcap")
	if err != nil {
		t.Fatal(err)
	}
	const eth, payload = 14, 14 + 20 + 8
	var frames [][]byte
	for b := raw[24:]; len(b) > 16; {
		n := int(binary.LittleEndian.Uint32(b[8:]))
		frames, b = append(frames, b[16:16+n]), b[16+n:]
	}
	out := append([]byte(nil), raw[:24]...)
	sent, asked := 0, 0
	// write writes the k-th packet of a session as if it were session s.
	ids := make([]byte, sessions)
	write := func(s, k int) {
		f := append([]byte(nil), frames[k]...)
		b := f[payload:]
		if b[0] == 1 {
			ids[s] = byte(asked) // the NAS counts over all of them
			asked++
		}
		b[1] = ids[s]
		binary.BigEndian.PutUint32(b[4:], uint32(s)) // the authenticator
		for at := 20; at+2 < len(b) && b[at+1] >= 2; at += int(b[at+1]) {
			if b[at] == 24 && b[at+1] >= 6 { // State
				binary.BigEndian.PutUint32(b[at+2:], uint32(s))
			}
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(1_700_000_000+sent/1000))
		out = binary.LittleEndian.AppendUint32(out, uint32(sent%1000*1000))
		out = binary.LittleEndian.AppendUint32(out, uint32(len(f)))
		out = append(binary.LittleEndian.AppendUint32(out, uint32(len(f))), f...)
		sent++
	}
	for from := 0; from < sessions; from += atOnce {
		for k := range frames {
			for s := from; s < min(from+atOnce, sessions); s++ {
				write(s, k)
			}
		}
	}
	if binary.BigEndian.Uint16(frames[0][eth-2:]) != 0x0800 {
		t.Fatal("the capture is not of Ethernet")
	}
	path := filepath.Join(t.TempDir(), "many.pcap")
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	one := read(t, 1, path)
	if len(one) != sessions {
		t.Fatalf("%d sessions, want %d", len(one), sessions)
	}
	for i, s := range one {
		if !s.established || s.suite != "0xc030" || s.result != 3 || len(s.problems) > 0 {
			t.Fatalf("session %d: %+v", i, s)
		}
	}
	if three := read(t, 3, path); !reflect.DeepEqual(one, three) {
		t.Error("three workers found something else than one")
	}
}
