package main

import (
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// snap returns frames cut at a snaplen.
func snap(list []frame, n int) []frame {
	out := slices.Clone(list)
	for i := range out {
		f := &out[i]
		if n < len(f.data) {
			f.data = f.data[:n]
			binary.LittleEndian.PutUint32(f.header[8:], uint32(n))
		}
	}
	return out
}

// TestCut checks that a snaplen makes fields absent, never different.
func TestCut(t *testing.T) {
	dir := t.TempDir()
	for i, name := range slices.Sorted(maps.Keys(verdicts)) {
		whole, err := os.ReadFile(filepath.Join(captures, name+".pcap"))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			head, list := frames(t, whole)
			want := map[[4]any][]record{}
			for _, r := range records(t, filepath.Join(captures, name+".pcap")) {
				want[endpoints(r)] = append(want[endpoints(r)], r)
			}
			for n := 60 + i%127; n < 1600; n += 127 {
				path := filepath.Join(dir, name+".pcap")
				writeFrames(t, path, head, snap(list, n))
				for _, got := range records(t, path) {
					w := want[endpoints(got)]
					if len(w) != 1 {
						continue
					}
					if d := lessThan(got, w[0]); d != "" {
						t.Errorf("snaplen %d: %s %v", n, d, got["problems"])
					}
				}
			}
		})
	}
}

// lessThan compares the record of an incomplete capture with that of the whole
// one. It returns the differences other than absent fields, or "".
func lessThan(got, want record) string {
	for k, v := range got {
		w := want[k]
		if reflect.DeepEqual(v, w) {
			continue
		}
		switch k {
		case "source", "problems", "gap", "reasons", "last_time", "session_packet", "session_time":
			continue
		case "time", "packets", "bytes_to_server", "bytes_to_client":
			continue // the conversation may be recognised later, or its parts not be joined
		case "forward_secrecy", "post_quantum":
			if v == "unknown" {
				continue
			}
		case "outcome":
			if v == "incomplete" {
				continue
			}
		case "offered":
			if w != nil {
				if d := lessThanOffered(v.(map[string]any), w.(map[string]any)); d != "" {
					return d
				}
				continue
			}
		case "key_exchange":
			if v == "TLS 1.3" {
				continue
			}
		case "client_hello_packet", "client_hello_split":
			if source := want["source"].(string); strings.Contains(source, "retry") || strings.Contains(source, "rebind") {
				continue // two Initials hold one ClientHello; which one is readable and complete may change
			}
		}
		return k + " is " + str(v) + ", was " + str(w)
	}
	return ""
}

func lessThanOffered(got, want map[string]any) string {
	for k, v := range got {
		if k != "incomplete" && !reflect.DeepEqual(v, want[k]) {
			return "offered." + k + " is " + str(v) + ", was " + str(want[k])
		}
	}
	return ""
}

// TestLateStart leaves out the first n packets of each capture, for each n. Fields
// may become absent, but never different. If only the SYNs are missing, STARTTLS
// is still found.
func TestLateStart(t *testing.T) {
	dir := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(verdicts)) {
		whole, err := os.ReadFile(filepath.Join(captures, name+".pcap"))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			head, list := frames(t, whole)
			want := map[[4]any][]record{}
			all := records(t, filepath.Join(captures, name+".pcap"))
			for _, r := range all {
				want[endpoints(r)] = append(want[endpoints(r)], r)
			}
			for n := 1; n < len(list) && n < 16; n++ {
				path := filepath.Join(dir, name+".pcap")
				writeFrames(t, path, head, list[n:])
				got := records(t, path)
				for _, r := range got {
					w := want[endpoints(r)]
					if len(w) != 1 {
						continue
					}
					delete(r, "client_hello_packet") // packet numbers start later
					delete(r, "server_hello_packet")
					delete(r, "one_direction") // EAP: one direction may be all that is left
					if d := lessThan(r, w[0]); d != "" {
						t.Errorf("from packet %d: %s %v", n+1, d, r["problems"])
					}
				}
				if n == 3 && len(all) == 1 && all[0]["transport"] == "tcp" && len(got) != 1 {
					t.Errorf("without the SYNs: %d records", len(got))
				}
			}
		})
	}
}
