package pcapfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pfsight/capture/frametest"
	"pfsight/capture/packet"
)

// simple is a Simple Packet Block for ngFile. Other numbers are the time of an
// Enhanced Packet Block in seconds.
const simple = -1

func ngFile(offset int64, blocks ...int) []byte {
	le := binary.LittleEndian
	var b []byte
	block := func(kind uint32, body []byte) {
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		b = le.AppendUint32(le.AppendUint32(b, kind), uint32(len(body)+12))
		b = le.AppendUint32(append(b, body...), uint32(len(body)+12))
	}
	block(blockSection, le.AppendUint64(append(le.AppendUint32(nil, 0x1a2b3c4d), 1, 0, 0, 0), ^uint64(0)))
	iface := le.AppendUint32(append([]byte{1, 0}, 0, 0), 0)
	if offset != 0 {
		iface = le.AppendUint64(append(iface, 14, 0, 8, 0), uint64(offset))
		iface = append(iface, 0, 0, 0, 0)
	}
	block(blockInterface, iface)
	frame := make([]byte, 60)
	for _, t := range blocks {
		if t == simple {
			block(blockSimple, append(le.AppendUint32(nil, 60), frame...))
			continue
		}
		us := uint64(t) * 1e6
		body := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 0), uint32(us>>32)), uint32(us))
		block(blockEnhanced, append(le.AppendUint32(le.AppendUint32(body, 60), 60), frame...))
	}
	return b
}

func pcapFile(t testing.TB, times ...int) []byte {
	packets := make([]frametest.Packet, len(times))
	for i, sec := range times {
		packets[i] = frametest.Packet{Time: int64(sec) * 1e9, Data: make([]byte, 60)}
	}
	return frametest.Pcap(t, time.Microsecond, packet.LinkEthernet, packets)
}

