package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pfsight/capture/frametest"
	"pfsight/capture/packet"
	"pfsight/capture/pcapfile"
	"pfsight/report"
)

// ipPackets returns the IP packets of a capture on Ethernet or a loopback.
func ipPackets(t testing.TB, name string) (out []frametest.Packet) {
	t.Helper()
	f, err := os.Open(filepath.Join(captures, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapfile.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	recs := make([]packet.Record, 64)
	for {
		n, err := r.NextBatch(recs)
		for _, rec := range recs[:n] {
			h, _, state := rec.Link.Header(rec.Data)
			if state != packet.HeaderOK || h.Type != 0x0800 && h.Type != packet.AnyIP {
				t.Fatalf("%s: no IPv4: %d, %#x", name, state, h.Type)
			}
			p := rec.Data[h.Net:]
			if n := int(binary.BigEndian.Uint16(p[2:])); n < len(p) {
				p = p[:n]
			}
			out = append(out, frametest.Packet{Time: rec.Time, Data: bytes.Clone(p)})
		}
		if err != nil {
			return out
		}
	}
}

// framed puts packets into frames, and alternates between the forms of the link
// type.
func framed(t testing.TB, link packet.LinkType, packets []frametest.Packet) (out []frametest.Packet) {
	t.Helper()
	for i, p := range packets {
		forms := frametest.Frames(link, 0x0800, p.Data)
		if len(forms) == 0 {
			return nil
		}
		out = append(out, frametest.Packet{Time: p.Time, Data: forms[i%len(forms)]})
	}
	return out
}

// rows reads JSON Lines.
func savedRows(t testing.TB, out string) (list []record) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		r := record{}
		if line == "" {
			continue
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// TestEveryLink reads a handshake in every link type and every tunnel, with and
// without a filter. The record is that of the original packets, except for the
// encapsulation.
func TestEveryLink(t *testing.T) {
	packets := ipPackets(t, "rsa.pcap")
	name := filepath.Join(t.TempDir(), "it.pcap")
	read := func(what string, args ...string) record {
		t.Helper()
		code, out, stderr := pfsight(t, "", append([]string{"--format", "jsonl", name}, args...)...)
		list := savedRows(t, out)
		if code != 0 || stderr != "" || len(list) != 1 {
			t.Errorf("%s %v: exit %d, %d records, %s", what, args, code, len(list), stderr)
			return nil
		}
		return list[0]
	}
	frametest.WritePcap(t, name, packet.LinkRaw, packets)
	want := read("raw IP")
	for _, link := range frametest.Links {
		frames := framed(t, link, packets)
		if link == packet.LinkIPv6 {
			continue
		}
		frametest.WritePcap(t, name, link, frames)
		for _, args := range [][]string{nil, {"-f", "tcp port 4433 or tcp"}, {"-f", "host 127.0.0.1"}} {
			got := read(link.Numbered(), args...)
			delete(got, "encapsulation")
			if got != nil && !reflect.DeepEqual(got, want) {
				t.Errorf("%s %v:\n%v, want\n%v", link.Numbered(), args, got, want)
			}
		}
		code, out, stderr := pfsight(t, "", "--format", "jsonl", "-f", "udp", name)
		if code != 0 || out != "" || stderr != "" {
			t.Errorf("%s: -f udp: exit %d, %s%s", link.Numbered(), code, out, stderr)
		}
	}
	for _, x := range frametest.Tunnels() {
		var in []frametest.Packet
		for _, p := range packets {
			in = append(in, frametest.Packet{Time: p.Time, Data: x.Wrap(p.Data)})
		}
		frametest.WritePcap(t, name, packet.LinkEthernet, framed(t, packet.LinkEthernet, in))
		got := read(x.Name)
		var layers []string
		for _, l := range got["encapsulation"].([]any) {
			layers = append(layers, l.(string))
		}
		delete(got, "encapsulation")
		if strings.Join(layers, ",") != x.Layers || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: in %v:\n%v, want\n%v", x.Name, layers, got, want)
		}
	}
}

// TestMirrorCut truncates the packets inside a tunnel, as mirrors do. The record,
// the counters and the exit code report cut packets, and no lost ones.
func TestMirrorCut(t *testing.T) {
	packets := ipPackets(t, "rsa.pcap")
	name := filepath.Join(t.TempDir(), "it.pcap")
	for _, x := range frametest.Tunnels() {
		for _, keep := range []int{100, 200, 500} {
			var in []frametest.Packet
			for _, p := range packets {
				in = append(in, frametest.Packet{Time: p.Time, Data: x.Wrap(p.Data[:min(len(p.Data), keep)])})
			}
			frametest.WritePcap(t, name, packet.LinkEthernet, framed(t, packet.LinkEthernet, in))
			code, out, stderr := pfsight(t, "", "--format", "jsonl", name)
			list := savedRows(t, out)
			if code != exitIncomplete || len(list) != 1 || !strings.Contains(stderr, "cut by the capture's snaplen or a mirror") || strings.Contains(stderr, "bytes missing") {
				t.Errorf("%s, %d bytes: exit %d, %d records, %s", x.Name, keep, code, len(list), stderr)
				continue
			}
			if r := list[0]; r["gap"] == true || !strings.Contains(fmt.Sprint(r["problems"]), "cut by") || r["forward_secrecy"] == "yes" {
				t.Errorf("%s, %d bytes: %v", x.Name, keep, r)
			}
		}
	}
}

// summaries are the formats that include losses. With the others, losses are on
// standard error only.
var summaries = map[string]bool{"table": true, "markdown": true, "html": true}

// TestUnread checks that every format names a link type that is not read, with its
// number and its packets.
func TestUnread(t *testing.T) {
	packets := ipPackets(t, "rsa.pcap")
	dir := t.TempDir()
	unread := filepath.Join(dir, "unread.pcap")
	frametest.WritePcap(t, unread, 195, packets)
	good := filepath.Join(dir, "good.pcap")
	frametest.WritePcap(t, good, packet.LinkRaw, packets)
	for _, files := range [][]string{{unread}, {unread, good}} {
		for _, format := range formats {
			result := filepath.Join(dir, "result")
			code, _, stderr := pfsight(t, "", append([]string{"--format", format, "-o", result}, files...)...)
			says := []string{"IEEE802_15_4_WITHFCS (link type 195)", fmt.Sprint(len(packets))}
			if len(files) > 1 {
				says = append(says, "unread.pcap")
			}
			b, err := os.ReadFile(result)
			if err != nil {
				t.Fatal(err)
			}
			in := map[string]string{"standard error": stderr}
			if summaries[format] {
				in["the result"] = strings.ReplaceAll(string(b), `\_`, "_")
			}
			for where, text := range in {
				for _, s := range says {
					if !strings.Contains(strings.Join(strings.Fields(text), " "), s) {
						t.Errorf("%s of %d files: %s lacks %q:\n%s", format, len(files), where, s, text)
					}
				}
			}
			if code != exitIncomplete {
				t.Errorf("%s of %d files: exit %d", format, len(files), code)
			}
		}
		for _, args := range [][]string{{"impact", "--policy", "aws-elb-2016-08"}, {"diff"}} {
			list := append(args, "--format", "json")
			if list = append(list, files...); args[0] == "diff" {
				list = append(list, good)[:5]
			}
			_, out, _ := pfsight(t, "", list...)
			if !strings.Contains(out, "(link type 195)") {
				t.Errorf("%v: %.300s", list, out)
			}
		}
	}
	// A number outside the registry.
	frametest.WritePcap(t, unread, 4711, packets)
	if code, _, stderr := pfsight(t, "", "--format", "csv", unread); code != exitIncomplete || !strings.Contains(stderr, "link type 4711") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

// TestFilterOneFile reads a folder with one file whose link type the filter does
// not support. That file is named and the others are read; alone, it is an error.
// The number of workers makes no difference.
func TestFilterOneFile(t *testing.T) {
	packets := ipPackets(t, "rsa.pcap")
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw.pcap")
	var many []frametest.Packet
	for range 40 {
		many = append(many, packets...)
	}
	frametest.WritePcap(t, raw, packet.LinkRaw, many)
	const expr = "tcp or vlan" // raw IP has no vlan
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	for range rounds {
		code, out, stderr := pfsight(t, "", "--format", "jsonl", "-j", "4", "-f", expr, raw)
		if code != exitFailed || out != "" || !strings.Contains(stderr, `"vlan" is not available for raw IP (link type 101)`) {
			t.Fatalf("exit %d, %s%s", code, out, stderr)
		}
	}
	frametest.WritePcap(t, filepath.Join(dir, "ethernet.pcap"), packet.LinkEthernet, framed(t, packet.LinkEthernet, packets))
	for _, jobs := range []string{"1", "4"} {
		code, out, stderr := pfsight(t, "", "--format", "jsonl", "-j", jobs, "-f", expr, dir)
		if code != exitIncomplete || strings.Count(out, "\n") != 1 || !strings.Contains(stderr, "raw.pcap ("+fmt.Sprint(len(many))+")") {
			t.Errorf("exit %d, %s%s", code, out, stderr)
		}
	}
}

// TestLossesByFile has losses of several kinds in many files. The summary names the
// files with the most, and the output does not depend on the workers.
func TestLossesByFile(t *testing.T) {
	packets := ipPackets(t, "rsa.pcap")
	dir := t.TempDir()
	for i := range 12 {
		var list []frametest.Packet
		for j, p := range packets {
			p.Time += int64(i) * 3600e9
			p.Wire = len(p.Data)
			if len(p.Data) > 60 && j <= i+3 {
				p.Data = p.Data[:58]
			}
			list = append(list, p)
		}
		frametest.WritePcap(t, filepath.Join(dir, fmt.Sprintf("cut-%02d.pcap", i)), packet.LinkRaw, list)
	}
	hello := slices.IndexFunc(packets, func(p frametest.Packet) bool { return len(p.Data) > 600 })
	lost := slices.Delete(slices.Clone(packets), hello, hello+1)
	for i := range lost {
		lost[i].Time += 20 * 3600e9
	}
	frametest.WritePcap(t, filepath.Join(dir, "gap.pcap"), packet.LinkRaw, lost)
	var before string
	for _, jobs := range []string{"1", "4"} {
		code, out, stderr := pfsight(t, "", "-j", jobs, "--width", "200", dir)
		if code != exitIncomplete {
			t.Errorf("exit %d", code)
		}
		for _, text := range []string{out, strings.ReplaceAll(stderr, "\n", ";\n")} {
			text = strings.Join(strings.Fields(text), " ")
			for _, s := range []string{" more;", "cut-11.pcap (", "1 connection with bytes missing inside the handshake, in " + filepath.Join(dir, "gap.pcap") + " (1)"} {
				if !strings.Contains(text, s) {
					t.Errorf("%q lacks %q", text, s)
				}
			}
			if n := strings.Count(text, "cut-"); n < report.MaxLossFiles || n > report.MaxLossFiles+1 {
				t.Errorf("%d files are named: %q", n, text)
			}
		}
		if before != "" && before != out {
			t.Errorf("-j %s differs:\n%s\n%s", jobs, out, before)
		}
		before = out
	}
}

// TestSimpleBlocks has packets without a time before and between those of a
// connection. It stays one connection, with the times of the others. If no packet
// has a time, no format shows one.
func TestSimpleBlocks(t *testing.T) {
	packets := ipPackets(t, "rsa.pcap")
	name := filepath.Join(t.TempDir(), "it.pcapng")
	le := binary.LittleEndian
	write := func(timed func(i int) bool) {
		var b []byte
		block := func(kind uint32, body []byte) {
			body = append(body, make([]byte, -len(body)&3)...)
			b = le.AppendUint32(le.AppendUint32(b, kind), uint32(len(body)+12))
			b = le.AppendUint32(append(b, body...), uint32(len(body)+12))
		}
		block(0x0a0d0d0a, le.AppendUint64(append(le.AppendUint32(nil, 0x1a2b3c4d), 1, 0, 0, 0), ^uint64(0)))
		block(1, []byte{101, 0, 0, 0, 0, 0, 0, 0})
		for i, p := range packets {
			n := uint32(len(p.Data))
			if !timed(i) {
				block(3, append(le.AppendUint32(nil, n), p.Data...))
				continue
			}
			us := uint64(p.Time / 1000)
			body := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 0), uint32(us>>32)), uint32(us))
			block(6, append(le.AppendUint32(le.AppendUint32(body, n), n), p.Data...))
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	day := "20" // of any year since 2000
	for what, timed := range map[string]func(i int) bool{
		"every second": func(i int) bool { return i%2 == 0 }, "the others": func(i int) bool { return i%2 == 1 },
		"the last": func(i int) bool { return i == len(packets)-1 }, "the first": func(i int) bool { return i == 0 },
	} {
		write(timed)
		_, out, _ := pfsight(t, "", "--format", "jsonl", name)
		list := savedRows(t, out)
		if len(list) != 1 || !strings.HasPrefix(list[0]["time"].(string), day) || list[0]["forward_secrecy"] != "no" {
			t.Errorf("%s: %s", what, out)
		}
		if _, out, _ := pfsight(t, "", name); strings.Contains(out, "1970") || strings.Contains(out, "days") {
			t.Errorf("%s: %s", what, out)
		}
	}
	write(func(int) bool { return false })
	for _, args := range [][]string{{}, {"--connections"}, {"--format", "markdown"}, {"--format", "markdown", "--connections"}, {"--format", "html"}, {"--format", "json"}, {"--format", "jsonl"}, {"--format", "csv"}} {
		code, out, stderr := pfsight(t, "", append(args, name)...)
		if code != 0 || stderr != "" || strings.Contains(out, "1970") || strings.Contains(out, "00:00:00") {
			t.Errorf("%v: exit %d, %s%s", args, code, stderr, out)
		}
	}
	_, out, _ := pfsight(t, "", "--format", "jsonl", name)
	list := savedRows(t, out)
	if len(list) != 1 || list[0]["time"] != nil || list[0]["forward_secrecy"] != "no" {
		t.Errorf("%s", out)
	}
	// Records saved without a time are read without one.
	saved := filepath.Join(t.TempDir(), "saved.jsonl")
	if err := os.WriteFile(saved, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, again, stderr := pfsight(t, "", "--format", "jsonl", saved); code != 0 || again != out {
		t.Errorf("exit %d, %s\n%s, want\n%s", code, stderr, again, out)
	}
	parquet := filepath.Join(t.TempDir(), "saved.parquet")
	if code, _, stderr := pfsight(t, "", "--format", "parquet", "-o", parquet, name); code != 0 {
		t.Errorf("exit %d, %s", code, stderr)
	}
	if code, again, stderr := pfsight(t, "", "--format", "jsonl", parquet); code != 0 || again != out {
		t.Errorf("exit %d, %s\n%s, want\n%s", code, stderr, again, out)
	}
}

// TestSnaplen cuts captures at every snaplen. If a record differs from that of the
// whole capture, the exit code and standard error report it, in every format.
func TestSnaplen(t *testing.T) {
	dir := t.TempDir()
	files, _ := filepath.Glob(filepath.Join(captures, "*.pcap"))
	cut := 0
	for i, file := range files {
		if i%8 != 0 && filepath.Base(file) != "rsa.pcap" {
			continue
		}
		link, packets := allPackets(t, file)
		_, whole, _ := pfsight(t, "", "--format", "jsonl", file)
		name := filepath.Join(dir, filepath.Base(file))
		for snaplen := 60; snaplen < 1600; snaplen += 90 {
			var list []frametest.Packet
			for _, p := range packets {
				list = append(list, frametest.Packet{Time: p.Time, Data: p.Data[:min(len(p.Data), snaplen)], Wire: p.Wire})
			}
			frametest.WritePcap(t, name, link, list)
			code, out, stderr := pfsight(t, "", "--format", "jsonl", name)
			out = strings.ReplaceAll(out, name, file)
			switch {
			case code == exitIncomplete && strings.Contains(stderr, "missing: "):
				cut++
			case code != 0 || stderr != "":
				t.Errorf("%s, snaplen %d: exit %d, %s", file, snaplen, code, stderr)
			case out != whole:
				t.Errorf("%s, snaplen %d: exit 0, and\n%s\nis not\n%s", file, snaplen, out, whole)
			}
			if snaplen != 150 || filepath.Base(file) != "rsa.pcap" {
				continue
			}
			for _, format := range formats {
				result := filepath.Join(dir, "result")
				code, _, stderr := pfsight(t, "", "--format", format, "-o", result, name)
				b, err := os.ReadFile(result)
				if err != nil {
					t.Fatal(err)
				}
				const why = "cut by the capture's snaplen or a mirror"
				text := strings.ReplaceAll(strings.Join(strings.Fields(string(b)), " "), "&#39;", "'")
				if code != exitIncomplete || !strings.Contains(stderr, why) || summaries[format] && !strings.Contains(text, why) {
					t.Errorf("%s: exit %d, %s%s", format, code, stderr, text)
				}
			}
		}
	}
	if cut < 20 {
		t.Errorf("only %d cut captures", cut)
	}
}

// allPackets returns the packets of a capture and its link type.
func allPackets(t testing.TB, name string) (link packet.LinkType, out []frametest.Packet) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapfile.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	recs := make([]packet.Record, 64)
	for {
		n, err := r.NextBatch(recs)
		for _, rec := range recs[:n] {
			link = rec.Link
			out = append(out, frametest.Packet{Time: rec.Time, Data: bytes.Clone(rec.Data), Wire: rec.WireLen})
		}
		if err != nil {
			return link, out
		}
	}
}
