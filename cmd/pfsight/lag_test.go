package main

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// A frame is a record of a pcap file.
type frame struct {
	header [16]byte
	data   []byte
	upward bool // from the endpoint with the higher address and port
}

// frames reads a little-endian pcap file.
func frames(t *testing.T, b []byte) (head []byte, list []frame) {
	t.Helper()
	link := layers.LinkType(binary.LittleEndian.Uint32(b[20:]))
	head, b = b[:24], b[24:]
	for len(b) > 0 {
		n := int(binary.LittleEndian.Uint32(b[8:]))
		f := frame{header: [16]byte(b), data: b[16 : 16+n]}
		p := gopacket.NewPacket(f.data, link, gopacket.Default)
		if net, tr := p.NetworkLayer(), p.TransportLayer(); net != nil && tr != nil {
			src, dst := net.NetworkFlow().Endpoints()
			from, to := tr.TransportFlow().Endpoints()
			f.upward = strings.Compare(src.String()+string(from.Raw()), dst.String()+string(to.Raw())) > 0
			if binary.BigEndian.Uint16(from.Raw()) != binary.BigEndian.Uint16(to.Raw()) {
				f.upward = binary.BigEndian.Uint16(from.Raw()) > binary.BigEndian.Uint16(to.Raw())
			}
		}
		list = append(list, f)
		b = b[16+n:]
	}
	return head, list
}

// late returns the frames with those of one direction delayed by at most n others.
// Each direction stays in order, and the times keep their order.
func late(list []frame, upward bool, by int) []frame {
	out := make([]frame, 0, len(list))
	var held []frame
	var due []int
	for i, x := range list {
		for len(held) > 0 && due[0] <= i {
			out, held, due = append(out, held[0]), held[1:], due[1:]
		}
		if x.upward == upward {
			held, due = append(held, x), append(due, i+by)
		} else {
			out = append(out, x)
		}
	}
	out = append(out, held...)
	for i := range out {
		copy(out[i].header[:8], list[i].header[:8])
	}
	return out
}

func writeFrames(t *testing.T, path string, head []byte, list []frame) {
	t.Helper()
	b := slices.Clone(head)
	for _, f := range list {
		b = append(append(b, f.header[:]...), f.data...)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// placed lists the fields for times and packet numbers.
var placed = []string{"time", "last_time", "client_hello_packet", "server_hello_packet", "session_packet", "session_time", "source"}

// said returns the records by endpoints, without fields that a lag may change.
func said(list []record) map[string][]string {
	out := map[string][]string{}
	for _, r := range list {
		for _, f := range placed {
			delete(r, f)
		}
		if r["transport"] != "tcp" {
			// Datagrams before the one that identifies a connection, and after
			// its session ended, are not counted.
			delete(r, "packets")
			delete(r, "bytes_to_client")
			delete(r, "bytes_to_server")
		}
		var fields []string
		for _, k := range slices.Sorted(maps.Keys(r)) {
			fields = append(fields, fmt.Sprintf("%s=%v", k, r[k]))
		}
		k := fmt.Sprint(endpoints(r))
		out[k] = append(out[k], strings.Join(fields, "\n"))
	}
	for _, l := range out {
		slices.Sort(l)
	}
	return out
}

// TestLag checks that the record of a connection is the same if one direction
// arrives late, by any number of packets.
func TestLag(t *testing.T) {
	dir := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(verdicts)) {
		switch {
		case strings.HasPrefix(name, "quic-rebind"), strings.HasPrefix(name, "openvpn-udp"):
			continue // the address or the key changes, and late datagrams cannot be assigned
		case name == "dtls12-pion-turn":
			continue // the client binds the channel, and its datagrams are late
		}
		whole, err := os.ReadFile(filepath.Join(captures, name+".pcap"))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			head, list := frames(t, whole)
			want := said(records(t, filepath.Join(captures, name+".pcap")))
			for _, upward := range []bool{false, true} {
				for _, by := range []int{1, 2, 5, 13, len(list)} {
					path := filepath.Join(dir, name+".pcap")
					writeFrames(t, path, head, late(list, upward, by))
					got := said(records(t, path))
					if !reflect.DeepEqual(got, want) {
						t.Errorf("upward %v late by %d: %s", upward, by, difference(got, want))
					}
				}
			}
		})
	}
}

func difference(got, want map[string][]string) string {
	for k := range want {
		g, w := got[k], want[k]
		if len(g) != len(w) {
			return fmt.Sprintf("%s: %d records, want %d", k, len(g), len(w))
		}
		for i := range w {
			if g[i] != w[i] {
				var d []string
				a, b := strings.Split(g[i], "\n"), strings.Split(w[i], "\n")
				for _, x := range a {
					if !slices.Contains(b, x) {
						d = append(d, "+"+x)
					}
				}
				for _, x := range b {
					if !slices.Contains(a, x) {
						d = append(d, "-"+x)
					}
				}
				return k + ": " + strings.Join(d, " ")
			}
		}
	}
	return "more records"
}

func str(v any) string { return fmt.Sprint(v) }
