package pcapfile

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// Reading a file copies all of it, though of most packets only the headers
// are looked at. A file whose content is in memory already is mapped instead.
// What that costs, and what is done about it:
//
//   - Each header is a cache miss, and where it lies is told by the one before
//     it, so that misses would come one after the other. warm guesses where
//     records begin and follows them from several places at once. Nothing
//     hangs on its guesses but time.
//   - A file that is cut takes the memory away. guarded and Block.Guard turn
//     that into an end of the file.
//   - What is not in memory would be waited for page by page, which read does
//     better. inMemory tells. And of what is kept in small pages each has to be
//     mapped, which may take longer than to read it. choose tells.

// A mapping is a file in memory. It is unmapped when nobody holds it.
type mapping struct {
	file    *os.File
	as      os.FileInfo // the file when it was mapped
	data    []byte
	refs    atomic.Int32
	dropped atomic.Int64 // what comes before is not kept
}

// mapExtent is the unit in which a mapping is dropped, bytes: a multiple of
// what one entry of the page table can map at once, and so much that the other
// cores are seldom asked to forget what they know of it.
const mapExtent = 8 << 20

// newMapping maps f, which is as info says, or returns nil where that cannot be
// done. The caller holds it.
func newMapping(f *os.File, info os.FileInfo) *mapping {
	data := mapFile(f, int(info.Size()))
	if data == nil {
		return nil
	}
	m := &mapping{file: f, as: info, data: data}
	m.refs.Store(1)
	return m
}

// hold returns m for one more to release, or nil if it is gone.
func (m *mapping) hold() *mapping {
	if m == nil {
		return nil
	}
	for {
		n := m.refs.Load()
		if n == 0 {
			return nil
		}
		if m.refs.CompareAndSwap(n, n+1) {
			return m
		}
	}
}

func (m *mapping) release() {
	if m != nil && m.refs.Add(-1) == 0 {
		unmapFile(m.data)
	}
}

// passed drops what comes before off, but for the last extent: a record may
// reach from it into the next, and somebody may still use it. What is used all
// the same comes back.
func (m *mapping) passed(off int) {
	to, from := int64(off&^(mapExtent-1)-mapExtent), m.dropped.Load()
	if to > from && m.dropped.CompareAndSwap(from, to) {
		dropMemory(m.data[from:to])
	}
}

// has reports whether the file still has its first n bytes. Of a page that was
// cut the rest reads as zeros.
func (m *mapping) has(n int) bool {
	info, err := m.file.Stat()
	return err != nil || info.Size() >= int64(n)
}

// changed reports whether something was written to the file since it was mapped.
func (m *mapping) changed() bool {
	info, err := m.file.Stat()
	return err == nil && (info.Size() != m.as.Size() || !info.ModTime().Equal(m.as.ModTime()))
}

// guarded runs f and reports whether it could read what it wanted of m. Where
// it could not, it ended, and off is the beginning of the page it wanted. What
// fails because the file is written anew, and two looks at one place see
// different things, counts as if that were at the very beginning. The
// goroutine must have debug.SetPanicOnFault.
func (m *mapping) guarded(f func()) (off int, ok bool) {
	defer func() {
		if ok {
			return
		}
		e := recover()
		if a, is := e.(interface{ Addr() uintptr }); is && a.Addr()-m.address() < uintptr(len(m.data)) {
			off = int(a.Addr()-m.address()) &^ (os.Getpagesize() - 1)
			return
		}
		if _, is := e.(runtime.Error); !is || !m.changed() {
			panic(e)
		}
	}()
	f()
	return 0, true
}

// address is where m is.
func (m *mapping) address() uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(m.data))) }

// offset returns where in the file b is, which is a part of m.
func (m *mapping) offset(b []byte) int {
	return int(uintptr(unsafe.Pointer(unsafe.SliceData(b))) - m.address())
}

// A layout tells how the records of a file lie in it.
type layout struct {
	ng    bool
	size  int    // where in a record its size is
	more  int    // what that does not count
	least uint32 // what it is at the least
	unit  uint32 // pcap: of the fraction of a second
}

// layout is that of r's records; ok is false where they are not guessed at.
func (r *Reader) layout() (l layout, ok bool) {
	switch {
	case r.big || r.swapped != 0:
		return layout{}, false
	case r.Format == "pcapng":
		return layout{ng: true, size: 4, least: 12}, true
	case r.nano:
		return layout{size: 8, more: r.hdr, unit: 1e9}, true
	}
	return layout{size: 8, more: r.hdr, unit: 1e6}, true
}

