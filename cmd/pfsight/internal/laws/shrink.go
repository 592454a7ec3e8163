package laws

import "slices"

// Shrink returns a smaller composition for which fails is true, as it is for
// c. It tries fewer changes, smaller parameters, and a smaller part of the
// capture.
func Shrink(c Composition, base *Capture, fails func(Composition) bool) Composition {
	for {
		before := c.String()
		c = fewer(c, fails)
		c = lesser(c, fails)
		c = smaller(c, base, fails)
		if c.String() == before {
			return c
		}
	}
}

// fewer removes changes.
func fewer(c Composition, fails func(Composition) bool) Composition {
	for i := 0; i < len(c.Changes); {
		try := c
		try.Changes = slices.Delete(slices.Clone(c.Changes), i, i+1)
		if fails(try) {
			c = try
		} else {
			i++
		}
	}
	return c
}

// lesser reduces parameters: to the minimum, and then by halves.
func lesser(c Composition, fails func(Composition) bool) Composition {
	for i := range c.Changes {
		for k, p := range c.Changes[i].Params {
			set := func(v int) bool {
				try := c
				try.Changes = slices.Clone(c.Changes)
				try.Changes[i].Args = slices.Clone(c.Changes[i].Args)
				try.Changes[i].Args[k] = v
				if !fails(try) {
					return false
				}
				c = try
				return true
			}
			least := p.Min
			if least < 0 {
				least = 0
			}
			now := func() int { return c.Changes[i].Args[k] }
			if now() == least || set(least) {
				continue
			}
			for step := (now() - least) / 2; step != 0; step /= 2 {
				for inside(now()-step, least, now()) && set(now()-step) {
					continue
				}
			}
		}
	}
	return c
}

// inside reports whether v is between least and now, exclusive.
func inside(v, least, now int) bool {
	return least < v && v < now || now < v && v < least
}

// smaller uses a single connection, and removes packets at the end.
func smaller(c Composition, base *Capture, fails func(Composition) bool) Composition {
	conns := 0
	for i := range base.Packets {
		conns = max(conns, base.Packets[i].conn)
	}
	for n := 1; n <= conns && conns > 1 && c.Conn == 0; n++ {
		try := c
		try.Conn, try.To = n, 0
		if fails(try) {
			c = try
		}
	}
	n := len(c.Part(base))
	for step := n / 2; step > 0; step /= 2 {
		for n > step {
			try := c
			try.To = n - step
			if !fails(try) {
				break
			}
			c, n = try, try.To
		}
	}
	return c
}
