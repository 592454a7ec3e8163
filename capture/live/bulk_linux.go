//go:build !pcap

package live

import (
	"net/netip"
)

// A pair names a connection by its endpoints.
type pair struct{ a, b netip.AddrPort }

// A sampler counts samples of bulk transfers.
type sampler struct {
	counts map[pair]int
}
