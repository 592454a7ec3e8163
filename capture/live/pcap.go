//go:build pcap

package live

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/gopacket/pcap"

	"pfsight/capture/packet"
	"pfsight/capture/stream"
)

// Limits of a capture with libpcap.
const (
	batchRecords = 512
	batchBytes   = 1 << 20
	batchQueue   = 16 // waiting batches of an interface; after that libpcap's buffer fills
)

// A Source captures from interfaces with libpcap. It implements packet.Source.
type Source struct {
	names   []string
	opt     Options
	batches chan *batch
	free    chan *batch
	packets uint64
	ended   chan struct{}
	stop    sync.Once
	readers sync.WaitGroup
	lost    atomic.Uint64

	mu    sync.Mutex
	stats []stream.InterfaceStats
}

// A batch holds copies of frames of one interface.
type batch struct {
	recs []packet.Record
	buf  []byte
}

// Open starts the capture.
func Open(opt Options) (*Source, error) {
	if err := opt.Check(); err != nil {
		return nil, err
	}
	s := &Source{
		names: opt.Interfaces, opt: opt, ended: make(chan struct{}), stats: make([]stream.InterfaceStats, len(opt.Interfaces)),
		batches: make(chan *batch, batchQueue), free: make(chan *batch, 2*batchQueue),
	}
	for i, name := range s.names {
		h, err := s.handle(name)
		if err != nil {
			s.Stop()
			s.readers.Wait()
			return nil, fmt.Errorf("capturing on %s: %w", name, err)
		}
		s.stats[i] = stream.InterfaceStats{Name: name, Up: true}
		s.readers.Go(func() { s.read(h, uint16(i)) })
	}
	go func() {
		s.readers.Wait()
		close(s.batches)
	}()
	return s, nil
}

func (s *Source) handle(name string) (*pcap.Handle, error) {
	in, err := pcap.NewInactiveHandle(name)
	if err != nil {
		return nil, err
	}
	defer in.CleanUp()
	err = errors.Join(in.SetSnapLen(s.opt.Snaplen), in.SetPromisc(!s.opt.NoPromiscuous && name != Any), in.SetTimeout(retire),
		in.SetBufferSize(s.opt.BlockSize*s.opt.Blocks))
	if err != nil {
		return nil, err
	}
	h, err := in.Activate()
	if err != nil {
		return nil, err
	}
	if s.opt.Filter != "" {
		if err := h.SetBPFFilter(s.opt.Filter); err != nil {
			h.Close()
			return nil, err
		}
	}
	return h, nil
}

// read copies the frames of an interface into batches until the Source or the
// interface ends.
func (s *Source) read(h *pcap.Handle, input uint16) {
	defer h.Close()
	link := packet.LinkType(h.LinkType())
	var b *batch
	watched := time.Now()
	give := func() {
		if b != nil && len(b.recs) > 0 {
			s.batches <- b
			b = nil
		}
	}
	defer give()
	for {
		select {
		case <-s.ended:
			s.count(h, input)
			return
		default:
		}
		data, ci, err := h.ZeroCopyReadPacketData()
		if now := time.Now(); now.Sub(watched) >= watchEvery {
			watched = now
			s.count(h, input)
		}
		switch {
		case err == pcap.NextErrorTimeoutExpired:
			give()
			continue
		case err != nil:
			if err != io.EOF {
				s.opt.Log("%s: %v", s.names[input], err)
			}
			s.count(h, input)
			s.mu.Lock()
			s.stats[input].Up = false
			s.mu.Unlock()
			return
		}
		if b != nil && (len(b.recs) == batchRecords || len(b.buf)+len(data) > cap(b.buf)) {
			give()
		}
		if b == nil {
			select {
			case b = <-s.free:
			default:
				b = &batch{recs: make([]packet.Record, 0, batchRecords), buf: make([]byte, 0, batchBytes)}
			}
		}
		at := len(b.buf)
		b.buf = append(b.buf, data...)
		b.recs = append(b.recs, packet.Record{
			Time: ci.Timestamp.UnixNano(), Data: b.buf[at:len(b.buf):len(b.buf)], WireLen: ci.Length, Link: link, Input: input,
		})
	}
}

// count updates the statistics from libpcap's.
func (s *Source) count(h *pcap.Handle, input uint16) {
	st, err := h.Stats()
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.stats[input]
	drops := uint64(st.PacketsDropped + st.PacketsIfDropped)
	s.lost.Add(drops - t.Drops)
	t.Packets, t.Drops = uint64(st.PacketsReceived), drops
}

// Stop ends the capture: Walk returns the frames read so far and then io.EOF.
// It may run concurrently with other calls.
func (s *Source) Stop() { s.stop.Do(func() { close(s.ended) }) }

// Close ends the capture.
func (s *Source) Close() {
	s.Stop()
	for range s.batches {
	}
	s.readers.Wait()
}

// Lost implements packet.Source.
func (s *Source) Lost() uint64 { return s.lost.Load() }

// Judged returns true: libpcap evaluates the filter.
func (s *Source) Judged() bool { return true }

// Bulk does nothing: libpcap's filter does not change.
func (s *Source) Bulk(a, b netip.AddrPort) {}

// Interfaces returns the state of the interfaces. It may run concurrently with
// other calls.
func (s *Source) Interfaces() []stream.InterfaceStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stats)
}

// A claim is a batch of frames.
type claim struct {
	batch *batch
	first uint64
	now   int64
	end   bool
}

// Claim implements packet.Source. It waits for a batch, at most 250 ms.
func (s *Source) Claim(to *packet.Block) {
	c, ok := to.Private.(*claim)
	if !ok {
		c = new(claim)
		to.Private = c
	}
	*c = claim{first: s.packets + 1}
	select {
	case got, ok := <-s.batches:
		if !ok {
			c.end = true
			return
		}
		c.batch = got
		s.packets += uint64(len(got.recs))
	case <-time.After(tickEvery):
		c.now = time.Now().Add(-2 * hold).UnixNano()
	}
}

// Walk implements packet.Source.
func (s *Source) Walk(b *packet.Block) error {
	c := b.Private.(*claim)
	if c.end {
		return io.EOF
	}
	b.Batch = packet.Batch{Name: s.names[0], Inputs: s.names, First: c.first, Now: c.now}
	if c.batch != nil {
		b.Records = c.batch.recs
	}
	return nil
}

// Release implements packet.Source. It returns the batch for reuse.
func (s *Source) Release(b *packet.Block) {
	c := b.Private.(*claim)
	if t := c.batch; t != nil {
		c.batch = nil
		t.recs, t.buf = t.recs[:0], t.buf[:0]
		select {
		case s.free <- t:
		default:
		}
	}
}
