package capture

// A clock is the capture time of one input. It decides which connections are
// idle. A single packet with a wrong time must not end live connections, so a
// jump takes effect only if a second packet in a row confirms it. The zero
// value has no time yet.
type clock struct {
	time    int64 // nanoseconds since 1970 UTC
	outlier int64 // time of the last packet if it was too far from time; otherwise 0
	ended   bool  // the input ended: its connections use the active clock
}

// advance takes the time of the next packet, 0 if it has none. It returns now,
// the time for judging what is idle, and last, the time of the packet for its
// connection. last may be ahead of now: the packet may be the first after a
// jump.
func (c *clock) advance(time int64) (now, last int64) {
	d := time - c.time
	switch {
	case time == 0:
		return c.time, c.time
	case d >= 0 && d <= jump, c.time == 0:
		c.time = time
	case d < 0 && d >= -jump: // out of order, for example packets of several interfaces
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

// clocks are the clocks of all inputs that are open at the same time. A
// connection holds the index of its input's clock.
type clocks struct {
	all    [256]clock // more than the number of files that are ever open
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
	for range len(c.all) { // reuse the clock of an ended input, or else the oldest one
		c.next++
		if x := &c.all[c.next]; x.ended || c.inUse[c.next] == "" {
			break
		}
	}
	delete(c.names, c.inUse[c.next])
	c.names[name], c.inUse[c.next], c.all[c.next], c.active = c.next, name, clock{}, c.next
}

// end marks the input with this name as ended.
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

// latest returns the time of clock i, or that of its last packet if it is later
// and not confirmed yet.
func (c *clocks) latest(i uint8) int64 {
	if c.all[i].ended {
		i = c.active
	}
	return max(c.all[i].time, c.all[i].outlier)
}

// shift adds d to all clocks.
func (c *clocks) shift(d int64) {
	for i := range c.all {
		if c.all[i].time != 0 {
			c.all[i].time += d
		}
	}
}
