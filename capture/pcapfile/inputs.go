package pcapfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"pfsight/capture/packet"
)

// Options say how inputs are collected. The zero value is the default.
type Options struct {
	// Recursive goes into the folders of a folder. Default: only the files
	// directly in it.
	Recursive bool
	// Except is a file that is passed over where it is in a folder, such as
	// the one that the result is written to. Default: none.
	Except os.FileInfo
	// Stdin is read where an input is named "-". Default: os.Stdin.
	Stdin io.Reader
	// Follow reads on where a file ends, for what is still being written to
	// it, and takes up files that appear in a folder, by their names. The end
	// comes when Stop is closed, or when the last of named files alone is a
	// pipe that ends. Inputs are read one after the other.
	Follow bool
	Stop   <-chan struct{}
	// Other takes inputs that are no captures: those that are named, and those
	// of a folder without a capture. Default: none. Not with Follow.
	Other *Other
	// Memory is how many bytes the inputs that are open at once may take
	// together: buffers, and the windows of decompressors. An input that finds
	// no room waits until another has ended; one that never will is a Problem.
	// Default: 256 MiB.
	Memory int64

	mem *budget // of Memory
}

// An Other reads inputs of another kind than captures. They are read when
// their turn comes, before all captures if they are files.
type Other struct {
	// Detect reports, by the beginning of an input, whether it is of this kind.
	// What is compressed was unpacked. end says that head is all of it. With more,
	// it wants to see a longer beginning.
	Detect func(head []byte, end bool) (is, more bool)
	// Read reads an input from its beginning. An error is a Problem.
	Read func(name string, content io.Reader) error
}

// Other.Detect sees headSize bytes of an input first, and at most mostHead.
const (
	headSize = 64 << 10
	mostHead = 16 << 20
)

// takes reports whether o reads what r found to be no capture.
func (o *Other) takes(r *Reader) bool {
	if o == nil {
		return false
	}
	for n := headSize; ; n *= 2 {
		r.need(n)
		head := r.buf[r.r:min(r.w, r.r+n)]
		is, more := o.Detect(head, len(head) < n)
		if !more || len(head) < n || n == mostHead {
			return is
		}
	}
}

// A Problem is something wrong with an input. The rest is read all the same.
type Problem struct {
	File string
	Err  error
	// Skipped says that nothing of the input could be read.
	Skipped bool
}

// Error names the file: "reading x.pcap: packet 17: ...".
func (p Problem) Error() string { return fmt.Sprintf("reading %s: %v", p.File, p.Err) }

// Unwrap returns the cause.
func (p Problem) Unwrap() error { return p.Err }

// An input is a file that holds packets, or standard input.
type input struct {
	name  string
	size  int64
	first int64 // time of the first packet
	empty bool  // a capture without packets
	other bool  // Other reads it
	found bool  // in a folder that is followed; nobody said that it is a capture
}

// collect finds the inputs that paths name. What cannot be used is a Problem.
func collect(paths []string, opt Options) ([]input, []Problem) {
	var in []input
	var bad []Problem
	for _, p := range paths {
		if p == "-" {
			in = append(in, input{name: "-"})
			continue
		}
		st, err := os.Stat(p)
		if err != nil {
			bad = append(bad, Problem{p, cause(err), true})
			continue
		}
		if !st.IsDir() {
			in, bad = peek(in, bad, p, st, &opt)
			continue
		}
		n := len(in)
		in, bad = folder(in, bad, p, opt)
		// Records that were saved beside captures are of them, mostly: they
		// would count twice.
		if isOther := func(i input) bool { return i.other }; slices.ContainsFunc(in[n:], func(i input) bool { return !i.other }) {
			in = append(in[:n], slices.DeleteFunc(in[n:], isOther)...)
		}
		if len(in) == n {
			bad = append(bad, Problem{p, errors.New("no capture in this folder"), true})
		}
	}
	return in, bad
}

// maxFolders is how deep folders are entered with Options.Recursive.
const maxFolders = 64

