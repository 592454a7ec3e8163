package main

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"pfsight/report"
)

const (
	// readMemory is --memory of the commands that read files, by default.
	readMemory = "2G"
	// codeMemory is about what the program takes without any traffic.
	codeMemory = 8 << 20
	// systemShare is how much of the memory that the system grants the process
	// is used where --memory was not given: three parts of four.
	systemShare = 4
)

// A readBudget divides --memory of the commands that read files: all of what the
// process holds but its own code, and pages of files that the kernel can take
// back at any time. A quarter is left for what waits to be collected.
type readBudget struct {
	all      int64
	tables   int64 // of connections that live
	sums     int64 // of what is remembered of connections that ended
	sessions int64 // of what tells apart that which shares one pair of endpoints
	inputs   int64 // of files that are open: buffers, and windows of decompressors
}

func divideRead(memory int64) readBudget {
	used := max(memory-codeMemory, leastMemory/4) / 4 * 3
	return readBudget{all: memory, tables: used / 2, sums: used / 4, sessions: used / 16, inputs: used * 3 / 16}
}

// remember bounds what is remembered of connections that ended.
func (b *readBudget) remember(r *report.Report, h *report.History, builders []*report.Builder) {
	sums, history, builder := report.ReportShare(b.sums, len(builders))
	if r != nil {
		r.Within(sums)
	}
	h.Within(history)
	for _, x := range builders {
		x.Within(builder)
	}
}

// hold keeps the runtime within the budget. It returns what ends that.
func (b *readBudget) hold() (end func()) {
	limit := debug.SetMemoryLimit(b.all)
	if limit < b.all {
		debug.SetMemoryLimit(limit) // by GOMEMLIMIT
	}
	ease := eased(min(readHeap, b.all/2))
	return func() {
		ease()
		debug.SetMemoryLimit(limit)
	}
}

// memoryOf resolves --memory. Where it was not given the default shrinks to
// what the system grants. more says that it was given and is more than that.
func memoryOf(text string, given bool) (memory int64, more bool, err error) {
	memory, err = size(text)
	if err != nil {
		return 0, false, err
	}
	granted := grantedMemory("/")
	if given {
		return memory, memory > granted, nil
	}
	return min(memory, max(granted/systemShare*(systemShare-1), leastMemory)), false, nil
}

// grantedMemory returns how many bytes the process may take: the least limit of
// its control group, of version 2 or 1, and of those above it, and of the
// machine's memory. math.MaxInt64 is not known. root is where the file system
// begins, "/" but in tests.
func grantedMemory(root string) int64 {
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
			// In a container the path may be the host's, and only its last
			// part, or nothing of it, is there.
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

// limitIn reads a limit of a control group; "max" is none.
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
