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

// Options configure Open. The zero value is the default.
type Options struct {
	// Recursive includes the folders inside a folder. Default: only the files
	// directly in it.
	Recursive bool
	// Except is a file to skip in folders, such as the output file. Default:
	// none.
	Except os.FileInfo
	// Stdin is read for an input named "-". Default: os.Stdin.
	Stdin io.Reader
	// Follow waits for more at the end of a file, and reads new files of a folder
	// in the order of their names. Reading ends when Stop is closed. It also ends
	// if only files were named, the last one is a pipe, and the pipe ends. Inputs
	// are read one after the other.
	Follow bool
	Stop   <-chan struct{}
	// Other reads inputs that are not captures: named ones, and those in a folder
	// without captures. Default: none. It is not used with Follow.
	Other *Other
	// Memory is the limit in bytes for the buffers and decompression windows of
	// all open inputs together. An input that does not fit waits until another
	// one has ended. An input that can never fit is a Problem. Default: 256 MiB.
	Memory int64

	mem *budget // the budget of Memory
}

// An Other reads inputs that are not captures. Files are read before all
// captures, other inputs in their turn.
type Other struct {
	// Detect reports whether head, the beginning of an input, is of this kind.
	// Compressed content is already unpacked. end says that head is the whole
	// input. If more is true, Detect is called again with a longer head.
	Detect func(head []byte, end bool) (is, more bool)
	// Read reads an input from its beginning. An error becomes a Problem.
	Read func(name string, content io.Reader) error
}

// Other.Detect sees headSize bytes of an input first, and at most mostHead.
const (
	headSize = 64 << 10
	mostHead = 16 << 20
)

// takes reports whether o reads the content of r, which is not a capture.
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

// A Problem is an error of one input. The other inputs, and the rest of this
// one if possible, are read nevertheless.
type Problem struct {
	File string
	Err  error
	// Skipped says that nothing of the input could be read.
	Skipped bool
}

// Error names the file: "reading x.pcap: packet 17: ...".
func (p Problem) Error() string { return fmt.Sprintf("reading %s: %v", p.File, p.Err) }

// Unwrap returns Err.
func (p Problem) Unwrap() error { return p.Err }

// An input is a file that holds packets, or standard input.
type input struct {
	name  string
	size  int64
	first int64 // time of the first packet
	empty bool  // a capture without packets
	other bool  // read by Options.Other
	found bool  // found in a followed folder, so it need not be a capture
}

// collect finds the inputs that paths name. Unusable ones become Problems.
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
		// Saved records next to captures mostly describe the same connections, which
		// would be counted twice.
		if isOther := func(i input) bool { return i.other }; slices.ContainsFunc(in[n:], func(i input) bool { return !i.other }) {
			in = append(in[:n], slices.DeleteFunc(in[n:], isOther)...)
		}
		if len(in) == n {
			bad = append(bad, Problem{p, errors.New("no capture in this folder"), true})
		}
	}
	return in, bad
}

// maxFolders is the maximum nesting depth of folders with Options.Recursive.
const maxFolders = 64

// A visit walks the files of folders. It follows symbolic links. Each folder
// is visited once, so cycles of links end.
type visit struct {
	recursive bool
	depth     int
	seen      map[string]bool // folders by their names without symbolic links
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
		case err != nil: // removed meanwhile, or a dangling link
		case info.Mode().IsRegular():
			v.file(path, info)
		case info.IsDir() && v.recursive:
			v.folder(path)
		}
	}
}

// folder adds the captures of a folder and skips its other files.
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

// peek adds the file at path, with the time of its first packet.
func peek(in []input, bad []Problem, path string, st fs.FileInfo, opt *Options) ([]input, []Problem) {
	i, other := input{name: path, size: st.Size()}, opt.Other
	if !st.Mode().IsRegular() {
		return append(in, i), bad // a pipe can be read only once
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
	// If the first packets have no time, they get that of the first one with a
	// time.
	i.first, i.empty = r.firstTime()
	return append(in, i), bad
}

// peekSize is how many bytes of a file are searched for its first time.
const peekSize = 4 << 20

// firstTime returns the time of the first packet that has one, or 0 if none is
// found. empty says that there are no packets.
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

// order sorts the inputs by the time of their first packets. Inputs that
// cannot be read in advance, such as standard input, keep their order and come
// last.
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

// cause removes the path from an error of package os, because the Problem
// names it.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
