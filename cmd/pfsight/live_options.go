package main

import (
	"crypto/x509"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"pfsight/capture/filter"
	"pfsight/capture/live"
	"pfsight/report/render"
	"pfsight/report/where"
)

// liveOptions are the flags of live, checked and resolved.
type liveOptions struct {
	capture     live.Options
	count       uint64
	duration    time.Duration
	outputs     []string
	events      []render.Event
	rotateSize  int64
	rotateEvery time.Duration
	keep        retention      // of rotated files
	sinkRoots   *x509.CertPool // of tls: outputs
	interval    time.Duration
	screen      bool // on a terminal
	lines       bool // for people, on standard output
	quiet       bool
	listen      string
	webConfig   string
	user        *identity
	sandbox     bool
	memory      budget
	workers     int
	render      render.Options
	// where says which connections events tell of; nil: all.
	where *where.Filter
}

// An identity is whom the process becomes.
type identity struct {
	name     string
	uid, gid int
	groups   []int
}

// maxAutoRings is how many rings an interface gets without being asked.
const maxAutoRings = 8

// options resolves what was typed. Its errors say what to do instead.
func (f *liveFlags) options(a *app, args []string) (*liveOptions, error) {
	o := &liveOptions{
		count: f.count, duration: f.duration, outputs: f.outputs, rotateEvery: f.rotateEvery, interval: f.interval, quiet: f.quiet,
		listen: f.listen, webConfig: f.webConfig, sandbox: !f.noSandbox, workers: f.workers,
		capture: live.Options{Interfaces: f.interfaces, Filter: f.filter, Snaplen: f.snaplen, Rings: f.rings, Blocks: f.blocks, NoPromiscuous: f.noPromiscuous, WholeBulk: f.wholeBulk},
	}
	switch {
	case len(args) > 0:
		return nil, usagef("live reads interfaces: use -i %s, or 'pfsight read %s' for a file", args[0], args[0])
	case len(f.interfaces) == 0:
		return nil, usagef("no interface named: use -i IFACE; 'pfsight interfaces' lists them")
	case f.workers < 1 || f.workers > maxWorkers:
		return nil, usagef("-j %d: use 1 to %d cores", f.workers, maxWorkers)
	case f.interval < 0 || f.interval > 0 && f.interval < time.Second:
		return nil, usagef("--interval %v: use 1s or more", f.interval)
	case f.rotateEvery < 0 || f.rotateEvery > 0 && f.rotateEvery < time.Second:
		return nil, usagef("--rotate-every %v: use 1s or more", f.rotateEvery)
	case f.duration < 0:
		return nil, usagef("--duration %v: use a time such as 10m", f.duration)
	case f.top < 1:
		return nil, usagef("--top %d: show at least 1 row", f.top)
	case f.webConfig != "" && f.listen == "":
		return nil, usagef("--web-config is of --listen: say at which address")
	}
	if f.filter != "" {
		if err := filter.Validate(f.filter); err != nil {
			return nil, badFilter(f.filter, err)
		}
	}
	if f.where != "" {
		w, err := where.Compile(f.where)
		if err != nil {
			return nil, usagef("--where: %w", err)
		}
		o.where = w
	}
	switch f.events {
	case "all":
		o.events = []render.Event{render.Handshake, render.End}
	case "handshake", "end":
		o.events = []render.Event{render.Event(f.events)}
	default:
		return nil, usagef("--events %q: choose handshake, end or all", f.events)
	}
	memory, more, err := memoryOf(f.memory, f.memoryGiven())
	if err != nil {
		return nil, usagef("--memory %q: %w", f.memory, err)
	}
	if more && !f.quiet {
		a.warn("--memory %s is more than the system grants this process", f.memory)
	}
	if memory < leastMemory {
		return nil, usagef("--memory %s: use 32M or more", f.memory)
	}
	if f.rotateSize != "" {
		if o.rotateSize, err = size(f.rotateSize); err != nil {
			return nil, usagef("--rotate-size %q: %w", f.rotateSize, err)
		}
	}
	if err := o.sinks(f); err != nil {
		return nil, err
	}
	n, err := size(f.blockSize)
	if err != nil {
		return nil, usagef("--block-size %q: %w", f.blockSize, err)
	}
	o.capture.BlockSize = int(n)
	if f.rings == 0 {
		o.capture.Rings = min(f.workers, maxAutoRings, rings(memory, &o.capture))
	}
	if f.blocks == 0 {
		o.capture.Blocks = blocks(memory, &o.capture)
	}
	if err := o.capture.Check(); err != nil {
		return nil, usageError{err}
	}
	if n := ringsTake(&o.capture); n > memory-leastMemory/2 && (f.rings != 0 || f.blocks != 0) {
		return nil, usagef("--rings and --blocks take %dM of --memory %s: leave %dM of it or more", n>>20, f.memory, leastMemory/2>>20)
	}
	o.memory = divide(memory, o)
	if f.user != "" {
		if o.user, err = identify(f.user); err != nil {
			return nil, usagef("--user %s: %w", f.user, err)
		}
	}
	return o, o.look(a, f)
}

