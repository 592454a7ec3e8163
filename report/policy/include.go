package policy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// includes opens the files that a configuration includes, within limits.
type includes struct {
	dir     string // base of relative names
	left    int    // remaining bytes
	files   int
	entries int // directory entries read so far
}

// open returns the texts of the files that match a pattern, sorted by name. No
// match is not an error.
func (in *includes) open(pattern string) (texts, names []string, err error) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(in.dir, pattern)
	}
	paths, err := in.glob(pattern)
	if err != nil {
		return nil, nil, fmt.Errorf("include %.200s: %w", pattern, err)
	}
	for _, path := range paths {
		text, ok, err := in.read(path, pattern)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			texts, names = append(texts, text), append(names, path)
		}
	}
	return texts, names, nil
}

// read returns the text of a file that matches a pattern. ok is false if it is
// not a regular file.
func (in *includes) read(path, pattern string) (text string, ok bool, err error) {
	if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() {
		return "", false, nil
	}
	if in.files++; in.files > maxIncludes {
		return "", false, fmt.Errorf("include %s: more than %d files", pattern, maxIncludes)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", false, err
	}
	all, err := readAll(f)
	f.Close()
	if err != nil {
		return "", false, fmt.Errorf("%s: %w", path, err)
	}
	if in.left -= len(all); in.left < 0 {
		return "", false, fmt.Errorf("include %s: more than %d bytes in all", pattern, maxIncluded)
	}
	return string(all), true, nil
}

// openTree is like open, for a pattern relative to the working directory. For a
// directory it opens all files below it, sorted by name.
func (in *includes) openTree(pattern string) (texts, names []string, err error) {
	paths, err := in.glob(pattern)
	if err != nil {
		return nil, nil, fmt.Errorf("include %.200s: %w", pattern, err)
	}
	var walk func(path string, depth int) error
	walk = func(path string, depth int) error {
		st, err := os.Stat(path)
		switch {
		case err != nil:
			return nil
		case !st.IsDir():
			text, ok, err := in.read(path, pattern)
			if ok {
				texts, names = append(texts, text), append(names, path)
			}
			return err
		case depth >= maxIncludeDepth:
			return fmt.Errorf("include %.200s: directories nested deeper than %d", pattern, maxIncludeDepth)
		}
		inside, err := in.names(path)
		if err != nil {
			return err
		}
		slices.Sort(inside)
		for _, n := range inside {
			if err := walk(filepath.Join(path, n), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	for _, path := range paths {
		if err := walk(path, 0); err != nil {
			return nil, nil, err
		}
	}
	return texts, names, nil
}

// glob is filepath.Glob with a limit: a pattern such as /*/*/*/* would visit a
// whole file system.
func (in *includes) glob(pattern string) ([]string, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("longer than %d bytes", maxPattern)
	}
	if _, err := filepath.Match(pattern, ""); err != nil {
		return nil, err
	}
	const meta = `*?[\`
	root := filepath.VolumeName(pattern)
	rest := pattern[len(root):]
	if strings.HasPrefix(rest, string(filepath.Separator)) {
		root += string(filepath.Separator)
	}
	found := []string{root}
	for part := range strings.SplitSeq(rest, string(filepath.Separator)) {
		if part == "" {
			continue
		}
		var next []string
		for _, dir := range found {
			if !strings.ContainsAny(part, meta) {
				path := filepath.Join(dir, part)
				if _, err := os.Lstat(path); err == nil {
					next = append(next, path)
				}
				continue
			}
			names, err := in.names(dir)
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				if ok, _ := filepath.Match(part, name); ok {
					next = append(next, filepath.Join(dir, name))
				}
			}
		}
		found = next
	}
	slices.Sort(found)
	return found, nil
}

// names returns the names in a directory; none if it cannot be read.
func (in *includes) names(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.IsDir() {
		return nil, nil
	}
	var all []string
	for {
		names, err := f.Readdirnames(1024)
		all = append(all, names...)
		if in.entries += len(names); in.entries > maxEntries {
			return nil, fmt.Errorf("more than %d directory entries to match", maxEntries)
		}
		if err != nil || len(names) == 0 {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return all, err
		}
	}
}
