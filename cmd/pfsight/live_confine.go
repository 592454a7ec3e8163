package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// confine gives up what the capture does not need: with --user everything but
// the right to capture, which an interface that comes back needs again; then,
// as far as the system can, all files but the outputs' folders and what is
// read while running, all connections but the outputs', and all system calls
// that are not needed. What is in force, and what could not be done, is told;
// only a user that the process cannot become is an error.
func (r *liveRun) confine() error {
	o := r.opt
	if o.user == nil && !o.sandbox {
		return nil
	}
	var files []*fileOutlet // regular ones
	need := reach{listen: o.listen != "", packets: true}
	for _, k := range r.sinks {
		switch out := k.out.(type) {
		case *fileOutlet:
			if out.regular() {
				files = append(files, out)
				need.write = append(need.write, filepath.Dir(out.path))
			} else {
				need.open = append(need.open, out.path)
			}
		case *socketOutlet:
			need.connects(out)
		case *syslogOutlet:
			need.local = append(need.local, syslogPaths...)
		}
	}
	if o.screen {
		need.read = append(need.read, "/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo")
	}
	if o.listen != "" {
		// The metrics have the process's own counts, and since when it runs.
		need.read = append(need.read, "/proc/self", "/proc/stat")
	}
	if o.webConfig != "" {
		keys, err := webConfigFiles(o.webConfig)
		if err != nil {
			return err
		}
		for _, file := range keys {
			need.readKept(file, r.tell)
		}
	}
	if o.user != nil {
		for _, f := range files {
			if err := f.f.Chown(o.user.uid, o.user.gid); err != nil {
				return fmt.Errorf("--user %s: %w", o.user.name, err)
			}
		}
	}
	_ = time.Now().Local().String() // the time zone is read once
	done, err := giveUp(o.user)
	if err != nil {
		return err
	}
	if o.sandbox {
		more, err := sandbox(need)
		done = append(done, more...)
		if err != nil {
			r.tell("not confined to its files: %v", err)
		}
		filtered, err := filterSystemCalls(need.calls())
		if err != nil {
			r.tell("not confined to its system calls: %v", err)
		} else if filtered != "" {
			done = append(done, filtered)
		}
	}
	if len(done) > 0 {
		r.tell("gave up %s", strings.Join(done, ", "))
	}
	for _, f := range files {
		if err := f.check(); err != nil {
			err = fmt.Errorf("without these rights no file can be made beside %s, as is needed for the next one: %w", f.path, err)
			if o.user != nil {
				return err
			}
			r.tell("%v; --no-sandbox keeps them", err)
		}
	}
	return nil
}

// A reach is what the process still needs of the system.
type reach struct {
	write   []string // folders in which files are made, read, renamed and removed
	open    []string // files that are there, to write to
	result  []string // files that are replaced, in one of write
	read    []string // files, and folders with all that is in them
	local   []string // Unix sockets to connect to
	connect []uint16 // ports of TCP to connect to
	resolve bool     // names are looked up
	listen  bool     // connections are taken
	packets bool     // interfaces are captured on, and opened again
}

// connects adds what a socket's connections need.
func (n *reach) connects(s *socketOutlet) {
	if s.network != "tcp" {
		n.local = append(n.local, s.address)
		return
	}
	host, port, err := net.SplitHostPort(s.address)
	if err != nil {
		return
	}
	if p, err := net.LookupPort("tcp", port); err == nil {
		n.connect = append(n.connect, uint16(p))
	}
	if _, err := netip.ParseAddr(host); err != nil {
		n.resolve = true
		n.connect = append(n.connect, 53) // DNS, where an answer is too long for UDP
		n.read = append(n.read, "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services")
		// It is replaced when the network changes.
		if to, err := filepath.EvalSymlinks("/etc/resolv.conf"); err == nil && filepath.Dir(to) != "/etc" {
			n.read = append(n.read, filepath.Dir(to))
		}
	}
}

// wide are folders that hold much more than what a program needs.
var wide = []string{"/", "/etc", "/etc/ssl", "/etc/pki", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/usr/local", "/usr/local/etc", "/var", "/var/lib", "/var/tmp"}

// readKept adds a file that is read again while running, and may be replaced
// by another of its name: the folder that it lies in, and the one that it
// leads to, are readable. Of folders that hold much else only the file is.
func (n *reach) readKept(file string, tell func(string, ...any)) {
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		real = file
	}
	narrow := false
	for _, path := range []string{file, real} {
		if dir, err := filepath.Abs(filepath.Dir(path)); err == nil {
			if to, err := filepath.EvalSymlinks(dir); err == nil {
				dir = to
			}
			if !slices.Contains(wide, dir) && dir != homeFolder() {
				n.read = append(n.read, dir)
				continue
			}
		}
		n.read = append(n.read, path)
		narrow = true
	}
	if narrow {
		tell("%s: a file that takes its place is not read before a new start; in a folder of its own it is", file)
	}
}

func homeFolder() string {
	dir, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return dir
}

// regular reports whether the outlet's file is a regular one.
func (o *fileOutlet) regular() bool {
	if o.f == nil {
		return false
	}
	st, err := o.f.Stat()
	return err == nil && st.Mode().IsRegular()
}

// check makes a file beside the outlet's and removes it.
func (o *fileOutlet) check() error {
	f, err := os.CreateTemp(filepath.Dir(o.path), ".pfsight-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
