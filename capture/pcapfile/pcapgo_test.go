package pcapfile

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"pfsight/capture/packet"
)

// pcapgoFaults are the kinds of captures that pcapgo of gopacket v1.1.19 reads
// differently, with the reason. A difference of another kind fails TestPcapgo,
// and so does a kind that no longer occurs.
var pcapgoFaults = map[string]string{
	"compression":   "it unpacks gzip only",
	"modified pcap": "it does not read the record headers of 24 bytes of Alexey Kuznetzov's libpcap",
	"snaplen 0":     "it does not take it for unlimited, as libpcap does; TestPcapgo sets another snaplen and goes on",
	"binary time":   "it multiplies binary fractions of a second with a factor that it rounded",
}

// A frame is what TestPcapgo compares of a record.
type frame struct {
	time int64
	wire int
	link packet.LinkType
	data string
}

func (f frame) String() string {
	return fmt.Sprintf("time %d, %d bytes of %d, %v", f.time, len(f.data), f.wire, f.link)
}

// ours returns the frames that a Reader finds, and the error that ends them.
func ours(b []byte) (out []frame, err error) {
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	recs := make([]packet.Record, 7)
	for {
		n, err := r.NextBatch(recs)
		for _, rec := range recs[:n] {
			out = append(out, frame{rec.Time, rec.WireLen, rec.Link, string(rec.Data)})
		}
		if err != nil {
			return out, err
		}
	}
}

// theirs returns the frames that pcapgo finds, and the snaplen of a pcap file.
// Where it panics, the error says so.
func theirs(b []byte) (out []frame, snaplen uint32, err error) {
	defer func() {
		if e := recover(); e != nil {
			err = fmt.Errorf("panic: %v", e)
		}
	}()
	var next func() ([]byte, gopacket.CaptureInfo, error)
	var link func(gopacket.CaptureInfo) layers.LinkType
	if bytes.HasPrefix(b, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		r, err := pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			return nil, 0, err
		}
		next, link = r.ReadPacketData, func(ci gopacket.CaptureInfo) layers.LinkType { return ci.AncillaryData[0].(layers.LinkType) }
	} else {
		r, err := pcapgo.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, 0, err
		}
		if snaplen = r.Snaplen(); snaplen == 0 {
			r.SetSnaplen(1 << 20)
		}
		next, link = r.ReadPacketData, func(gopacket.CaptureInfo) layers.LinkType { return r.LinkType() }
	}
	for {
		data, ci, err := next()
		if err == io.EOF {
			return out, snaplen, nil
		}
		if err != nil {
			return out, snaplen, err
		}
		out = append(out, frame{ci.Timestamp.UnixNano(), ci.Length, packet.LinkType(link(ci)), string(data)})
	}
}

// linkTypeBits is how many bits layers.LinkType has.
const linkTypeBits = 8

// sameFrames compares what a Reader found with what is expected. The link type
// is compared as far as pcapgo can hold it.
func sameFrames(t *testing.T, got, want []frame) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		g := got[i]
		g.link &= 1<<linkTypeBits - 1
		if g != want[i] {
			t.Fatalf("packet %d: %v, want %v", i+1, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d packets, want %d", len(got), len(want))
	}
}

// TestPcapgo compares the Reader with that of pcapgo on all captures, whole and
// cut.
func TestPcapgo(t *testing.T) {
	files, err := filepath.Glob(captures + "*.pcap*")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d captures, %v", len(files), err)
	}
	seen := map[string]bool{}
	total, r := 0, rand.New(rand.NewPCG(1, 2))
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ours(b)
			if err != io.EOF || len(got) == 0 {
				t.Fatalf("%d packets, %v", len(got), err)
			}
			want, snaplen, err := theirs(b)
			kind := ""
			switch magic := b[:4]; {
			case bytes.Equal(magic, []byte{0xfd, '7', 'z', 'X'}), bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}), bytes.Equal(magic, []byte{0x04, 0x22, 0x4d, 0x18}):
				kind = "compression"
			case bytes.Equal(magic, []byte{0x34, 0xcd, 0xb2, 0xa1}):
				kind = "modified pcap"
			case snaplen == 0 && magic[0] != 0x0a:
				seen["snaplen 0"] = true
			case filepath.Base(name) == "form-pcapng-binary-time.pcap":
				for i := range min(len(got), len(want)) {
					if got[i].time != want[i].time {
						seen["binary time"] = true
						want[i].time = got[i].time
					}
				}
			}
			if kind != "" {
				if err == nil {
					t.Fatalf("%s: read by pcapgo", kind)
				}
				seen[kind] = true
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			sameFrames(t, got, want)
			total += len(got)
			if bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
				return
			}
			for range 20 {
				n := r.IntN(len(b))
				got, _ := ours(b[:n])
				if want, _, _ := theirs(b[:n]); len(got) != len(want) {
					t.Errorf("cut at %d: %d packets, want %d", n, len(got), len(want))
				}
			}
		})
	}
	if total < 10000 {
		t.Errorf("compared %d packets, want 10000 at least", total)
	}
	for kind, reason := range pcapgoFaults {
		if !seen[kind] {
			t.Errorf("%s: no longer a difference (%s)", kind, reason)
		}
	}
}

