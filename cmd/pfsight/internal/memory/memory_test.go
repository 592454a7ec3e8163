package memory

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

// TestGranted reads the limits of control groups of both versions, of their
// ancestors, and as a container shows them.
func TestGranted(t *testing.T) {
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
		t.Run(name, func(t *testing.T) {
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
			if got := granted(root); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// TestResolve resolves --memory, given and by default.
func TestResolve(t *testing.T) {
	granted := granted("/")
	if n, more, err := Resolve("64M", true); n != 64<<20 || more != (64<<20 > granted) || err != nil {
		t.Errorf("64M is %d, %v, %v", n, more, err)
	}
	if n, more, err := Resolve("1000T", true); n != 1000<<40 || !more && granted != math.MaxInt64 || err != nil {
		t.Errorf("1000T is %d, %v, %v", n, more, err)
	}
	if n, more, err := Resolve("1000T", false); granted != math.MaxInt64 && n != max(granted/4*3, Least) || more || err != nil {
		t.Errorf("the default is %d, %v, %v of %d", n, more, err, granted)
	}
	if _, _, err := Resolve("many", true); err == nil {
		t.Error("no error")
	}
}
