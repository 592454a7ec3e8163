package report

// A clients is a set of addresses by their hashes, which are counted and not
// named. It is open addressing over the hashes alone: most servers have one
// client or a few, and a map of each costs ten times as much.
type clients struct {
	slots []uint64 // power of two, or none; 0 is empty
	n     int
}

const leastSlots = 4

// add adds the address of a hash if there is room, and reports whether it did.
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

// find returns the place of hash, or the empty one where it would be.
func (c *clients) find(hash uint64) int {
	mask := uint64(len(c.slots) - 1)
	i := hash & mask
	for c.slots[i] != 0 && c.slots[i] != hash {
		i = (i + 1) & mask
	}
	return int(i)
}
