package capture

// A clock is the capture time of one input, by which its connections idle. One
// packet alone may bear a time that is far from true, and would end what is
// alive: time goes there with the second packet in a row that says so. Zero: no
// packet had a time yet.
type clock struct {
	time    int64 // nanoseconds since 1970 UTC
	outlier int64 // of the last packet, if it was too far from time; else 0
	ended   bool  // the input ended: its connections go by the time of the others
}

// advance takes the time of the next packet, 0 if it has none. It returns the
// time by which to judge what is idle, and that of what the packet belongs to:
// a time that is too far ahead may be the first of many.
func (c *clock) advance(time int64) (now, last int64) {
	d := time - c.time
	switch {
	case time == 0:
		return c.time, c.time
	case d >= 0 && d <= jump, c.time == 0:
		c.time = time
	case d < 0 && d >= -jump: // late, as packets of another interface are
		c.outlier = 0
		return time, time
	case c.outlier != 0 && (c.outlier > c.time) == (d > 0) && time >= c.outlier-jump:
		c.time = time
	default:
		c.outlier = time
		return c.time, max(c.time, time)
	}
	c.outlier = 0
	return c.time, c.time
}

// clocks are those of the inputs that are read at once. The connections of an
// input hold the index of its clock.
type clocks struct {
	all    [256]clock // more than files are ever open at once
	names  map[string]uint8
	inUse  [256]string
	next   uint8
	active uint8
}

// use makes the clock of the input with this name the active one.
func (c *clocks) use(name string) {
	if c.inUse[c.active] == name && !c.all[c.active].ended {
		return
	}
	if i, ok := c.names[name]; ok {
		c.active = i
		return
	}
	if c.names == nil {
		c.names = map[string]uint8{}
	}
	for range len(c.all) { // an input that ended makes room, else the oldest
		c.next++
		if x := &c.all[c.next]; x.ended || c.inUse[c.next] == "" {
			break
		}
	}
	delete(c.names, c.inUse[c.next])
	c.names[name], c.inUse[c.next], c.all[c.next], c.active = c.next, name, clock{}, c.next
}

// end says that an input has ended.
func (c *clocks) end(name string) {
	if i, ok := c.names[name]; ok {
		c.all[i].ended = true
		delete(c.names, name)
		c.inUse[i] = ""
	}
}

// now returns the time of clock i.
func (c *clocks) now(i uint8) int64 {
	if c.all[i].ended {
		return c.all[c.active].time
	}
	return c.all[i].time
}

// shift moves all clocks by d.
func (c *clocks) shift(d int64) {
	for i := range c.all {
		if c.all[i].time != 0 {
			c.all[i].time += d
		}
	}
}