// A visit goes through the files of folders. A symbolic link to a folder is a folder.
// Each folder is visited once, so that links that form a cycle do no harm.
type visit struct {
	recursive bool
	depth     int
	seen      map[string]bool // folders, without symbolic links in their names
	file      func(path string, info os.FileInfo)
	fault     func(path string, err error)
}

// folder visits the files of dir in the order of their names.
func (v *visit) folder(dir string) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		v.fault(dir, err)
		return
	}
	if v.seen[real] {
		return
	}
	if v.depth == maxFolders {
		v.fault(dir, fmt.Errorf("folders are nested deeper than %d", maxFolders))
		return
	}
	if v.seen == nil {
		v.seen = map[string]bool{}
	}
	v.seen[real] = true
	v.depth++
	defer func() { v.depth-- }()
	entries, err := os.ReadDir(dir)
	if err != nil {
		v.fault(dir, err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		switch {
		case err != nil: // it is gone, or a link to nothing
		case info.Mode().IsRegular():
			v.file(path, info)
		case info.IsDir() && v.recursive:
			v.folder(path)
		}
	}
}

// folder adds the captures of a folder; other files in it are passed over.
func folder(in []input, bad []Problem, dir string, opt Options) ([]input, []Problem) {
	v := visit{
		recursive: opt.Recursive,
		file: func(path string, st os.FileInfo) {
			if opt.Except != nil && os.SameFile(st, opt.Except) {
				return
			}
			n, m := len(in), len(bad)
			in, bad = peek(in, bad, path, st, &opt)
			if len(bad) > m && len(in) == n && (errors.Is(bad[m].Err, ErrNotCapture) || errors.Is(bad[m].Err, ErrEmpty)) {
				bad = bad[:m]
			}
		},
		fault: func(path string, err error) { bad = append(bad, Problem{path, cause(err), true}) },
	}
	v.folder(dir)
	return in, bad
}

// peek reads the first packet's time.
func peek(in []input, bad []Problem, path string, st fs.FileInfo, opt *Options) ([]input, []Problem) {
	i, other := input{name: path, size: st.Size()}, opt.Other
	if !st.Mode().IsRegular() {
		return append(in, i), bad // a pipe can be read once
	}
	f, err := os.Open(path)
	if err != nil {
		return in, append(bad, Problem{path, cause(err), true})
	}
	defer f.Close()
	r, err := newReader(f, opt.mem)
	if r != nil {
		defer r.Close()
	}
	if errors.Is(err, ErrNotCapture) && other.takes(r) {
		i.other = true
		return append(in, i), bad
	}
	if other != nil && errors.Is(err, ErrNotCapture) {
		err = fmt.Errorf("%w, and no saved records", err)
	}
	if err != nil {
		return in, append(bad, Problem{path, err, true})
	}
	// A file whose first packets have no time takes that of the first that has.
	i.first, i.empty = r.firstTime()
	return append(in, i), bad
}

// peekSize is how far into a file its first time is looked for, bytes.
const peekSize = 4 << 20

// firstTime returns the time of the first packet that has one, 0 if none is
// found, and whether there is no packet at all.
func (r *Reader) firstTime() (first int64, empty bool) {
	empty = true
	for r.base < peekSize {
		var recs [64]packet.Record
		n, err := r.NextBatch(recs[:])
		if n > 0 {
			empty = false
			if first = recs[0].Time; first != 0 {
				break
			}
		}
		if err != nil {
			break
		}
	}
	return first, empty
}

// order puts the inputs in the order of their first packets. What cannot be
// looked at before it is read, such as standard input, keeps its place at the
// end.
func order(in []input) {
	class := func(i input) int {
		switch {
		case i.other:
			return 0
		case i.first != 0:
			return 2
		case i.empty:
			return 1
		}
		return 3
	}
	sort.SliceStable(in, func(a, b int) bool {
		x, y := in[a], in[b]
		if cx, cy := class(x), class(y); cx != cy || cx != 2 {
			return cx < cy
		}
		if x.first != y.first {
			return x.first < y.first
		}
		return x.name < y.name
	})
}

// cause takes the path off an error of package os, since the Problem names it.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
