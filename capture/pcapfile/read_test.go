package pcapfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"

	"pfsight/capture/frametest"
	"pfsight/capture/packet"
)

const captures = "../../testdata/captures/"

// forms returns captures of every supported form, made by real tools or byte
// by byte from the drafts; see testdata/make.
func forms(t testing.TB) map[string][]byte {
	out := map[string][]byte{}
	for _, pattern := range []string{"rsa.pcap", "form-*.pcap", "packed-*.pcap", "link-sll2.pcap"} {
		files, _ := filepath.Glob(captures + pattern)
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			out[filepath.Base(f)] = b
		}
	}
	if len(out) < 12 {
		t.Fatalf("got %d captures, want more", len(out))
	}
	return out
}

// readAll returns the number of records, the sum of their sizes, and the error
// that ends them.
func readAll(in io.Reader) (n, size int, err error) {
	r, err := NewReader(in)
	if err != nil {
		return 0, 0, err
	}
	defer r.Close()
	recs := make([]packet.Record, 7)
	for {
		k, err := r.NextBatch(recs)
		for _, rec := range recs[:k] {
			size += len(rec.Data)
			if rec.WireLen < len(rec.Data) {
				return n, size, errors.New("shorter on the wire than captured")
			}
		}
		n += k
		if err != nil {
			return n, size, err
		}
		if k == 0 {
			return n, size, errors.New("no records and no error")
		}
	}
}

// TestCut cuts every form at every byte. All complete records are read, and
// the error says where the capture ends.
func TestCut(t *testing.T) {
	for name, b := range forms(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole, _, err := readAll(bytes.NewReader(b))
			if err != io.EOF || whole == 0 {
				t.Fatalf("got %d records, error %v", whole, err)
			}
			packed, last := strings.HasPrefix(name, "packed-"), 0
			for n := range len(b) {
				if packed && n%13 != 0 {
					continue // each cut starts a decompressor
				}
				k, _, err := readAll(bytes.NewReader(b[:n]))
				if k < last || k > whole {
					t.Fatalf("cut at %d: got %d records, %d with one byte less", n, k, last)
				}
				last = k
				if err == nil {
					t.Fatalf("cut at %d: no error", n)
				}
				if err != io.EOF && k > 0 && !packed && !strings.HasPrefix(err.Error(), fmt.Sprintf("packet %d, offset ", k+1)) {
					t.Fatalf("cut at %d: got %d records and error %q", n, k, err)
				}
			}
		})
	}
}

// TestOneByteReads reads from an input that returns one byte at a time.
func TestOneByteReads(t *testing.T) {
	for name, b := range forms(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, wantSize, wantErr := readAll(bytes.NewReader(b))
			n, size, err := readAll(oneByte{bytes.NewReader(b)})
			if n != want || size != wantSize || err != wantErr {
				t.Errorf("got %d records, %d bytes, %v; want %d records, %d bytes, %v", n, size, err, want, wantSize, wantErr)
			}
		})
	}
}

type oneByte struct{ in io.Reader }

func (o oneByte) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return o.in.Read(p[:1])
}

// synthetic returns a pcap file of n records of various sizes, the first at
// second start.
func synthetic(t testing.TB, seed int64, n, start int) []byte {
	t.Helper()
	r := rand.New(rand.NewSource(seed))
	packets := make([]frametest.Packet, n)
	for i := range packets {
		k := r.Intn(1600)
		if r.Intn(500) == 0 {
			k = r.Intn(200 << 10) // longer than a block's head room
		}
		packets[i] = frametest.Packet{Time: int64(start+i/1000)*1e9 + int64(i%1000)*1e6, Data: make([]byte, k), Wire: k + r.Intn(2)*10}
		r.Read(packets[i].Data)
	}
	return frametest.Pcap(t, time.Microsecond, packet.LinkEthernet, packets)
}

// TestLanes reads files in blocks, as several workers do, and compares the
// records with those of Next: large files, files that overlap in time, cut
// files, and pcapng.
func TestLanes(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	a := synthetic(t, 1, 12000, 1000)
	b := synthetic(t, 2, 12000, 1005) // begins before the end of a
	c := synthetic(t, 3, 9000, 2000)
	sets := map[string][]string{
		"one":     {write("a", a)},
		"overlap": {write("a", a), write("b", b)},
		"many":    {write("c", c), write("b", b), write("a", a)},
		"cut":     {write("d", a[:len(a)-100]), write("c", c)},
		"damaged": {write("e", damage(a, 9000)), write("c", c)},
		"pcapng":  {write("f", toNG(t, a))},
	}
	for name, paths := range sets {
		want, wantProblems := walk(t, paths, false)
		for range 3 {
			got, problems := walk(t, paths, true)
			if len(got) != len(want) {
				t.Fatalf("%s: got %d records, want %d", name, len(got), len(want))
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("%s: record %d: got %v, want %v", name, i, got[i], want[i])
				}
			}
			if fmt.Sprint(problems) != fmt.Sprint(wantProblems) {
				t.Errorf("%s: got problems %v, want %v", name, problems, wantProblems)
			}
		}
	}
}

