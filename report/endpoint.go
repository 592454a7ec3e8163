package report

import (
	"bytes"
	"net/netip"

	"pfsight/capture/stream"
)

// An Endpoint is one side of a connection: an address and a port, or, where
// there is no IP, the address of a station of a LAN.
type Endpoint struct {
	netip.AddrPort            // not valid where there is no IP
	MAC            stream.MAC // zero where there is IP, or where it was not seen
}

// A Host is an Endpoint without its port.
type Host struct {
	netip.Addr
	MAC stream.MAC
}

// Host returns the endpoint without its port.
func (e Endpoint) Host() Host { return Host{e.Addr(), e.MAC} }

// HasMAC reports whether the endpoint is a station of a LAN that was seen.
func (e Endpoint) HasMAC() bool { return e.MAC != stream.MAC{} }

// String returns the address and the port, or the MAC address, or "" where
// neither is known.
func (e Endpoint) String() string {
	if e.IsValid() {
		return e.AddrPort.String()
	}
	return e.Host().String()
}

// Compare orders endpoints: stations of a LAN come first.
func (e Endpoint) Compare(o Endpoint) int {
	if c := e.AddrPort.Compare(o.AddrPort); c != 0 {
		return c
	}
	return bytes.Compare(e.MAC[:], o.MAC[:])
}

// String returns the IP address, or the MAC address, or "" where neither is
// known.
func (h Host) String() string {
	switch {
	case h.IsValid():
		return h.Addr.String()
	case h.MAC != stream.MAC{}:
		return h.MAC.String()
	}
	return ""
}

// Compare orders hosts: stations of a LAN come first.
func (h Host) Compare(o Host) int {
	if c := h.Addr.Compare(o.Addr); c != 0 {
		return c
	}
	return bytes.Compare(h.MAC[:], o.MAC[:])
}
