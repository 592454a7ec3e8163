package main

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

// TestGrantedMemory reads the limits of control groups of both versions, of
// those above them, and as a container shows them.
func TestGrantedMemory(t *testing.T) {
	const machine = "proc/meminfo"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing known":     {nil, math.MaxInt64},
		"the machine":       {map[string]string{machine: "MemTotal:  1048576 kB\nMemFree: 1 kB\n"}, 1 << 30},
		"a damaged meminfo": {map[string]string{machine: "MemTotal: many kB\n"}, math.MaxInt64},
		"version 2": {map[string]string{
			"proc/self/cgroup": "0::/a.slice/b.service\n", "sys/fs/cgroup/a.slice/b.service/memory.max": "67108864\n", "sys/fs/cgroup/a.slice/memory.max": "max\n",
		}, 64 << 20},
		"version 2, above": {map[string]string{
			"proc/self/cgroup": "0::/a.slice/b.service\n", "sys/fs/cgroup/a.slice/b.service/memory.max": "max\n", "sys/fs/cgroup/a.slice/memory.max": "33554432\n",
			machine: "MemTotal: 1048576 kB\n",
		}, 32 << 20},
		"version 2, in a container": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "16777216\n"}, 16 << 20},
		"version 1": {map[string]string{
			"proc/self/cgroup": "5:devices:/x\n4:cpu,memory:/docker/abc\n", "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "67108864\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 64 << 20},
		"version 1, in a container": {map[string]string{"proc/self/cgroup": "4:memory:/docker/abc\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "67108864\n"}, 64 << 20},
		"both": {map[string]string{
			"proc/self/cgroup": "4:memory:/a\n0::/b\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "67108864\n", "sys/fs/cgroup/unified/b/memory.max": "33554432\n",
		}, 32 << 20},
		"another controller": {map[string]string{"proc/self/cgroup": "4:cpuset:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "67108864\n"}, math.MaxInt64},
		"hostile":            {map[string]string{"proc/self/cgroup": "0::/../../../etc\nx\n::\n", "sys/fs/cgroup/memory.max": "-5\n"}, math.MaxInt64},
	} {
		root := t.TempDir()
		for path, text := range c.files {
			path = filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := grantedMemory(root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestMemoryOf gives and leaves out --memory.
func TestMemoryOf(t *testing.T) {
	granted := grantedMemory("/")
	if n, more, err := memoryOf("64M", true); n != 64<<20 || more != (64<<20 > granted) || err != nil {
		t.Errorf("64M is %d, %v, %v", n, more, err)
	}
	if n, more, err := memoryOf("1000T", true); n != 1000<<40 || !more && granted != math.MaxInt64 || err != nil {
		t.Errorf("1000T is %d, %v, %v", n, more, err)
	}
	if n, more, err := memoryOf("1000T", false); granted != math.MaxInt64 && n != max(granted/4*3, leastMemory) || more || err != nil {
		t.Errorf("the default is %d, %v, %v of %d", n, more, err, granted)
	}
	if _, _, err := memoryOf("many", true); err == nil {
		t.Error("no error")
	}
}

// TestDivideRead adds up what the parts of --memory may take.
func TestDivideRead(t *testing.T) {
	for _, memory := range []int64{1 << 20, 32 << 20, 64 << 20, 2 << 30, 64 << 30} {
		b := divideRead(memory)
		if sum := b.tables + b.sums + b.sessions + b.inputs; sum > max(memory, leastMemory)*3/4 || min(b.tables, b.sums, b.sessions, b.inputs) <= 0 {
			t.Errorf("%d: %+v", memory, b)
		}
	}
}
