package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pfsight/cmd/pfsight/internal/memory"
)

// PFSIGHT_HOSTILE, the number of files, enables the nightly run.
// PFSIGHT_HOSTILE_SEED is its seed (default: the day) and PFSIGHT_HOSTILE_KEEP a
// folder for files that fail (default: a temporary one):
//
//	PFSIGHT_HOSTILE=100000 go test -run TestHostileNightly -timeout 2h -v ./cmd/pfsight
//
// Child processes read the files, and report when they begin with one. A child that
// panics, hangs or takes too much memory is replaced.
const (
	hostileCount = "PFSIGHT_HOSTILE"
	hostileSeed  = "PFSIGHT_HOSTILE_SEED"
	hostileKeep  = "PFSIGHT_HOSTILE_KEEP"
	hostileChild = "PFSIGHT_HOSTILE_CHILD" // for a child: seed, first file, number of files, and folder

	hostileWorkers = 2
	hostileBatch   = 500 // files per child
	// hostileTime is the time limit of one file.
	hostileTime = 10 * time.Second
	// hostileOverhead is the memory that a process may take beyond --memory: the
	// program and the good files, about 60 MiB, the test's buffers for standard
	// output, at most 64 MiB, and garbage.
	hostileOverhead = 192 << 20
)

// A hostileResult is the result of one file.
type hostileResult struct {
	n    uint64
	took time.Duration
	peak int64 // peak memory of the process in bytes; 0: not known
	err  string
}

// TestHostileNightly runs the program on PFSIGHT_HOSTILE hostile files.
func TestHostileNightly(t *testing.T) {
	if os.Getenv(hostileCount) == "" {
		t.Skip("set " + hostileCount + " to the number of files")
	}
	count, err := strconv.ParseUint(os.Getenv(hostileCount), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().Unix() / 86400)
	if s := os.Getenv(hostileSeed); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	keep := os.Getenv(hostileKeep)
	if keep == "" {
		keep, _ = os.MkdirTemp("", "hostile-failures")
	}
	memory, _ := memory.Parse(hostileMemory)
	var mu sync.Mutex
	var next, done uint64
	var slowest, largest hostileResult
	began := time.Now()
	failed := map[string]int{}
	note := func(r hostileResult) {
		mu.Lock()
		defer mu.Unlock()
		done++
		if r.took > slowest.took {
			slowest = r
		}
		if r.peak > memory+hostileOverhead && r.err == "" {
			// Earlier files may have left memory, so the file is run alone once more.
			if r.peak = alone(seed, r.n); r.peak > memory+hostileOverhead {
				r.err = fmt.Sprintf("%d MiB of memory", r.peak>>20)
			}
		}
		if r.peak > largest.peak {
			largest = r
		}
		if r.err != "" {
			c := hostile(seed, r.n)
			path := filepath.Join(keep, fmt.Sprintf("%d-%d", seed, r.n))
			_ = os.WriteFile(path, c.content, 0o600)
			if failed[r.err[:min(len(r.err), 40)]]++; len(failed) <= 50 {
				t.Errorf("seed %d, %d: %v: %s: kept as %s", seed, r.n, &c, r.err, path)
			}
		}
		if done%10000 == 0 {
			t.Logf("%d files in %v", done, time.Since(began).Round(time.Second))
		}
	}
	var wg sync.WaitGroup
	for range hostileWorkers {
		wg.Go(func() {
			for {
				mu.Lock()
				from := next
				next = min(next+hostileBatch, count)
				n := next - from
				mu.Unlock()
				if n == 0 {
					return
				}
				hostileFiles(seed, from, n, note)
			}
		})
	}
	wg.Wait()
	describe := func(r hostileResult) string {
		c := hostile(seed, r.n)
		return fmt.Sprintf("%d (%v)", r.n, &c)
	}
	t.Logf("seed %d: %d files in %v; the slowest took %v: %s; the largest %d MiB: %s", seed, done, time.Since(began).Round(time.Second),
		slowest.took.Round(time.Millisecond), describe(slowest), largest.peak>>20, describe(largest))
	if done != count {
		t.Errorf("%d files of %d were run", done, count)
	}
}

// alone runs a file in its own process and returns the peak memory.
func alone(seed, n uint64) (peak int64) {
	hostileFiles(seed, n, 1, func(r hostileResult) { peak = r.peak })
	return peak
}

// hostileFiles runs n files in child processes and collects the results.
func hostileFiles(seed, from, n uint64, note func(hostileResult)) {
	for n > 0 {
		dir, err := os.MkdirTemp("", "hostile")
		if err != nil {
			note(hostileResult{n: from, err: err.Error()})
			return
		}
		child := exec.Command(os.Args[0], "-test.run=^TestHostileChild$", "-test.timeout=2h")
		child.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %d %s", hostileChild, seed, from, n, dir))
		var said strings.Builder
		child.Stderr = &said
		out, err := child.StdoutPipe()
		if err == nil {
			err = child.Start()
		}
		if err != nil {
			note(hostileResult{n: from, err: err.Error()})
			return
		}
		before := from
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var r hostileResult
			var took int64
			rest, is := strings.CutPrefix(lines.Text(), "hostile: ")
			if !is {
				continue
			}
			if _, err := fmt.Sscanf(rest, "%d %d %d %q", &r.n, &took, &r.peak, &r.err); err != nil {
				continue
			}
			r.took = time.Duration(took)
			note(r)
			n, from = n-1, r.n+1
		}
		_, _ = io.Copy(io.Discard, out)
		err = child.Wait()
		_ = os.RemoveAll(dir)
		if n > 0 { // it died with the next one
			text := said.String()
			note(hostileResult{n: from, took: hostileTime, err: fmt.Sprintf("the process died: %v\n%.4000s", err, text)})
			n, from = n-1, from+1
		} else if err != nil && from == before {
			return
		}
	}
}

// TestHostileChild is a child of TestHostileNightly.
func TestHostileChild(t *testing.T) {
	if os.Getenv(hostileChild) == "" {
		t.Skip("a child of TestHostileNightly alone")
	}
	var seed, from, n uint64
	var dir string
	if _, err := fmt.Sscanf(os.Getenv(hostileChild), "%d %d %d %s", &seed, &from, &n, &dir); err != nil {
		t.Fatal(err)
	}
	hostileCorpus()
	for i := from; i < from+n; i++ {
		c := hostile(seed, i)
		debug.FreeOSMemory()
		clearPeak()
		start := time.Now()
		hangs := time.AfterFunc(hostileTime, func() {
			debug.SetTraceback("all")
			panic(fmt.Sprintf("not done in %v", hostileTime))
		})
		err := c.check(dir)
		took := time.Since(start)
		hangs.Stop()
		if err == nil {
			err = errors.New("")
		}
		fmt.Printf("hostile: %d %d %d %q\n", i, took.Nanoseconds(), peakMemory(), err.Error())
	}
}

// clearPeak resets the kernel's peak memory of the process.
func clearPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peakMemory returns the peak memory of the process in bytes, 0 if the system does
// not report it.
func peakMemory() int64 {
	b, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kib int64
	_, _ = fmt.Sscanf(rest, "%d", &kib)
	return kib << 10
}
