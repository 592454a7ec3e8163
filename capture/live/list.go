package live

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// An Interface describes a network interface of the system.
type Interface struct {
	Name      string
	Up        bool // administratively
	Running   bool // has a carrier
	Loopback  bool
	Addresses []netip.Prefix
	MAC       string // "" if it has none
	Link      string // link type; "" if undetermined
	Speed     int    // Mbit/s; 0 if undetermined
	MTU       int
}

// Interfaces returns the interfaces, sorted by name.
func Interfaces() ([]Interface, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	out := make([]Interface, 0, len(list))
	for _, i := range list {
		f := Interface{
			Name: i.Name, Up: i.Flags&net.FlagUp != 0, Running: i.Flags&net.FlagRunning != 0, Loopback: i.Flags&net.FlagLoopback != 0,
			MAC: i.HardwareAddr.String(), MTU: i.MTU,
		}
		addrs, _ := i.Addrs() // an interface that was just removed has none
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(n.IP); ok {
					bits, _ := n.Mask.Size()
					f.Addresses = append(f.Addresses, netip.PrefixFrom(ip.Unmap(), bits))
				}
			}
		}
		more(&f)
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Interface) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
