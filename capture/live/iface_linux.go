//go:build !pcap

package live

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"pfsight/capture/stream"
)

// An iface is an interface and its rings.
type iface struct {
	name     string
	input    uint16
	index    int // 0 for Any
	kind     linkKind
	rings    []*ring
	dead     []*ring // rings of a removed interface with frames left to read
	up       bool
	whole    bool // the kernel evaluates the filter completely
	reported bool // the failure to open it was logged
}

// query sends an ioctl for an interface.
func query(fd int, name string, what uint) (*unix.Ifreq, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return nil, errors.New("no interface has such a name")
	}
	if err := unix.IoctlIfreq(fd, what, ifr); err != nil {
		return nil, err
	}
	return ifr, nil
}

// lookup returns the index of an interface, or 0 if it does not exist, and
// whether it is up.
func lookup(fd int, name string) (index int, up bool) {
	ifr, err := query(fd, name, unix.SIOCGIFINDEX)
	if err != nil {
		return 0, false
	}
	index = int(ifr.Uint32())
	ifr, err = query(fd, name, unix.SIOCGIFFLAGS)
	return index, err == nil && ifr.Uint16()&unix.IFF_UP != 0
}

// open creates the rings of the interface and starts the capture.
func (f *iface) open(s *Source) (err error) {
	var rings []*ring
	defer func() {
		if err != nil {
			for _, r := range rings {
				r.close()
			}
		}
	}()
	for range s.opt.Rings {
		r, err := newRing(&s.opt, f.input)
		if err != nil {
			return err
		}
		rings = append(rings, r)
	}
	fd := rings[0].fd
	f.index, f.kind, f.up = 0, linkEach, true
	loopback := false // each outgoing packet comes in too
	if f.name != Any {
		if f.index, f.up = lookup(fd, f.name); f.index == 0 {
			return errors.New("there is no such interface; see 'pfsight interfaces'")
		}
		ifr, err := query(fd, f.name, unix.SIOCGIFHWADDR)
		if err != nil {
			return fmt.Errorf("interface type: %w", err)
		}
		f.kind = kindOf(ifr.Uint16())
		loopback = ifr.Uint16() == unix.ARPHRD_LOOPBACK
	}
	code, whole, err := program(s.opt.Filter, f.kind, s.opt.Snaplen, s.thinned)
	if err != nil {
		return err
	}
	// Block all frames until all rings share them, so that none arrives twice.
	for _, r := range rings {
		r.link = f.kind
		if err := r.attach(nil); err != nil {
			return fmt.Errorf("setting the filter: %w", err)
		}
		if err := r.bind(f.index); err != nil {
			return err
		}
	}
	if loopback && len(rings) == 1 {
		_ = unix.SetsockoptInt(rings[0].fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1) // if this fails, read skips the outgoing packets
	}
	if err := join(rings, loopback); err != nil {
		s.opt.Log("%s: no fanout (%v): using one ring", f.name, err)
		for _, r := range rings[1:] {
			r.close()
		}
		rings = rings[:1]
	}
	if !s.opt.NoPromiscuous && f.index != 0 {
		if err := rings[0].promiscuous(f.index); err != nil {
			s.opt.Log("%s: not promiscuous: %v", f.name, err)
		}
	}
	for _, r := range rings {
		_, _, _ = r.statistics() // discard the counts of blocked frames
		if err := r.attach(code); err != nil {
			return fmt.Errorf("setting the filter: %w", err)
		}
	}
	f.rings, f.whole = rings, whole
	return nil
}

// watch updates the counts of all interfaces and handles those that
// disappeared or appeared.
func (s *Source) watch() {
	s.watched = s.now()
	changed := false
	for i, f := range s.ifaces {
		var st stream.InterfaceStats
		for _, r := range f.rings {
			f.count(r, &st)
		}
		changed = f.bury(&st) || changed
		if f.name != Any {
			changed = s.check(f) || changed
		}
		s.mu.Lock()
		t := &s.stats[i]
		t.Packets += st.Packets
		t.Drops += st.Drops
		t.Freezes += st.Freezes
		t.Up = f.up
		s.mu.Unlock()
		s.lost.Add(st.Drops)
	}
	s.thin()
	if changed {
		s.collect()
	}
}

// count adds the kernel's counts of a ring.
func (f *iface) count(r *ring, st *stream.InterfaceStats) {
	p, d, z := r.statistics()
	st.Packets += p
	st.Drops += d
	st.Freezes += z
}

// bury closes the rings of removed interfaces that are read to the end, and
// reports whether there were any.
func (f *iface) bury(st *stream.InterfaceStats) bool {
	kept := f.dead[:0]
	for _, r := range f.dead {
		if r.cur != nil || r.noted > 0 || r.used.Load() > 0 {
			kept = append(kept, r)
			continue
		}
		f.count(r, st)
		r.close()
	}
	gone := len(kept) < len(f.dead)
	f.dead = kept
	return gone
}

// check handles a change of the interface's state, and reports whether its
// rings changed.
func (s *Source) check(f *iface) bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	index, up := lookup(fd, f.name)
	_ = unix.Close(fd)
	if f.rings != nil && index == f.index {
		if up != f.up {
			f.up = up
			s.opt.Log("%s: the interface is %s", f.name, map[bool]string{true: "up again", false: "down"}[up])
		}
		return false
	}
	changed := false
	if f.rings != nil {
		s.opt.Log("%s: the interface is gone", f.name)
		for _, r := range f.rings {
			r.dead = true
		}
		f.dead, f.rings, f.up, f.reported = append(f.dead, f.rings...), nil, false, false
		changed = true
	}
	if index == 0 {
		return changed
	}
	if err := f.open(s); err != nil {
		if !f.reported {
			s.opt.Log("%s: the interface is back, but %v", f.name, err)
			f.reported = true
		}
		return changed
	}
	s.opt.Log("%s: the interface is back", f.name)
	return true
}
