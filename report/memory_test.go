package report

import (
	"fmt"
	"runtime"
	"testing"

	"pfsight/parse"
	"pfsight/parse/iana"
)

// grown returns the heap growth of f in bytes, and the result of f.
func grown(f func() any) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := f()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// TestWithin fills all tables with unique values, and checks their size.
func TestWithin(t *testing.T) {
	const n = 60000
	for _, memory := range []int64{2 << 20, 16 << 20} {
		for name, f := range map[string]func() any{
			"a Report": func() any {
				r := NewReport()
				r.Within(memory)
				for i := range n * int(1+memory>>23) {
					r.Add(stranger(i))
				}
				return r
			},
			"a History": func() any {
				h := NewHistory()
				h.Within(memory)
				for i := range n {
					h.Join(stranger(i))
				}
				return h
			},
			"a Builder": func() any {
				b := NewBuilder()
				b.Within(memory)
				for i := range n {
					b.name(fmt.Appendf(nil, "%d.a-name-of-common-length.example", i))
					suites := make([]iana.CipherSuite, 20)
					suites[i%20] = iana.CipherSuite(i)
					b.offer(&parse.ClientHello{CipherSuites: suites}, nil, false)
					b.certificate(fmt.Appendf(nil, "%d", i))
				}
				return b
			},
		} {
			got := grown(f)
			t.Logf("%s within %d: %d bytes", name, memory, got)
			if got > memory*5/4 || got < memory/8 && name != "a History" {
				t.Errorf("%s takes %d bytes, of %d", name, got, memory)
			}
		}
	}
	if r, h, b := ReportShare(100<<20, 2); r+h+2*b > 100<<20 || min(r, h, b) < 1<<20 {
		t.Errorf("100 MB are divided into %d, %d and twice %d", r, h, b)
	}
}