type seen struct {
	name   string
	number uint64
	time   int64
	length int
	sum    uint32
}

func walk(t *testing.T, paths []string, lanes bool) (out []seen, problems []Problem) {
	t.Helper()
	s, err := Open(paths, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	note := func(b *packet.Batch) {
		for i, r := range b.Records {
			var sum uint32
			for _, x := range r.Data {
				sum = sum*31 + uint32(x)
			}
			out = append(out, seen{b.Name, b.First + uint64(i), r.Time, len(r.Data), sum})
		}
	}
	if !lanes {
		var b packet.Batch
		for s.Next(&b) == nil {
			note(&b)
		}
		return out, s.Problems()
	}
	// Two workers: one block is always claimed and loaded ahead of the one that
	// is walked.
	blocks := []*packet.Block{{}, {}}
	shared, mapped := 0, 0
	s.Claim(blocks[0])
	s.Load(blocks[0])
	for i := 0; ; i++ {
		next, b := blocks[(i+1)%2], blocks[i%2]
		s.Claim(next)
		s.Load(next)
		err := s.Walk(b)
		if err == io.EOF {
			break
		}
		if b.Shared {
			shared++
		} else if b.Private.(*piece).mapped {
			mapped++
		}
		note(&b.Batch)
		s.Release(b)
	}
	if len(out) > 0 && shared == 0 {
		t.Error("no block was shared, but the beginning is always read in order")
	}
	if mapped == 0 && canMap(t) {
		t.Error("no block was mapped")
	}
	return out, s.Problems()
}

func damage(b []byte, record int) []byte {
	b = bytes.Clone(b)
	at := 24
	for range record {
		at += 16 + int(binary.LittleEndian.Uint32(b[at+8:]))
	}
	binary.LittleEndian.PutUint32(b[at+8:], 1<<31)
	return b
}

// toNG returns a pcap file as pcapng, with blocks of an unknown type between the
// packets.
func toNG(t testing.TB, b []byte) []byte {
	t.Helper()
	r, err := pcapgo.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := pcapgo.NewNgWriter(&out, r.LinkType())
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		data, ci, err := r.ReadPacketData()
		if err == nil {
			err = w.WritePacket(ci, data)
		}
		if err == nil || err == io.EOF {
			err = errors.Join(w.Flush(), err)
		}
		if errors.Is(err, io.EOF) {
			return out.Bytes()
		}
		if err != nil {
			t.Fatal(err)
		}
		if i%97 == 0 {
			n := 4 * (i % 3000) // some are longer than a block's head room
			size := binary.LittleEndian.AppendUint32(nil, uint32(n+12))
			out.Write(slices.Concat([]byte{0xad, 0x0b, 0, 0}, size, make([]byte, n), size))
		}
	}
}

func TestFolders(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"b.pcap": synthetic(t, 1, 3, 2000), "a.pcap": synthetic(t, 1, 4, 3000), "notes.txt": []byte("no capture"), "sub/c.pcap": synthetic(t, 1, 5, 1000)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		recursive bool
		names     string
	}{{false, "b.pcap a.pcap"}, {true, "c.pcap b.pcap a.pcap"}} {
		s, err := Open([]string{dir}, Options{Recursive: c.recursive})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		var b packet.Batch
		for s.Next(&b) == nil {
			names = append(names, filepath.Base(b.Name))
		}
		if got := strings.Join(names, " "); got != c.names || len(s.Problems()) > 0 {
			t.Errorf("recursive %v: got %s, problems %v; want %s", c.recursive, got, s.Problems(), c.names)
		}
	}
	if _, err := Open([]string{sub + "x"}, Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: got error %v", err)
	}
	if err := os.Remove(filepath.Join(sub, "c.pcap")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open([]string{sub}, Options{}); err == nil || !strings.Contains(err.Error(), "no capture in this folder") {
		t.Errorf("empty folder: got error %v", err)
	}
}

// FuzzReader reads arbitrary bytes as a capture.
func FuzzReader(f *testing.F) {
	for _, b := range forms(f) {
		f.Add(b)
	}
	bad, _ := filepath.Glob(captures + "bad/*")
	for _, p := range bad {
		if b, err := os.ReadFile(p); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, size, err := readAll(bytes.NewReader(b))
		if err == nil {
			t.Error("got no error, want at least io.EOF")
		}
		if len(b) > 4 && bytes.HasPrefix(b, []byte{0xd4, 0xc3, 0xb2, 0xa1}) && size > len(b) {
			t.Errorf("got %d bytes in %d records from a capture of %d bytes", size, n, len(b))
		}
	})
}

func BenchmarkWalk(b *testing.B) {
	for name, data := range map[string][]byte{"pcap": synthetic(b, 1, 20000, 1), "pcapng": toNG(b, synthetic(b, 1, 20000, 1))} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			recs := make([]packet.Record, batchSize)
			for range b.N {
				r, err := NewReader(bytes.NewReader(data))
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = r.NextBatch(recs)
				}
			}
		})
	}
}
