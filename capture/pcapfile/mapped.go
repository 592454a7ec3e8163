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

// Reading a file copies all of it, although only the headers of most packets
// are used. A file in the page cache is mapped instead. Mapping has costs:
//
//   - Each header is a cache miss, and its place depends on the header before
//     it, so the misses would be serial. warm guesses where records begin and
//     follows them from several places at once. A wrong guess costs time only.
//   - If the file is truncated, its pages disappear. guarded and Source.Guard
//     turn that into the end of the file.
//   - Pages outside the page cache are slower to map than to read. inMemory
//     detects them. So are small pages, of which each must be mapped. choose
//     detects that.

// A mapping is a file mapped into memory. It is unmapped at its last release.
type mapping struct {
	file    *os.File
	as      os.FileInfo // the file at the time of mapping
	data    []byte
	refs    atomic.Int32
	dropped atomic.Int64 // pages before this offset are dropped
}

// mapExtent is the unit in which pages of a mapping are dropped, in bytes. It
// is a multiple of what one page table entry can map, and large enough that
// TLB shootdowns on other cores are rare.
const mapExtent = 8 << 20

// newMapping maps f, whose state is info. It returns nil if that is not
// possible. The caller must release the mapping.
func newMapping(f *os.File, info os.FileInfo) *mapping {
	data := mapFile(f, int(info.Size()))
	if data == nil {
		return nil
	}
	m := &mapping{file: f, as: info, data: data}
	m.refs.Store(1)
	return m
}

// hold returns m with one more reference, or nil if m is already unmapped.
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

// passed drops the pages before off, except those of the last extent: a record
// may cross its end, and may be in use. A dropped page that is read again is
// loaded again.
func (m *mapping) passed(off int) {
	to, from := int64(off&^(mapExtent-1)-mapExtent), m.dropped.Load()
	if to > from && m.dropped.CompareAndSwap(from, to) {
		dropMemory(m.data[from:to])
	}
}

// has reports whether the file still has its first n bytes. The rest of a
// truncated page reads as zeros.
func (m *mapping) has(n int) bool {
	info, err := m.file.Stat()
	return err != nil || info.Size() >= int64(n)
}

// changed reports whether the file was modified since it was mapped.
func (m *mapping) changed() bool {
	info, err := m.file.Stat()
	return err == nil && (info.Size() != m.as.Size() || !info.ModTime().Equal(m.as.ModTime()))
}

// guarded runs f and reports whether f could read all that it wanted of m. If
// not, f was interrupted, and off is the offset of the unreadable page. A
// runtime error in f while the file is being overwritten counts as off 0,
// because f may have read different values from one place. The goroutine must
// have set debug.SetPanicOnFault.
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

// address returns the address of m.
func (m *mapping) address() uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(m.data))) }

// offset returns the offset in the file of b, which is a part of m.
func (m *mapping) offset(b []byte) int {
	return int(uintptr(unsafe.Pointer(unsafe.SliceData(b))) - m.address())
}

// A layout describes where the length of a record is in a file.
type layout struct {
	ng    bool
	size  int    // offset of the length in the record
	more  int    // bytes of the record that the length does not count
	least uint32 // minimum of the length
	unit  uint32 // pcap: units of the fraction of a second
}

// layout returns the layout of r's records. ok is false for rare forms, whose
// records are not guessed.
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
	// walkers is from how many places records are followed concurrently: enough
	// to keep all miss buffers of a core busy.
	walkers = 16
	// headers is how many bytes of a record are loaded: its own header and those
	// of Ethernet, IPv6 and TCP.
	headers = 112
	// guessWithin is how far a record's beginning is searched: twice the longest
	// frame of most networks.
	guessWithin = 3 << 10
	// longGuess is the longest frame that a guess accepts.
	longGuess = 256 << 10
)

// warm loads the headers of the records in data[from:to] into the cache, and
// returns from how many places it followed records. sec is the time in seconds
// of a nearby record.
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
	// This loop should wait for cache misses only, so it is minimal. The
	// comparison of at with end keeps it within data.
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

// guess returns an index in data, at or after from, where a record seems to
// begin, or -1.
func (l *layout) guess(data []byte, from int, sec uint32) int {
	// Search for the upper half of a time, or for an Enhanced Packet Block.
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

// Whether mapping is faster depends on how the system caches the file. Of
// every compareEvery blocks that might be mapped, compareBlocks are mapped and
// as many are read. The rest uses the faster way.
const (
	compareEvery  = 128
	compareBlocks = 3
	// mapBelow is the maximum percentage of the read time that mapping may take.
	// Mapping also has later costs.
	mapBelow = 60
	longTime = 1 << 40 // longer than any block takes, in nanoseconds
)

// choose reports whether to map the next block, and whether to measure its
// loading.
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

// note records that loading p took d.
func (l *lane) note(p *piece, d time.Duration) {
	t, took := min(int64(d)*(1<<20)/int64(max(p.n, 1)), longTime), &l.took[0]
	if p.mapped {
		took = &l.took[1]
	}
	// A longer time may be due to an interruption, so it has less weight. Two
	// workers may overwrite each other's value, which is only a hint.
	if before := took.Load(); t > before {
		t = before + min(t-before, 4*before)/8
	}
	took.Store(t)
}