// seconds returns the times of a capture in seconds.
func seconds(t *testing.T, next func([]packet.Record) (int, error)) (out []int) {
	t.Helper()
	recs := make([]packet.Record, 7)
	for {
		n, err := next(recs)
		for _, r := range recs[:n] {
			out = append(out, int(r.Time/1e9))
		}
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestNoTime reads packets without a time between packets with one.
func TestNoTime(t *testing.T) {
	for _, x := range []struct {
		name string
		file []byte
		want []int
	}{
		{"simple blocks between", ngFile(0, 100, simple, simple, 107, simple), []int{100, 100, 100, 107, 107}},
		{"simple blocks first", ngFile(0, simple, simple, 100, simple, 101), []int{100, 100, 100, 100, 101}},
		{"simple blocks of an interface with an offset", ngFile(1000, simple, 100, simple), []int{1100, 1100, 1100}},
		{"simple blocks alone", ngFile(0, simple, simple), []int{0, 0}},
		{"simple blocks alone, with an offset", ngFile(1000, simple, simple), []int{0, 0}},
		{"a time of 0 in an enhanced block", ngFile(0, 0, 100, 0), []int{100, 100, 100}},
		{"the time of an offset alone", ngFile(1000, 0, 100), []int{1000, 1100}},
		{"a time of 0 in pcap", pcapFile(t, 0, 100, 0, 99, 0), []int{100, 100, 100, 99, 99}},
		{"no time in pcap", pcapFile(t, 0, 0), []int{0, 0}},
	} {
		t.Run(x.name, func(t *testing.T) {
			r, err := NewReader(bytes.NewReader(x.file))
			if err != nil {
				t.Fatal(err)
			}
			if got := seconds(t, r.NextBatch); !slices.Equal(got, x.want) {
				t.Errorf("got times %v, want %v", got, x.want)
			}
		})
	}
}

// TestNoTimeFirst has more packets without a time at the beginning of a file
// than one batch holds. They get the time of the first packet with one.
func TestNoTimeFirst(t *testing.T) {
	const n = 3000
	blocks := append(slices.Repeat([]int{simple}, n), 1000)
	dir := t.TempDir()
	for i, file := range [][]byte{ngFile(0, blocks...), ngFile(0, 2000, simple)} {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i, ".pcapng")), file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open([]string{dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var times []int
	var b packet.Batch
	for s.Next(&b) == nil {
		for _, r := range b.Records {
			times = append(times, int(r.Time/1e9))
		}
	}
	want := append(slices.Repeat([]int{1000}, n+1), 2000, 2000)
	if !slices.Equal(times, want) {
		t.Errorf("got %d packets with times %v to %v", len(times), times[0], times[len(times)-1])
	}
}

// TestForeign checks that captures of other formats are named in the error,
// and that other content is not taken for one.
func TestForeign(t *testing.T) {
	erf := func(n int) (b []byte) {
		for i := range n {
			b = binary.LittleEndian.AppendUint64(b, uint64(1700000000+i)<<32)
			b = append(b, 2, 4, 0, 16+2+60, 0, 0, 0, 60)
			b = append(b, make([]byte, 2+60)...)
		}
		return b
	}
	dir := t.TempDir()
	for name, x := range map[string]struct {
		content []byte
		word    string
	}{
		"snoop":            {[]byte("snoop\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x04"), "RFC 1761"},
		"netmon1":          {append([]byte("RTSS\x01\x01"), make([]byte, 200)...), "Network Monitor 1"},
		"netmon2":          {append([]byte("GMBU\x00\x02"), make([]byte, 200)...), "Network Monitor 2"},
		"erf":              {erf(200), "ERF"},
		"erf, one record":  {erf(1), "ERF"},
		"erf, cut":         {erf(3)[:90], "ERF"},
		"text":             {bytes.Repeat([]byte("no capture at all\n"), 20), ""},
		"zeros":            {make([]byte, 1000), ""},
		"like erf":         {append(erf(1), bytes.Repeat([]byte{0xff}, 200)...), ""},
		"a word of it":     {[]byte("snoop"), ""},
		"begins as pcapng": {[]byte("\x0a\x0d\x0d\x0a"), ""},
	} {
		_, err := NewReader(bytes.NewReader(x.content))
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, x.content, 0o600); err != nil {
			t.Fatal(err)
		}
		other := &Other{Detect: func([]byte, bool) (is, more bool) { return false, false }}
		_, opened := Open([]string{file}, Options{Other: other})
		for _, err := range []error{err, opened} {
			if x.word == "" {
				if !errors.Is(err, ErrNotCapture) {
					t.Errorf("%s: %v", name, err)
				}
			} else if !errors.Is(err, ErrForeign) || !bytes.Contains([]byte(err.Error()), []byte(x.word)) {
				t.Errorf("%s: got error %v, want %q in it", name, err, x.word)
			}
		}
	}
	// A folder skips files that are not captures, and reports captures of other
	// formats.
	if err := os.WriteFile(filepath.Join(dir, "good.pcap"), pcapFile(t, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open([]string{dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n := len(s.Problems()); n != 6 {
		t.Errorf("got %d problems, want 6: %v", n, s.Problems())
	}
}

// TestOrderTime checks which records a merge takes at their own time.
func TestOrderTime(t *testing.T) {
	const s = 1e9
	const day = 24 * 3600 * s
	at := func(times ...int64) (recs []packet.Record) {
		for _, x := range times {
			recs = append(recs, packet.Record{Time: x})
		}
		return recs
	}
	for _, c := range []struct {
		name string
		recs []packet.Record
		i    int
		prev int64
		want int64
	}{
		{"next to its neighbours", at(day, day+s), 0, day - s, day},
		{"without a time", at(0, day), 0, day, day},
		{"far from both neighbours", at(day, 40*day, day+s), 1, day, day},
		{"after a silence", at(day, day+300*s, day+301*s), 1, day, day + 300*s},
		{"last, after a silence", at(day, day+300*s), 1, day, day + 300*s},
		{"last, of another date", at(day, 9*day), 1, day, day},
		{"first, of another date", at(40*day, day, day+s), 0, 0, day},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := orderTime(c.recs, c.i, c.prev); got != c.want {
				t.Errorf("orderTime = %d, want %d", got, c.want)
			}
		})
	}
}