const (
	// walkers is from how many places at once records are followed: enough
	// that the misses of all of them fill what a core can wait for.
	walkers = 16
	// headers is how much of a record is looked at: its own header, and those
	// of Ethernet, IPv6 and TCP.
	headers = 112
	// guessWithin is how far a beginning is looked for: the longest frame of
	// most networks, twice.
	guessWithin = 3 << 10
	// longGuess is the longest frame that a guess believes in.
	longGuess = 256 << 10
)

// warm reads the headers of the records in data[from:to], so that they are in
// the cache when they are walked, and returns from how many places that was. sec
// is the time of a record not far from there, in seconds.
func (l *layout) warm(data []byte, from, to int, sec uint32, sum *byte) (places int) {
	to = min(to, len(data)-headers)
	if to-from < walkers*headers {
		return 0
	}
	var at, end [walkers]int
	n := 0
	for i, part := 0, (to-from)/walkers; i < walkers; i++ {
		begin := from + i*part
		if p := l.guess(data[:begin+min(part, guessWithin)+headers], begin, sec); p >= 0 {
			at[n], end[n] = p, begin+part
			n++
		}
	}
	places = n
	// Nothing but the misses should be waited for, so this is as short as can
	// be: what at is compared with keeps it within data.
	x := byte(0)
	base, size, more, least := unsafe.Pointer(unsafe.SliceData(data)), l.size, l.more, l.least
	for n > 0 {
		for i := 0; i < n; i++ {
			b := unsafe.Add(base, at[i%walkers])
			h := (*[headers]byte)(b)
			x += h[48] ^ h[84]
			k := binary.LittleEndian.Uint32((*[4]byte)(unsafe.Add(b, size))[:])
			p := at[i%walkers] + int(max(k, least)) + more
			at[i%walkers] = p
			if p >= end[i%walkers] {
				n--
				at[i%walkers], end[i%walkers] = at[n%walkers], end[n%walkers]
			}
		}
	}
	*sum += x
	return places
}

// guess returns where in data, from from on, a record seems to begin, or -1.
func (l *layout) guess(data []byte, from int, sec uint32) int {
	// What to look for: the upper half of a time, or an Enhanced Packet Block.
	needle, lead := []byte{byte(sec >> 16), byte(sec >> 24)}, 2
	if l.ng {
		needle, lead = []byte{blockEnhanced, 0, 0, 0}, 0
	}
	for p := from; ; p++ {
		k := bytes.Index(data[p+lead:], needle)
		p += k
		if k < 0 || p > len(data)-headers {
			return -1
		}
		b := (*[headers]byte)(data[p:])
		x, y := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
		if l.ng {
			caplen := binary.LittleEndian.Uint32(b[20:])
			if p%4 == 0 && x%4 == 0 && x-32 < longGuess && x-32-caplen < longGuess {
				return p
			}
		} else if x < l.unit && y < longGuess && y <= binary.LittleEndian.Uint32(b[12:]) {
			return p
		}
	}
}

// Whether mapping is the faster way hangs on how the system keeps the file. Of
// every compareEvery blocks that might be mapped, compareBlocks are and as many
// are read, and the rest is done the better way.
const (
	compareEvery  = 128
	compareBlocks = 3
	// mapBelow is the percentage of a read's time that a block's mapping may
	// take: it costs something later too.
	mapBelow = 60
	longTime = 1 << 40 // more than a block takes, nanoseconds
)

// choose says whether the next block, which might be mapped, is, and whether
// how long it takes is of interest.
func (l *lane) choose() (mapped, timed bool) {
	n := l.claimed % compareEvery
	l.claimed++
	if n == 0 {
		l.took[0].Store(longTime)
		l.took[1].Store(longTime)
	}
	if n < 2*compareBlocks {
		return n < compareBlocks, true
	}
	mapped = l.took[1].Load()*100 <= l.took[0].Load()*mapBelow
	return mapped, mapped
}

// note notes how long it took to have b's bytes.
func (l *lane) note(p *piece, d time.Duration) {
	t, took := min(int64(d)*(1<<20)/int64(max(p.n, 1)), longTime), &l.took[0]
	if p.mapped {
		took = &l.took[1]
	}
	// What takes longer may have been interrupted, so it counts for less. Two
	// workers may undo what one wrote: it is a hint.
	if before := took.Load(); t > before {
		t = before + min(t-before, 4*before)/8
	}
	took.Store(t)
}
