package report

// A clients is a set of hashed addresses, for counting. It uses open addressing
// over the hashes alone. Most servers have few clients, and a Go map for each
// server takes ten times as much memory.
type clients struct {
	slots []uint64 // the length is 0 or a power of two; 0 marks an empty slot
	n     int
}

const leastSlots = 4

// add adds a hash if room is true, and reports whether the set grew.
func (c *clients) add(hash uint64, room bool) bool {
	if hash == 0 {
		hash = 1
	}
	if len(c.slots) > 0 {
		if c.slots[c.find(hash)] == hash {
			return false
		}
	}
	if !room {
		return false
	}
	if c.n >= len(c.slots)*3/4 {
		old := c.slots
		c.slots = make([]uint64, max(leastSlots, 2*len(old)))
		for _, h := range old {
			if h != 0 {
				c.slots[c.find(h)] = h
			}
		}
	}
	c.slots[c.find(hash)] = hash
	c.n++
	return true
}

// find returns the index of hash, or of the empty slot for it.
func (c *clients) find(hash uint64) int {
	mask := uint64(len(c.slots) - 1)
	i := hash & mask
	for c.slots[i] != 0 && c.slots[i] != hash {
		i = (i + 1) & mask
	}
	return int(i)
}
