package report

import (
	"bytes"
	"net/netip"

	"pfsight/capture/stream"
)

// An Endpoint is one side of a connection: an IP address and a port, or a MAC
// address for traffic without IP.
type Endpoint struct {
	netip.AddrPort            // invalid without IP
	MAC            stream.MAC // zero with IP, or if it was not seen
}

// A Host is an Endpoint without its port.
type Host struct {
	netip.Addr
	MAC stream.MAC
}

// Host returns the endpoint without its port.
func (e Endpoint) Host() Host { return Host{e.Addr(), e.MAC} }

// HasMAC reports whether the endpoint has a MAC address.
func (e Endpoint) HasMAC() bool { return e.MAC != stream.MAC{} }

// String returns the address and the port, or the MAC address, or "" if neither
// is known.
func (e Endpoint) String() string {
	if e.IsValid() {
		return e.AddrPort.String()
	}
	return e.Host().String()
}

// Compare orders endpoints. Those with a MAC address come first.
func (e Endpoint) Compare(o Endpoint) int {
	if c := e.AddrPort.Compare(o.AddrPort); c != 0 {
		return c
	}
	return bytes.Compare(e.MAC[:], o.MAC[:])
}

// String returns the IP address, or the MAC address, or "" if neither is known.
func (h Host) String() string {
	switch {
	case h.IsValid():
		return h.Addr.String()
	case h.MAC != stream.MAC{}:
		return h.MAC.String()
	}
	return ""
}

// Compare orders hosts. Those with a MAC address come first.
func (h Host) Compare(o Host) int {
	if c := h.Addr.Compare(o.Addr); c != 0 {
		return c
	}
	return bytes.Compare(h.MAC[:], o.MAC[:])
}
