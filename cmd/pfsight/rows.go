package main

import "pfsight/report"

// openRows holds the rows of connections that have not ended, by
// capture.Event.Ref.
type openRows []*report.Connection

func (o *openRows) put(ref uint32, r *report.Connection) {
	for int(ref) >= len(*o) {
		*o = append(*o, nil)
	}
	(*o)[ref] = r
}

// take takes a row out. It returns nil for what was no handshake.
func (o openRows) take(ref uint32) *report.Connection {
	if int(ref) >= len(o) {
		return nil
	}
	r := o[ref]
	o[ref] = nil
	return r
}
