// Package live captures from interfaces. On Linux it maps AF_PACKET rings
// (TPACKET_V3) of the kernel: frames are looked at where the kernel put them
// and never copied. Elsewhere it reads through libpcap, if it was built with
// the tag pcap.
//
// A Source never blocks the kernel for longer than a block of frames is in
// use, and counts what the kernel had to drop. It survives interfaces that go
// down, go away and come back.
package live

import (
	"errors"
	"fmt"
	"time"

	"pfsight/capture/packet"
)

// Any captures on all interfaces at once, those that appear later included.
const Any = "any"

// Options say how to capture. The zero value of a field is its default.
type Options struct {
	// Interfaces are the names of those to capture on, or Any. No default.
	Interfaces []string
	// Filter is a tcpdump expression that the kernel evaluates. Frames that
	// it cannot judge alone are passed on, so the capture.Options need the
	// same filter. Default: everything.
	Filter string
	// Snaplen is how many bytes of a frame are captured. Default:
	// DefaultSnaplen, whole frames.
	Snaplen int
	// Rings is into how many rings the frames of each interface are spread.
	// Default: 1. More let several cores of the kernel write at once.
	Rings int
	// BlockSize is the size of a block of a ring, bytes: a multiple of the
	// page size and at least MinBlock. Default: DefaultBlock.
	BlockSize int
	// Blocks is the number of blocks of a ring. Default: DefaultBlocks.
	Blocks int
	// NoPromiscuous leaves the interfaces' mode as it is. Default: they are
	// promiscuous while the capture lasts. Any never is.
	NoPromiscuous bool
	// WholeBulk captures the payload of bulk transfers too. Default: of the
	// packets that Source.Bulk was told of, the kernel passes on the headers
	// only, with the lengths of the whole.
	WholeBulk bool
	// Log takes messages for the operator: an interface that goes down, a
	// clock that is set. Default: they are not told.
	Log func(format string, args ...any)
}

// Limits and defaults of a ring.
const (
	DefaultSnaplen = 262144
	DefaultBlock   = 512 << 10
	DefaultBlocks  = 64
	MinBlock       = 64 << 10
	MaxBlock       = 64 << 20
	MaxBlocks      = 1 << 14
	MaxRings       = 64
	// MaxInterfaces bounds how many interfaces a Source captures on.
	MaxInterfaces = 64
)

// Times.
const (
	// Retire is after how long the kernel hands over a block that is not
	// full: what a packet waits at most at a quiet time.
	Retire = 20 * time.Millisecond
	// hold is how long the frames of one ring wait for older ones of another.
	// The kernel's timer is a jiffy late at most, which is 10 ms at most.
	hold = Retire + 10*time.Millisecond
	// rest is how long a Source sleeps when it has read everything, while
	// frames come: being woken for each block costs more than reading it.
	rest = Retire / 2
	// busy is how long after the last frames they are taken to be coming.
	busy = 100 * time.Millisecond
	// tickEvery is how often a Source without packets tells the time.
	tickEvery = 250 * time.Millisecond
	// watchEvery is how often interfaces are looked at and drops are read.
	watchEvery = time.Second
	// clockStep is the least jump of the clock that is taken for one: no
	// discipline of a clock slews it so far between two looks.
	clockStep = 500 * time.Millisecond
)

// An InterfaceStats is what is known of an interface of a Source. Counts are
// of its whole life.
type InterfaceStats struct {
	Name    string
	Packets uint64 // that the kernel's filter let pass, those dropped included
	Drops   uint64 // of Packets, for lack of room in a ring
	Freezes uint64 // times that a ring was full
	Up      bool
}

// Errors of Open.
var (
	// ErrNoRight says that the process may not capture.
	ErrNoRight = errors.New("no right to capture: run as root, or give the program the right once with 'setcap cap_net_raw+ep'")
	// ErrUnsupported says that there is no way to capture on this system.
	ErrUnsupported = errors.New("this build cannot capture on this system: AF_PACKET is Linux's; build with '-tags pcap' and libpcap")
)

// Check puts in the defaults, and says what cannot be.
func (o *Options) Check() error {
	if o.Snaplen == 0 {
		o.Snaplen = DefaultSnaplen
	}
	if o.Rings == 0 {
		o.Rings = 1
	}
	if o.BlockSize == 0 {
		o.BlockSize = DefaultBlock
	}
	if o.Blocks == 0 {
		o.Blocks = DefaultBlocks
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	switch {
	case len(o.Interfaces) == 0:
		return errors.New("no interface named")
	case len(o.Interfaces) > MaxInterfaces:
		return fmt.Errorf("%d interfaces: at most %d", len(o.Interfaces), MaxInterfaces)
	case o.Snaplen < 64 || o.Snaplen > DefaultSnaplen:
		return fmt.Errorf("snaplen %d: use 64 to %d bytes", o.Snaplen, DefaultSnaplen)
	case o.Rings < 1 || o.Rings > MaxRings:
		return fmt.Errorf("%d rings: use 1 to %d", o.Rings, MaxRings)
	case o.BlockSize < MinBlock || o.BlockSize > MaxBlock || o.BlockSize&(o.BlockSize-1) != 0:
		return fmt.Errorf("blocks of %d bytes: use a power of two from %d to %d", o.BlockSize, MinBlock, MaxBlock)
	case o.Blocks < 4 || o.Blocks > MaxBlocks:
		return fmt.Errorf("%d blocks: use 4 to %d", o.Blocks, MaxBlocks)
	}
	seen := map[string]bool{}
	for _, name := range o.Interfaces {
		if seen[name] || name == Any && len(o.Interfaces) > 1 {
			return fmt.Errorf("interface %s is captured on twice", name)
		}
		seen[name] = true
	}
	return nil
}

// Load implements packet.Source: the frames are in memory.
func (s *Source) Load(*packet.Block) {}

// Guard implements packet.Source: the frames stay in memory.
func (s *Source) Guard(_ *packet.Block, f func()) bool {
	f()
	return true
}
