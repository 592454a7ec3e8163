package sensor

import (
	"time"

	"pfsight/capture/live"
	"pfsight/cmd/pfsight/internal/confine"
	"pfsight/cmd/pfsight/internal/sink"
	"pfsight/report/render"
	"pfsight/report/where"
)

// Options say what a Run does. FitRings sets the rings of Capture.
type Options struct {
	Version    string
	Capture    live.Options
	MaxPackets uint64        // stop after so many; 0: no limit
	Duration   time.Duration // stop after this time; 0: no limit
	Workers    int           // at least 1
	Memory     int64         // bytes that the process may take, including rings

	Outputs []string       // destinations of events; see sink.Open
	Events  []render.Event // that are written
	Where   *where.Filter  // chooses connections whose events are written; nil: all
	Sink    sink.Options   // of files and TLS; Run sets the rest
	Lines   bool           // write a line a handshake for people to standard output
	Screen  bool           // show the screen on standard output

	Interval time.Duration // between two summaries; 0: one at the end
	Quiet    bool          // no messages; a summary only with Interval
	Render   render.Options

	Listen    string // address of the web server; "": none
	WebConfig string // its configuration file; "": none

	User    *confine.User // that the process becomes; nil: no change
	Sandbox bool          // restrict the process with Landlock and seccomp
}
