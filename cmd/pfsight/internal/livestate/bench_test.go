package livestate_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"pfsight/cmd/pfsight/internal/demo"
	"pfsight/cmd/pfsight/internal/livestate"
	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/secrecy"
)

const captures = "../../../../testdata/captures"

// discard is an http.ResponseWriter that discards.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// BenchmarkAdd measures what a handshake and its end cost the capture side,
// including the sums that it makes.
func BenchmarkAdd(b *testing.B) {
	rows := demo.Connections(b, demo.Captures(b, captures)...)
	st := livestate.New(livestate.Options{})
	b.ReportAllocs()
	id := uint64(0)
	for b.Loop() {
		id++
		c := rows[id%uint64(len(rows))]
		c.ID = id
		st.Add(c)
		st.End(c)
	}
}

// BenchmarkScrape measures a scrape, by the number of series.
func BenchmarkScrape(b *testing.B) {
	for _, series := range []int{0, 1000} {
		b.Run(fmt.Sprint(series), func(b *testing.B) {
			st, _ := demo.State(b, captures)
			for i := range series {
				c := demo.Row(uint64(i), secrecy.Verdict(i%4))
				c.HasGroup, c.Group = true, 1
				c.DHBits, c.Version = i, 0x300
				c.Group = iana.Groups()[i%len(iana.Groups())].ID
				st.Add(c)
			}
			h := st.Metrics().Handler()
			request := httptest.NewRequest("GET", "/metrics", nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(discard{}, request)
			}
		})
	}
}

// BenchmarkLook measures Look with tables full of servers and keys.
func BenchmarkLook(b *testing.B) {
	st := livestate.New(livestate.Options{})
	for i := range 1 << 17 {
		c := demo.Row(uint64(i), secrecy.Verdict(i%4))
		c.EphemeralKey = report.KeyID{byte(i), byte(i >> 8), byte(i >> 16), 1}
		c.ServerName = fmt.Sprint(i / 50000)
		st.Add(c)
	}
	b.ReportAllocs()
	for b.Loop() {
		st.Refresh()
		st.Look()
	}
}
