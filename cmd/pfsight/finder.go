package main

import (
	"pfsight/capture"
	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/report"
)

// A finder makes rows of what one worker's capture.Sink is given.
type finder struct {
	parser  parse.Parser
	builder *report.Builder
	found   []found
	touched byte // keeps the early loads alive
}

// A found is what was made of a capture.Event.
type found struct {
	row    *report.Connection // nil: the connection has ended
	ref    uint32
	totals stream.Totals
}

// Take implements capture.Sink.
func (f *finder) Take(events []capture.Event) {
	clear(f.found)
	f.found = f.found[:0]
	f.touched += touch(events)
	for i := range events {
		e := &events[i]
		if e.Opening == nil {
			f.found = append(f.found, found{ref: e.Ref, totals: e.Totals})
		} else if h := f.parser.Parse(e.Opening); h != nil {
			f.found = append(f.found, found{ref: e.Ref, row: f.builder.Connection(h, e.Opening)})
		}
	}
}

// touch reads a byte of each opening, so that those that come later are on
// their way from memory while the first are parsed.
func touch(events []capture.Event) (n byte) {
	for i := range events {
		if c := events[i].Opening; c != nil {
			for d := range c.Half {
				if b := c.Half[d].Data; len(b) > 0 {
					n += b[0]
				}
			}
		}
	}
	return n
}
