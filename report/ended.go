package report

// Ended adds what became known at the end of a connection that Add counted
// when its handshake was read: its bytes, and how long it went on. It is for
// a Report that is looked at while connections live; elsewhere Add is given
// whole rows and Ended is not called. c must have been added with zero Totals.
func (r *Report) Ended(c *Connection) {
	if !c.HasServerHello {
		return
	}
	n, end := c.Totals.Bytes[0]+c.Totals.Bytes[1], max(c.Time, c.Totals.Last)
	if _, e := r.serverAt(c); e != nil {
		e.value.bytes += n
	}
	r.keys.ended(c.EphemeralKey, end)
	r.ticketKeys.ended(c.TicketKey, end)
	if !c.exposes() {
		return
	}
	if e := r.exposed.get(c.Certificate.SPKI); e != nil {
		e.value.bytes += n
		e.value.last = max(e.value.last, end)
	}
}
