package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pfsight/capture/live/livetest"
)

// TestLiveSoak sends a capture's frames repeatedly, each round with other
// addresses, and checks the memory of the program with --memory 64M. PFSIGHT_SOAK
// is the duration, such as 10m; the default is a few seconds. PFSIGHT_SOAK_RATE is
// the number of packets per second, 30,000 by default. After a long run the memory
// at the end must equal that after a fifth of the time.
func TestLiveSoak(t *testing.T) {
	// KB. --memory does not count the program's file, whose resident part depends
	// on the tests that are linked in; extra is for the stacks and tables of Go's
	// runtime that its own limit does not count.
	const memory, extra = 64 << 10, 6 << 10
	long, rate := 10*time.Second, 30_000
	asked := os.Getenv("PFSIGHT_SOAK")
	if asked != "" {
		var err error
		if long, err = time.ParseDuration(asked); err != nil {
			t.Fatal(err)
		}
		if s := os.Getenv("PFSIGHT_SOAK_RATE"); s != "" {
			if rate, err = strconv.Atoi(s); err != nil {
				t.Fatal(err)
			}
		}
	} else if testing.Short() {
		t.Skip("short")
	}
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	var frames [][]byte
	if asked != "" {
		frames, _ = loadFrames(t, loadCapture(t, 128, 100))
	} else {
		for _, path := range replayable(t) {
			f, _ := loadFrames(t, path)
			frames = append(frames, f...)
		}
	}
	dir := t.TempDir()
	p := start(t, "-i", "vb", "-o", filepath.Join(dir, "events.jsonl"), "--rotate-size", "4M", "--memory", "64M", "--listen", "127.0.0.1:0")
	send := livetest.NewReplayer(t, "va", frames)
	send.Change = livetest.Renew
	began := time.Now()
	var tenths [10]int
	var early, late mean
	n := 0
	for next := began; time.Since(began) < long; {
		n += rate / 4
		send.Replay(rate/4, float64(rate))
		if time.Until(next) > 0 {
			continue
		}
		next = next.Add(min(time.Second, long/100))
		kb := resident(t, p.cmd.Process.Pid) - ownFile(t, p.cmd.Process.Pid)
		at := float64(time.Since(began)) / float64(long)
		i := min(int(10*at), 9)
		tenths[i] = max(tenths[i], kb)
		switch {
		case at > 0.175 && at < 0.225:
			early.add(kb)
		case at > 0.95:
			late.add(kb)
		}
		if files, _ := filepath.Glob(filepath.Join(dir, "events-*")); len(files) > 5 {
			for _, f := range files[:len(files)-5] {
				os.Remove(f)
			}
		}
	}
	exit := p.end()
	t.Logf("%d packets, %d rounds, %v: %d KB at most in each tenth of it; %d KB after a fifth, %d KB in the end", n, send.Round, long, tenths, early.of(), late.of())
	t.Logf("%s", p.stderr.String())
	if exit != 0 && exit != exitIncomplete {
		t.Errorf("exit %d", exit)
	}
	limit := memory + extra
	if racing {
		limit *= 4
	}
	for i, kb := range tenths {
		if kb > limit {
			t.Errorf("%d KB are taken in tenth %d, want at most %d", kb, i, limit)
		}
	}
	if long >= 10*time.Minute && (late.of() > early.of()*11/10 || late.of() < early.of()*9/10) {
		t.Errorf("%d KB are taken after a fifth of the time, and %d KB in the end", early.of(), late.of())
	}
}

// A mean is the mean of several numbers.
type mean struct{ sum, n int }

func (m *mean) add(v int) { m.sum += v; m.n++ }
func (m *mean) of() int   { return m.sum / max(m.n, 1) }

// resident returns the resident memory of a process in KB, including the rings
// shared with the kernel.
func resident(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		if v, ok := strings.CutPrefix(string(line), "VmRSS:"); ok {
			n, _ := strconv.Atoi(strings.Fields(v)[0])
			return n
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// ownFile returns how much of a process's own file is resident, KB.
func ownFile(t *testing.T, pid int) (kb int) {
	t.Helper()
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mine := false
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		switch {
		case !strings.HasSuffix(f[0], ":"): // the first line of a mapping, proc_pid_smaps(5)
			mine = strings.HasSuffix(strings.TrimSpace(line), exe)
		case mine && f[0] == "Rss:":
			n, _ := strconv.Atoi(f[1])
			kb += n
		}
	}
	if kb == 0 {
		t.Fatalf("no mapping of %s", exe)
	}
	return kb
}
