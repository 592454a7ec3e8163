package main

import (
	"slices"
	"testing"
)

// TestPairs has two connections between the same endpoints, in both orders. A
// poor record that fits both is assigned to the one that the better record
// does not need.
func TestPairs(t *testing.T) {
	of := func(from, to int64, more ...any) record {
		r := record{"client_ip": "192.0.2.1", "client_port": 5, "server_ip": "192.0.2.2", "server_port": 443, "time": from * 1e9, "last_time": to * 1e9}
		for i := 0; i < len(more); i += 2 {
			r[more[i].(string)] = more[i+1]
		}
		return r
	}
	cost := func(w, g record) int { return len(lies(w, g)) }
	want := []record{of(1, 2, "version", "TLS 1.2"), of(3, 4, "version", "TLS 1.3")}
	for _, c := range []struct {
		got  []record
		want []int
	}{
		{[]record{of(3, 4, "version", "TLS 1.3"), of(1, 2)}, []int{1, 0}},
		{[]record{of(1, 2), of(3, 4, "version", "TLS 1.3")}, []int{0, 1}},
		{[]record{of(1, 4), of(1, 4, "version", "TLS 1.2")}, []int{1, 0}},
		{[]record{of(3, 4), of(1, 2)}, []int{1, 0}},
		{[]record{of(3, 4, "version", "TLS 1.1")}, []int{1}},
		{[]record{of(1, 4), of(3, 4), of(3, 4, "version", "TLS 1.3")}, []int{0, 1, 1}},
		{[]record{{"client_ip": "192.0.2.9"}}, []int{-1}},
	} {
		if at := pairs(want, c.got, cost); !slices.Equal(at, c.want) {
			t.Errorf("records %v: got %v, want %v", c.got, at, c.want)
		}
	}
}
