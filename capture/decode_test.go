package capture

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"pfsight/capture/frametest"
	"pfsight/capture/packet"
	"pfsight/capture/pcapfile"
)

// linkTypes has all supported link types, and an unsupported one.
var linkTypes = append(slices.Clone(frametest.Links), 65000)

// frames returns the frames of captures of every link type.
func frames(t testing.TB) (out []packet.Record) {
	files, _ := filepath.Glob("../testdata/captures/link-*.pcap")
	more, _ := filepath.Glob("../testdata/captures/*f*-*.pcap") // fragments, forms, extension headers
	for _, name := range append(files, more...) {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := pcapfile.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		recs := make([]packet.Record, 16)
		n, _ := r.NextBatch(recs)
		for _, rec := range recs[:n] {
			rec.Data = bytes.Clone(rec.Data)
			out = append(out, rec)
		}
		r.Close()
		f.Close()
	}
	if len(out) < 100 {
		t.Fatalf("got %d frames, want more", len(out))
	}
	return out
}

// TestDecodeCut cuts every frame at every length. A segment must not have more
// payload than the frame, and its length on the wire must not change.
func TestDecodeCut(t *testing.T) {
	var drops Counters
	d := decoder{drops: &drops}
	for _, rec := range frames(t) {
		var whole segment
		if !d.decode(rec.Link, rec.Data, rec.WireLen, 1, &whole) || whole.deferred {
			continue
		}
		for n := range rec.Data {
			var s segment
			if d.decode(rec.Link, rec.Data[:n], rec.WireLen, 1, &s) && !s.deferred {
				if s.wire != whole.wire && s.wire != headCut || s.key != whole.key || s.seq != whole.seq || !bytes.HasPrefix(whole.payload, s.payload) {
					t.Fatalf("link %d cut at %d: got %+v, want %+v", rec.Link, n, s, whole)
				}
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, rec := range frames(f) {
		for i, l := range linkTypes {
			if l == rec.Link {
				f.Add(uint8(i), rec.Data, uint16(0), rec.Data)
			}
		}
	}
	for i, l := range linkTypes {
		switch l {
		case packet.LinkEthernet:
			eapol := slices.Concat(eapolGroup, eapolStation, []byte{0x88, 0x8e}, eapolFrame)
			f.Add(uint8(i), eapol, uint16(0), eapol)
		case packet.LinkIEEE80211:
			eapol := slices.Concat([]byte{8, 1, 0, 0}, eapolSwitch, eapolStation, eapolGroup, []byte{0x10, 0, 0xaa, 0xaa, 3, 0, 0, 0, 0x88, 0x8e}, eapolFrame)
			f.Add(uint8(i), eapol, uint16(0), eapol)
		}
	}
	for i, l := range linkTypes {
		for _, b := range frametest.Frames(l, etherIPv6, tcpPacket(true, 10)) {
			f.Add(uint8(i), b, uint16(0), b)
		}
		for _, x := range frametest.Tunnels() {
			if b := frametest.Frames(l, etherIPv4, x.Wrap(tcpPacket(false, 10))); len(b) > 0 {
				f.Add(uint8(i), b[0], uint16(9), b[0])
			}
		}
	}
	f.Fuzz(func(t *testing.T, link uint8, a []byte, more uint16, b []byte) {
		var drops Counters
		d := decoder{drops: &drops, frags: newFragments(0)}
		for i, data := range [][]byte{a, b, a} {
			var s segment
			sameAsFrame(t, data, len(data)+int(more))
			if !d.decode(linkTypes[int(link)%len(linkTypes)], data, len(data)+int(more), int64(i), &s) {
				continue
			}
			if s.deferred || len(s.payload) > s.wire || s.wire > 1<<17 {
				t.Fatalf("got %+v", s)
			}
		}
		if d.frags.mem < 0 || d.frags.mem > maxFragmentMem {
			t.Fatalf("got %d bytes of fragments", d.frags.mem)
		}
		n := uint64(0)
		for _, c := range drops {
			n += c
		}
		if n > 3 {
			t.Fatalf("got %d drops of three frames", n)
		}
	})
}

// sameAsFrame compares decodeCommon with frame if it accepts the frame, and
// reports whether it does.
func sameAsFrame(t *testing.T, b []byte, wireLen int) bool {
	var drops Counters
	d := decoder{drops: &drops, seed: 7}
	got := segment{deferred: true, encap: 9, payload: b, packet: 3}
	if !d.decodeCommon(b, wireLen, 5, &got) {
		return false
	}
	want := segment{packet: 3}
	if !d.frame(packet.LinkEthernet, b, wireLen, 5, &want) {
		t.Fatalf("% x: decodeCommon accepts the frame, frame does not", b)
	}
	if len(got.payload) != len(want.payload) || len(got.payload) > 0 && &got.payload[0] != &want.payload[0] {
		t.Fatalf("% x: got %d bytes of payload, want %d", b, len(got.payload), len(want.payload))
	}
	if drops != (Counters{}) {
		t.Fatalf("% x: got no drops, want %v", b, drops.List())
	}
	got.payload, want.payload = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("% x:\ngot %+v\nwant %+v", b, got, want)
	}
	return true
}

func TestDecodeCommon(t *testing.T) {
	plain := 0
	for _, rec := range frames(t) {
		if rec.Link != packet.LinkEthernet {
			continue
		}
		for n := range len(rec.Data) + 1 {
			if sameAsFrame(t, rec.Data[:n], rec.WireLen) && n == len(rec.Data) {
				plain++
			}
			sameAsFrame(t, rec.Data[:n], n)
		}
	}
	if plain == 0 {
		t.Error("decodeCommon accepts no frame")
	}
}

func BenchmarkDecode(b *testing.B) {
	recs := frames(b)
	var drops Counters
	d := decoder{drops: &drops}
	var s segment
	var n int64
	for _, r := range recs {
		n += int64(len(r.Data))
	}
	b.SetBytes(n / int64(len(recs)))
	b.ReportAllocs()
	for i := range b.N {
		r := &recs[i%len(recs)]
		d.decode(r.Link, r.Data, r.WireLen, 1, &s)
	}
}