// TestWrittenByPcapgo reads random captures that pcapgo wrote: pcap of both
// resolutions, and pcapng with several interfaces and their statistics.
func TestWrittenByPcapgo(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	random := func() (frame, gopacket.CaptureInfo) {
		data := make([]byte, r.IntN(2000))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		f := frame{time: 1 + r.Int64N(1<<32*1e9-1), wire: len(data) + r.IntN(2)*r.IntN(1000), data: string(data)}
		return f, gopacket.CaptureInfo{Timestamp: time.Unix(0, f.time), CaptureLength: len(data), Length: f.wire}
	}
	for round := range 100 {
		var out bytes.Buffer
		var want []frame
		check := func(name string, err error) {
			if err != nil {
				t.Fatalf("%s, round %d: %v", name, round, err)
			}
		}
		for _, x := range []struct {
			name   string
			unit   int64
			writer *pcapgo.Writer
		}{{"microseconds", 1000, pcapgo.NewWriter(&out)}, {"nanoseconds", 1, pcapgo.NewWriterNanos(&out)}} {
			out.Reset()
			want = nil
			link := layers.LinkType(r.IntN(1 << linkTypeBits))
			check(x.name, x.writer.WriteFileHeader(1<<16, link))
			for range r.IntN(20) {
				f, ci := random()
				f.time, f.link = f.time/x.unit*x.unit, packet.LinkType(link)
				check(x.name, x.writer.WritePacket(ci, []byte(f.data)))
				want = append(want, f)
			}
			got, err := ours(out.Bytes())
			if err != io.EOF {
				t.Fatalf("%s: %v", x.name, err)
			}
			sameFrames(t, got, want)
		}
		out.Reset()
		want = nil
		first := layers.LinkType(r.IntN(1 << linkTypeBits))
		w, err := pcapgo.NewNgWriter(&out, first)
		check("pcapng", err)
		links, drops := []layers.LinkType{first}, []uint64{0}
		for range r.IntN(30) {
			switch i := r.IntN(len(links)); r.IntN(5) {
			case 0:
				link := layers.LinkType(r.IntN(1 << linkTypeBits))
				_, err := w.AddInterface(pcapgo.NgInterface{Name: fmt.Sprint("eth", len(links)), LinkType: link, SnapLength: r.Uint32N(1 << 16)})
				check("pcapng", err)
				links, drops = append(links, link), append(drops, 0)
			case 1:
				drops[i] += r.Uint64N(100)
				check("pcapng", w.WriteInterfaceStats(i, pcapgo.NgInterfaceStatistics{LastUpdate: time.Unix(1, 0), PacketsReceived: 1000, PacketsDropped: drops[i]}))
			default:
				f, ci := random()
				f.link, ci.InterfaceIndex = packet.LinkType(links[i]), i
				check("pcapng", w.WritePacket(ci, []byte(f.data)))
				want = append(want, f)
			}
		}
		check("pcapng", w.Flush())
		got, err := ours(out.Bytes())
		if err != io.EOF {
			t.Fatalf("pcapng: %v", err)
		}
		sameFrames(t, got, want)
		rd, err := NewReader(&out)
		check("pcapng", err)
		for recs := make([]packet.Record, 64); err == nil; {
			_, err = rd.NextBatch(recs)
		}
		sum := uint64(0)
		for _, n := range drops {
			sum += n
		}
		if rd.Drops() != sum {
			t.Fatalf("pcapng: %d drops, want %d", rd.Drops(), sum)
		}
	}
}
