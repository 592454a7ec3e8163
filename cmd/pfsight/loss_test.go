package main

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// TestLoss removes random packets from the captures. Fields may become absent, but
// never different.
func TestLoss(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	checked := 0
	for _, name := range slices.Sorted(maps.Keys(verdicts)) {
		whole, err := os.ReadFile(filepath.Join(captures, name+".pcap"))
		if err != nil {
			t.Fatal(err)
		}
		want := map[[4]any]record{}
		twice := map[[4]any]bool{} // several connections between the same endpoints
		for _, r := range records(t, filepath.Join(captures, name+".pcap")) {
			k := endpoints(r)
			twice[k] = want[k] != nil
			want[k] = r
		}
		for range 3 {
			path := filepath.Join(dir, name+".pcap")
			if err := os.WriteFile(path, lose(t, whole, rng), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, got := range records(t, path) {
				w := want[endpoints(got)]
				if w == nil || twice[endpoints(got)] {
					continue
				}
				checked++
				for _, field := range []string{"version", "cipher_suite", "group", "server_name", "resumed", "forward_secrecy", "psk_mode", "extended_master_secret", "ech"} {
					if g := got[field]; g != nil && g != "unknown" && !reflect.DeepEqual(g, w[field]) {
						t.Errorf("%s: with packets missing %s is %v, was %v: %v", name, field, g, w[field], got["problems"])
					}
				}
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d connections were held against the whole ones", checked)
	}
}

func endpoints(r record) [4]any {
	return [4]any{r["client_ip"], r["client_port"], r["server_ip"], r["server_port"]}
}

// lose returns a little-endian pcap file without a tenth of its packets.
func lose(t *testing.T, b []byte, rng *rand.Rand) []byte {
	t.Helper()
	out := append([]byte(nil), b[:24]...)
	for b = b[24:]; len(b) > 0; {
		n := 16 + int(binary.LittleEndian.Uint32(b[8:]))
		if rng.IntN(10) > 0 {
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return out
}
