package report

// Ended adds what is known only at the end of a connection: its bytes and its
// duration. It is for a Report that is read while connections are open, where
// Add is called as soon as the handshake was read, with zero Totals. Otherwise
// Add gets complete rows, and Ended is not called.
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