// look resolves what is shown where.
func (o *liveOptions) look(a *app, f *liveFlags) error {
	tty := isTerminal(a.stdout)
	toStdout := slices.Contains(o.outputs, "-")
	switch {
	case f.plain:
		if toStdout {
			return usagef("--plain and -o - both want standard output")
		}
		o.lines = true
	case tty && !toStdout:
		o.screen = os.Getenv("TERM") != "dumb"
		if in, ok := a.stdin.(*os.File); !ok || !term.IsTerminal(int(in.Fd())) {
			o.screen = false
		}
		o.lines = !o.screen
	case len(o.outputs) == 0:
		o.outputs = []string{"-"}
	}
	o.render.Top = f.top
	if tty {
		o.render.Width = terminalWidth(a.stdout)
		o.render.ASCII = !utf8Locale()
	}
	switch f.color {
	case "auto":
		o.render.Color = tty && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	case "always":
		o.render.Color = os.Getenv("NO_COLOR") == ""
	case "never":
	default:
		return usagef("--color %q: choose auto, always or never", f.color)
	}
	return nil
}

// sinks resolves what outputs need beside their names.
func (o *liveOptions) sinks(f *liveFlags) (err error) {
	o.keep.files, o.keep.age = f.rotateKeep, f.rotateKeepFor
	if f.rotateKeepSize != "" {
		if o.keep.size, err = size(f.rotateKeepSize); err != nil {
			return usagef("--rotate-keep-size %q: %w", f.rotateKeepSize, err)
		}
	}
	switch {
	case f.rotateKeep < 0:
		return usagef("--rotate-keep %d: keep at least 1 file", f.rotateKeep)
	case f.rotateKeepFor < 0:
		return usagef("--rotate-keep-for %v: use a time such as 720h", f.rotateKeepFor)
	case o.keep != retention{} && o.rotateSize == 0 && o.rotateEvery == 0:
		return usagef("--rotate-keep, --rotate-keep-size and --rotate-keep-for are of files that --rotate-size or --rotate-every made")
	}
	withTLS := slices.ContainsFunc(o.outputs, func(dest string) bool { return strings.HasPrefix(dest, "tls:") })
	switch {
	case !withTLS && f.sinkCA != "":
		return usagef("--sink-ca is of an output tls:HOST:PORT")
	case f.sinkCA != "":
		pem, err := os.ReadFile(f.sinkCA)
		if err != nil {
			return usagef("--sink-ca: %w", err)
		}
		if o.sinkRoots = x509.NewCertPool(); !o.sinkRoots.AppendCertsFromPEM(pem) {
			return usagef("--sink-ca %s: it has no certificate in PEM", f.sinkCA)
		}
	case withTLS:
		// Now: later the files of the system cannot be read.
		if o.sinkRoots, err = x509.SystemCertPool(); err != nil {
			return usagef("-o tls: the system's certificates: %w; name a file with --sink-ca", err)
		}
	}
	return nil
}

// identify finds a user by name or number.
func identify(name string) (*identity, error) {
	u, err := user.Lookup(name)
	if err != nil {
		var byID error
		if u, byID = user.LookupId(name); byID != nil {
			return nil, err
		}
	}
	id := &identity{name: name}
	if id.uid, err = strconv.Atoi(u.Uid); err != nil {
		return nil, err
	}
	if id.gid, err = strconv.Atoi(u.Gid); err != nil {
		return nil, err
	}
	groups, err := u.GroupIds()
	if err != nil {
		groups = []string{u.Gid}
	}
	for _, g := range groups {
		if n, err := strconv.Atoi(strings.TrimSpace(g)); err == nil {
			id.groups = append(id.groups, n)
		}
	}
	return id, nil
}
