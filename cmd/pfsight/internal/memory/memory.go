package memory

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// Code is about what the program takes without any traffic, bytes.
	Code = 8 << 20
	// Least is the smallest useful limit, bytes: less has no room for rings and
	// for what the program needs in any case.
	Least = 32 << 20
	// systemShare: without --memory, the limit is at most 3/systemShare of the
	// memory that the system grants the process.
	systemShare = 4
)

// ErrSize is the error of Parse.
var ErrSize = errors.New("write a size such as 512M or 2G")

// Parse reads a number of bytes such as 512M. K, M, G and T are powers of 1024;
// a trailing B or iB is allowed.
func Parse(s string) (int64, error) {
	digits := strings.TrimRight(strings.ToUpper(s), "KMGTIB")
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n <= 0 {
		return 0, ErrSize
	}
	switch strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(s[len(digits):]), "B"), "I") {
	case "":
		return n, nil
	case "K":
		return n << 10, nil
	case "M":
		return n << 20, nil
	case "G":
		return n << 30, nil
	case "T":
		if n < 1<<20 {
			return n << 40, nil
		}
	}
	return 0, ErrSize
}

// Resolve returns the limit of --memory, bytes. given reports whether the user
// gave it: then text holds, and more reports whether it exceeds what the system
// grants. Otherwise text is the default, which shrinks to what the system grants.
func Resolve(text string, given bool) (limit int64, more bool, err error) {
	limit, err = Parse(text)
	if err != nil {
		return 0, false, err
	}
	granted := granted("/")
	if given {
		return limit, limit > granted, nil
	}
	return min(limit, max(granted/systemShare*(systemShare-1), Least)), false, nil
}

// granted returns how many bytes the process may take: the smallest of the
// limits of its control group and that group's ancestors (version 2 or 1) and
// the machine's memory. math.MaxInt64 means that none is known. root is the root
// of the file system, "/" except in tests.
func granted(root string) int64 {
	least := int64(math.MaxInt64)
	if n, ok := totalMemory(filepath.Join(root, "proc/meminfo")); ok {
		least = n
	}
	groups, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return least
	}
	for line := range strings.Lines(string(groups)) {
		// cgroups(7): hierarchy:controllers:path
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		mounts, file := []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"}, "memory.max"
		if f[1] != "" {
			if !strings.Contains(","+f[1]+",", ",memory,") {
				continue
			}
			mounts, file = []string{"sys/fs/cgroup/memory", "sys/fs/cgroup/" + f[1]}, "memory.limit_in_bytes"
		}
		for _, mount := range mounts {
			// In a container the path may be the host's: then only its last
			// part exists, or nothing of it.
			for path := filepath.Clean("/" + f[2]); ; path = filepath.Dir(path) {
				least = min(least, limitIn(filepath.Join(root, mount, path, file)))
				if path == "/" {
					break
				}
			}
		}
	}
	return least
}

// limitIn reads a limit of a control group. "max" means no limit.
func limitIn(path string) int64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return n
}

// totalMemory reads MemTotal of proc_meminfo(5).
func totalMemory(path string) (int64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			f := strings.Fields(v)
			if len(f) == 0 {
				return 0, false
			}
			n, err := strconv.ParseInt(f[0], 10, 64)
			return n << 10, err == nil && n > 0
		}
	}
	return 0, false
}
