package capture

// A table finds entries by the hash of their key. It uses open addressing with
// slots of 8 bytes, so that an unsuccessful lookup reads one cache line. A
// slot holds 32 bits of the hash and a reference to a slab. The caller checks
// whether the entry has the right key.
type table struct {
	slots []slot // the length is a power of two
	mask  uint32
	n     int
}

type slot struct {
	tag uint32
	ref uint32 // 0: empty
}

const tableStart = 1 << 12

func newTable() table {
	return table{slots: make([]slot, tableStart), mask: tableStart - 1}
}

// tagOf returns the bits of a hash that the table uses.
func tagOf(hash uint64) uint32 { return uint32(hash >> 32) }

// insert adds a reference that is not in the table.
func (t *table) insert(tag, ref uint32) {
	if t.n >= len(t.slots)*5/8 {
		t.grow()
	}
	i := tag & t.mask
	for t.slots[i].ref != 0 {
		i = (i + 1) & t.mask
	}
	t.slots[i] = slot{tag, ref}
	t.n++
}

// replace replaces the reference old by now.
func (t *table) replace(tag, old, now uint32) {
	for i := tag & t.mask; t.slots[i].ref != 0; i = (i + 1) & t.mask {
		if t.slots[i].ref == old {
			t.slots[i].ref = now
			return
		}
	}
}

// remove removes a reference and closes the gap in the probe sequence.
func (t *table) remove(tag, ref uint32) {
	i := tag & t.mask
	for t.slots[i].ref != ref {
		if t.slots[i].ref == 0 {
			return
		}
		i = (i + 1) & t.mask
	}
	t.n--
	for j := i; ; {
		j = (j + 1) & t.mask
		s := t.slots[j]
		if s.ref == 0 {
			break
		}
		// s may move to slot i unless its home is cyclically in (i, j].
		if home := s.tag & t.mask; (j-home)&t.mask >= (j-i)&t.mask {
			t.slots[i] = s
			i = j
		}
	}
	t.slots[i] = slot{}
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]slot, 2*len(old))
	t.mask = uint32(len(t.slots) - 1)
	for _, s := range old {
		if s.ref == 0 {
			continue
		}
		i := s.tag & t.mask
		for t.slots[i].ref != 0 {
			i = (i + 1) & t.mask
		}
		t.slots[i] = s
	}
}

// A slab holds values of one size in chunks, so that growing does not move
// them. Its references begin at 1.
type slab[T any] struct {
	chunks []*[chunkSize]T
	free   []uint32
	used   uint32 // references handed out so far
	n      int    // in use
}

const (
	chunkBits = 12
	chunkSize = 1 << chunkBits
)

func (s *slab[T]) get(ref uint32) *T {
	ref--
	return &s.chunks[ref>>chunkBits][ref&(chunkSize-1)]
}

func (s *slab[T]) add() (uint32, *T) {
	s.n++
	if k := len(s.free); k > 0 {
		ref := s.free[k-1]
		s.free = s.free[:k-1]
		return ref, s.get(ref)
	}
	if int(s.used)>>chunkBits == len(s.chunks) {
		s.chunks = append(s.chunks, new([chunkSize]T))
	}
	s.used++
	return s.used, s.get(s.used)
}

func (s *slab[T]) release(ref uint32) {
	var zero T
	*s.get(ref) = zero
	s.free = append(s.free, ref)
	s.n--
}
