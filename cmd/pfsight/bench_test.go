package main

import (
	"io"
	"os"
	"testing"
)

// BenchmarkRead runs the whole program on the capture in PFSIGHT_BENCH_CAPTURE;
// the default is a small one.
func BenchmarkRead(b *testing.B) {
	path := os.Getenv("PFSIGHT_BENCH_CAPTURE")
	if path == "" {
		path = captures + "/go-tls13-mlkem.pcap"
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	for _, args := range [][]string{{"-j", "1"}, {"-j", "2"}, {"-j", "1", "--format", "jsonl"}} {
		name := args[1]
		if len(args) > 2 {
			name += " jsonl"
		}
		b.Run("j"+name, func(b *testing.B) {
			b.SetBytes(info.Size())
			b.ReportAllocs()
			for range b.N {
				if code := run(append(args, "-q", path), nil, io.Discard, io.Discard); code != 0 && code != 3 {
					b.Fatal(code)
				}
			}
		})
	}
}
