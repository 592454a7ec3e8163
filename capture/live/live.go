package live

import (
	"errors"
	"fmt"
	"time"

	"pfsight/capture/packet"
)

// Any captures on all interfaces, including those that appear later.
const Any = "any"

// Options configure Open.
type Options struct {
	// Interfaces names the interfaces to capture on, or is Any alone. Required.
	Interfaces []string
	// Filter is a tcpdump expression, which the kernel evaluates. The kernel
	// passes frames that it cannot judge, so capture.Options needs the same
	// filter unless Judged returns true. Default: everything.
	Filter string
	// Snaplen is the maximum number of bytes to capture of a frame. Default:
	// DefaultSnaplen, whole frames.
	Snaplen int
	// Rings is the number of rings that share the frames of each interface, 1 to
	// 64. With more rings, more cores of the kernel can write at once. Default:
	// 1.
	Rings int
	// BlockSize is the size of a block of a ring in bytes: a power of two from
	// MinBlock to 64 MiB. Default: 512 KiB.
	BlockSize int
	// Blocks is the number of blocks of a ring, 4 to 16,384. Default:
	// DefaultBlocks.
	Blocks int
	// NoPromiscuous keeps the interfaces out of promiscuous mode. Default:
	// promiscuous during the capture, except with Any.
	NoPromiscuous bool
	// WholeBulk captures the payload of bulk transfers too. Default: of
	// connections reported to Source.Bulk the kernel passes only headers.
	// Record.WireLen is the whole length.
	WholeBulk bool
	// Log receives messages for the operator, such as an interface going down or
	// a clock step. Default: no messages.
	Log func(format string, args ...any)
}

// Limits and defaults of a ring.
const (
	DefaultSnaplen = 262144
	DefaultBlock   = 512 << 10
	DefaultBlocks  = 64
	MinBlock       = 64 << 10
	maxBlock       = 64 << 20
	maxBlocks      = 1 << 14
	maxRings       = 64
	// maxInterfaces is the maximum number of interfaces of a Source.
	maxInterfaces = 64
)

// Timing of a capture.
const (
	// retire is after how long the kernel returns a block that is not full. It is
	// the maximum delay of a packet on a quiet interface.
	retire = 20 * time.Millisecond
	// hold is how long the frames of one ring wait for older frames of another
	// one. The kernel's timer is late by a jiffy at most, which is up to 10 ms.
	hold = retire + 10*time.Millisecond
	// rest is how long a Source sleeps when all frames are read but more are
	// expected. Waking for each block costs more than reading it.
	rest = retire / 2
	// busy is how long after the last frame more frames are expected.
	busy = 100 * time.Millisecond
	// tickEvery is how often a Source without packets returns an empty Block with
	// the time.
	tickEvery = 250 * time.Millisecond
	// watchEvery is how often interfaces are checked and drop counts are read.
	watchEvery = time.Second
	// clockStep is the smallest clock change that counts as a step. Clock
	// discipline never slews that far between two checks.
	clockStep = 500 * time.Millisecond
)

// Errors of Open.
var (
	// ErrNoRight means that the process has no right to capture.
	ErrNoRight = errors.New("no permission to capture: run as root, or grant it once with 'setcap cap_net_raw+ep'")
	// ErrUnsupported means that this build cannot capture on this system.
	ErrUnsupported = errors.New("this build cannot capture on this system: build with '-tags pcap' and libpcap")
)

// Check sets the defaults and returns an error for invalid values.
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
	case len(o.Interfaces) > maxInterfaces:
		return fmt.Errorf("%d interfaces: at most %d", len(o.Interfaces), maxInterfaces)
	case o.Snaplen < 64 || o.Snaplen > DefaultSnaplen:
		return fmt.Errorf("snaplen %d: use 64 to %d bytes", o.Snaplen, DefaultSnaplen)
	case o.Rings < 1 || o.Rings > maxRings:
		return fmt.Errorf("%d rings: use 1 to %d", o.Rings, maxRings)
	case o.BlockSize < MinBlock || o.BlockSize > maxBlock || o.BlockSize&(o.BlockSize-1) != 0:
		return fmt.Errorf("blocks of %d bytes: use a power of two from %d to %d", o.BlockSize, MinBlock, maxBlock)
	case o.Blocks < 4 || o.Blocks > maxBlocks:
		return fmt.Errorf("%d blocks: use 4 to %d", o.Blocks, maxBlocks)
	}
	seen := map[string]bool{}
	for _, name := range o.Interfaces {
		if seen[name] || name == Any && len(o.Interfaces) > 1 {
			return fmt.Errorf("interface %s is captured twice", name)
		}
		seen[name] = true
	}
	return nil
}

var _ packet.Source = (*Source)(nil)

// Load implements packet.Source: the frames are in memory.
func (s *Source) Load(*packet.Block) {}

// Guard implements packet.Source: the frames stay in memory.
func (s *Source) Guard(_ *packet.Block, f func()) bool {
	f()
	return true
}
