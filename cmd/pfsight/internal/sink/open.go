package sink

import (
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"pfsight/cmd/pfsight/internal/confine"
	"pfsight/cmd/pfsight/internal/process"
)

// Options are the options of Open. Size, Age and Keep are of files.
type Options struct {
	Stdout io.Writer      // for "-"
	Size   int64          // bytes of a file before the next begins; 0: no limit
	Age    time.Duration  // of a file before the next begins; 0: no limit
	Keep   Retention      // which rotated files stay
	Roots  *x509.CertPool // certificates that tls: destinations trust
	Warn   func(format string, args ...any)
}

// Open opens the destination that -o names: a file, "-", "syslog", "unix:PATH",
// "tcp:HOST:PORT" or "tls:HOST:PORT". A socket is connected later.
func Open(dest string, opt Options) (*Sink, error) {
	out, err := newOutlet(dest, opt)
	if err != nil {
		return nil, err
	}
	name := dest
	if dest == "-" {
		name = "standard output"
	}
	k := newSink(name, out)
	if opt.Warn != nil {
		k.Warn = opt.Warn
	}
	return k, nil
}

func newOutlet(dest string, opt Options) (outlet, error) {
	kind, rest, ok := strings.Cut(dest, ":")
	switch {
	case dest == "-":
		return streamOutlet{opt.Stdout}, nil
	case dest == "syslog":
		return newSyslog()
	case ok && kind == "unix" && rest != "":
		return &socketOutlet{network: kind, address: rest}, nil
	case ok && (kind == "tcp" || kind == "tls") && rest != "":
		host, _, err := net.SplitHostPort(rest)
		if err != nil {
			return nil, process.Usagef("-o %s: name a host and a port, such as %s:collector.example:6514: %w", dest, kind, err)
		}
		s := &socketOutlet{network: "tcp", address: rest}
		if kind == "tls" {
			s.tls = clientTLS(host, opt.Roots)
		}
		return s, nil
	case dest == "":
		return nil, process.Usagef("-o: name a file, - for standard output, syslog, unix:PATH, tcp:HOST:PORT or tls:HOST:PORT")
	}
	f := &fileOutlet{path: dest, maxSize: opt.Size, maxAge: opt.Age, keep: opt.Keep, now: time.Now, warn: opt.Warn}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("writing events: %w", err)
	}
	return f, nil
}

// A streamOutlet writes to a writer that is open from the beginning, such as
// standard output.
type streamOutlet struct{ w io.Writer }

func (s streamOutlet) write(lines []byte) (int, bool, error) {
	n, err := s.w.Write(lines)
	return wholeLines(lines, n), false, err
}
func (s streamOutlet) reopen() error        { return nil }
func (s streamOutlet) close() error         { return nil }
func (s streamOutlet) needs(*confine.Needs) {}

// wholeLines returns how many of the first n bytes are whole lines.
func wholeLines(lines []byte, n int) int {
	n = min(max(n, 0), len(lines))
	for n > 0 && lines[n-1] != '\n' {
		n--
	}
	return n
}
