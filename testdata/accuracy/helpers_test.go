package main

import (
	"cmp"
	"math/rand/v2"
	"os"
	"slices"
)

func random() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }

func writeFile(path string, b []byte) error { return os.WriteFile(path, b, 0o600) }

type half struct {
	conv       int
	fromServer bool
}

// streamsOf returns the TCP streams of a scene, assembled by sequence number. The
// captures have no gaps, and the numbers do not wrap around.
func streamsOf(in []packet) map[half][]byte {
	segments := map[half][]packet{}
	for _, p := range in {
		if p.tcp() && len(p.data) > 0 {
			segments[half{p.conv, p.fromServer}] = append(segments[half{p.conv, p.fromServer}], p)
		}
	}
	out := map[half][]byte{}
	for key, list := range segments {
		slices.SortStableFunc(list, func(a, b packet) int { return cmp.Compare(int32(a.seq-list[0].seq), int32(b.seq-list[0].seq)) })
		next := list[0].seq
		for _, p := range list {
			if skip := int32(next - p.seq); skip >= 0 && int(skip) < len(p.data) {
				out[key] = append(out[key], p.data[skip:]...)
				next = p.end()
			}
		}
	}
	return out
}
