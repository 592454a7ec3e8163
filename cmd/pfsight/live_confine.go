package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// confine gives up what the capture does not need: with --user everything but
// the right to capture, which an interface that comes back needs again; then,
// as far as the system can, all files but the outputs' folders and what is
// read while running, and all connections but the outputs'. What could not be
// done is told; only a user that the process cannot become is an error.
func (r *liveRun) confine() error {
	o := r.opt
	if o.user == nil && !o.sandbox {
		return nil
	}
	var files []*fileOutlet
	for _, k := range r.sinks {
		if f, ok := k.out.(*fileOutlet); ok && f.regular() {
			files = append(files, f)
		}
	}
	if o.user != nil {
		for _, f := range files {
			if err := f.f.Chown(o.user.uid, o.user.gid); err != nil {
				return fmt.Errorf("--user %s: %w", o.user.name, err)
			}
		}
	}
	done, err := giveUp(o.user)
	if err != nil {
		return err
	}
	if o.sandbox {
		more, err := sandbox(r.reach(files))
		done = append(done, more...)
		if err != nil {
			r.tell("not confined to its files: %v", err)
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
	write   []string // folders
	read    []string // folders
	connect []uint16 // ports of TCP
}

func (r *liveRun) reach(files []*fileOutlet) reach {
	// Names and time zones, what a terminal can do, the process's own counts.
	need := reach{read: []string{"/etc", "/usr/share", "/lib/terminfo", "/proc"}}
	for _, f := range files {
		need.write = append(need.write, filepath.Dir(f.path))
	}
	if r.opt.webConfig != "" {
		need.read = []string{"/"} // keys that it names are read again at each connection
	}
	for _, dest := range r.opt.outputs {
		if addr, ok := strings.CutPrefix(dest, "tcp:"); ok {
			if _, port, err := net.SplitHostPort(addr); err == nil {
				if n, err := strconv.ParseUint(port, 10, 16); err == nil {
					need.connect = append(need.connect, uint16(n), 53)
				}
			}
		}
	}
	return need
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
