//go:build !linux && !pcap

package live

import (
	"io"
	"net/netip"

	"pfsight/capture/packet"
	"pfsight/capture/stream"
)

// A Source captures from interfaces. This build has no way to do so.
type Source struct{}

// Open returns ErrUnsupported.
func Open(opt Options) (*Source, error) {
	if err := opt.Check(); err != nil {
		return nil, err
	}
	return nil, ErrUnsupported
}

// Stop ends the capture.
func (s *Source) Stop() {}

// Close does nothing.
func (s *Source) Close() {}

// Lost implements packet.Source.
func (s *Source) Lost() uint64 { return 0 }

// Claim implements packet.Source.
func (s *Source) Claim(*packet.Block) {}

// Walk implements packet.Source.
func (s *Source) Walk(*packet.Block) error { return io.EOF }

// Release implements packet.Source.
func (s *Source) Release(*packet.Block) {}

// Judged reports whether the kernel evaluates the filter completely.
func (s *Source) Judged() bool { return false }

// Bulk does nothing.
func (s *Source) Bulk(a, b netip.AddrPort) {}

// Interfaces returns nil.
func (s *Source) Interfaces() []stream.InterfaceStats { return nil }
