// Package capture says who spoke, when, and which bytes: it takes frames from
// files or interfaces, reads their headers, and follows each connection as far
// as its opening. What it hands over are values of package stream.
package capture

import (
	"context"
	"io"
	"math/rand/v2"

	"pfsight/capture/pcapfile"
	"pfsight/capture/stream"
)

// Options say what is wanted of a capture. The zero value of a field is its
// default, but for Ask and Sign, which must be set.
type Options struct {
	Ask  stream.Asker  // is this enough of a conversation?
	Sign stream.Signer // may a handshake begin here?
	// Filter reports whether a frame is wanted; others are not looked at. Its
	// error ends the Run. Default: all are wanted.
	Filter func(link pcapfile.LinkType, data []byte, wireLen int) (bool, error)
	// MaxPackets ends the reading after so many packets that the filter
	// wanted. Default: all.
	MaxPackets uint64
}

// A Sink takes what the tracker finds. Its methods are called by one
// goroutine.
type Sink interface {
	// Opening takes a conversation whose handshake is complete, or as complete
	// as it will be, and reports whether it is one; if not, nothing more is
	// said of it. c and its bytes are the tracker's again after the return.
	Opening(c *stream.Conversation) bool
	// Closed tells of a conversation that Opening wanted that it has ended.
	Closed(id uint64, t stream.Totals)
}

// Stats are what a Run met.
type Stats struct {
	Packets uint64 // read, wanted by the filter or not
	Bytes   uint64 // captured, of them
	First   int64  // time of the earliest packet, nanoseconds since 1970 UTC
	Last    int64  // time of the latest packet
	Drops   Counters
}

// window is how many headers are read ahead of the table, so that the slots
// they need are on their way from memory meanwhile.
const window = 64

// Run reads all of src and gives the connections in it to sink. It ends early
// without an error when ctx does. The error is the filter's.
func Run(ctx context.Context, src *pcapfile.Source, opt Options, sink Sink) (Stats, error) {
	var st Stats
	t := newTracker(&opt, sink, &st.Drops)
	d := &decoder{drops: &st.Drops, seed: rand.Uint64()}
	var segs [window]segment
	var b pcapfile.Batch
	var wanted uint64
read:
	for ctx.Err() == nil {
		if err := src.Next(&b); err != nil {
			if err != io.EOF {
				return st, err
			}
			break
		}
		t.source = b.Name
		recs := b.Records
		number := b.First
		for len(recs) > 0 {
			k := min(len(recs), window)
			n := 0
			for i := range recs[:k] {
				rec := &recs[i]
				if st.Packets == 0 || rec.Time < st.First {
					st.First = rec.Time
				}
				st.Last = max(st.Last, rec.Time)
				st.Packets++
				st.Bytes += uint64(len(rec.Data))
				if opt.Filter != nil {
					ok, err := opt.Filter(rec.Link, rec.Data, rec.WireLen)
					if err != nil {
						return st, err
					}
					if !ok {
						st.Drops[FilteredOut]++
						number++
						continue
					}
				}
				s := &segs[n]
				s.packet = number
				number++
				if d.decode(rec.Link, rec.Data, rec.WireLen, rec.Time, s) {
					t.touch += t.table.slots[tagOf(s.hash)&t.table.mask].tag
					n++
				}
				if wanted++; wanted == opt.MaxPackets {
					k = i + 1
					break
				}
			}
			for i := range segs[:n] {
				t.segment(&segs[i])
			}
			t.sweep(recs[k-1].Time)
			if opt.MaxPackets > 0 && wanted == opt.MaxPackets {
				break read
			}
			recs = recs[k:]
		}
	}
	t.finish()
	d.frags.end(&st.Drops)
	for _, i := range src.Inputs() {
		st.Drops[KernelDrops] += i.Drops
	}
	return st, nil
}
