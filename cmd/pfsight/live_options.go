package main

import (
	"crypto/x509"
	"os"
	"slices"
	"strings"
	"time"

	"pfsight/capture/live"
	"pfsight/cmd/pfsight/internal/confine"
	"pfsight/cmd/pfsight/internal/memory"
	"pfsight/cmd/pfsight/internal/process"
	"pfsight/cmd/pfsight/internal/sensor"
	"pfsight/cmd/pfsight/internal/sink"
	"pfsight/cmd/pfsight/internal/terminal"
	"pfsight/report/render"
)

// options checks and resolves the flags. Its errors say what to do instead.
func (f *liveFlags) options(a *app, args []string) (*sensor.Options, error) {
	o := &sensor.Options{
		Version: version(), MaxPackets: f.count, Duration: f.duration, Workers: f.workers,
		Outputs: f.outputs, Interval: f.interval, Quiet: f.quiet, Listen: f.listen, WebConfig: f.webConfig, Sandbox: !f.noSandbox,
		Capture: live.Options{Interfaces: f.interfaces, Filter: f.filter, Snaplen: f.snaplen, Rings: f.rings, Blocks: f.blocks, NoPromiscuous: f.noPromiscuous, WholeBulk: f.wholeBulk},
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
		return nil, usagef("--web-config needs --listen ADDR")
	}
	if err := checkFilter(f.filter); err != nil {
		return nil, err
	}
	var err error
	if o.Where, err = compileWhere(f.where); err != nil {
		return nil, err
	}
	switch f.events {
	case "all":
		o.Events = []render.Event{render.Handshake, render.End}
	case "handshake", "end":
		o.Events = []render.Event{render.Event(f.events)}
	default:
		return nil, usagef("--events %q: choose handshake, end or all", f.events)
	}
	if o.Memory, err = a.memoryLimit(f.memory, f.memoryGiven(), f.quiet); err != nil {
		return nil, err
	}
	if o.Memory < memory.Least {
		return nil, usagef("--memory %s: use %dM or more", f.memory, memory.Least>>20)
	}
	if o.Sink, err = f.sinkOptions(o.Outputs); err != nil {
		return nil, err
	}
	n, err := memory.Parse(f.blockSize)
	if err != nil {
		return nil, usagef("--block-size %q: %w", f.blockSize, err)
	}
	o.Capture.BlockSize = int(n)
	sensor.FitRings(&o.Capture, o.Memory, f.workers)
	if err := o.Capture.Check(); err != nil {
		return nil, process.Usage(err)
	}
	if ok, take, leave := sensor.RingsFit(&o.Capture, o.Memory); !ok && (f.rings != 0 || f.blocks != 0) {
		return nil, usagef("--rings and --blocks take %dM of --memory %s: leave %dM of it or more", take>>20, f.memory, leave>>20)
	}
	if f.user != "" {
		if o.User, err = confine.LookupUser(f.user); err != nil {
			return nil, usagef("--user %s: %w", f.user, err)
		}
	}
	return o, f.display(a, o)
}

// display resolves what is shown on standard output.
func (f *liveFlags) display(a *app, o *sensor.Options) (err error) {
	tty := terminal.Is(a.Stdout)
	toStdout := slices.Contains(o.Outputs, "-")
	switch {
	case f.plain:
		if toStdout {
			return usagef("--plain and -o - both want standard output")
		}
		o.Lines = true
	case tty && !toStdout:
		o.Screen = !terminal.Dumb() && terminal.Is(a.Stdin)
		o.Lines = !o.Screen
	case len(o.Outputs) == 0:
		o.Outputs = []string{"-"}
	}
	o.Render.Top = f.top
	if tty {
		o.Render.Width = terminal.Width(a.Stdout)
		o.Render.ASCII = !terminal.UTF8()
	}
	o.Render.Color, err = useColor(f.color, tty)
	return err
}

// sinkOptions resolves the options of files and TLS connections among outputs.
func (f *liveFlags) sinkOptions(outputs []string) (o sink.Options, err error) {
	o.Age = f.rotateEvery
	if f.rotateSize != "" {
		if o.Size, err = memory.Parse(f.rotateSize); err != nil {
			return o, usagef("--rotate-size %q: %w", f.rotateSize, err)
		}
	}
	o.Keep.Files, o.Keep.Age = f.rotateKeep, f.rotateKeepFor
	if f.rotateKeepSize != "" {
		if o.Keep.Size, err = memory.Parse(f.rotateKeepSize); err != nil {
			return o, usagef("--rotate-keep-size %q: %w", f.rotateKeepSize, err)
		}
	}
	switch {
	case f.rotateKeep < 0:
		return o, usagef("--rotate-keep %d: keep at least 1 file", f.rotateKeep)
	case f.rotateKeepFor < 0:
		return o, usagef("--rotate-keep-for %v: use a time such as 720h", f.rotateKeepFor)
	case o.Keep != sink.Retention{} && o.Size == 0 && o.Age == 0:
		return o, usagef("--rotate-keep, --rotate-keep-size and --rotate-keep-for need --rotate-size or --rotate-every")
	}
	withTLS := slices.ContainsFunc(outputs, func(dest string) bool { return strings.HasPrefix(dest, "tls:") })
	switch {
	case !withTLS && f.sinkCA != "":
		return o, usagef("--sink-ca needs an output tls:HOST:PORT")
	case f.sinkCA != "":
		pem, err := os.ReadFile(f.sinkCA)
		if err != nil {
			return o, usagef("--sink-ca: %w", err)
		}
		if o.Roots = x509.NewCertPool(); !o.Roots.AppendCertsFromPEM(pem) {
			return o, usagef("--sink-ca %s: no certificate in PEM", f.sinkCA)
		}
	case withTLS:
		// Read now: later the sandbox forbids the files of the system.
		if o.Roots, err = x509.SystemCertPool(); err != nil {
			return o, usagef("-o tls: the system's certificates: %w; name a file with --sink-ca", err)
		}
	}
	return o, nil
}
