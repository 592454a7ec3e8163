package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pfsight/capture/live/livetest"
	"pfsight/capture/pcapfile"
)

// maxFrames is how many bytes of frames are sent again and again at most.
const maxFrames = 512 << 20

// loadCapture returns the capture that PFSIGHT_BENCH_CAPTURE names, or makes
// one of mb MB: real handshakes, with bulk packets of data behind each.
func loadCapture(t *testing.T, mb, bulk int) string {
	t.Helper()
	if path := os.Getenv("PFSIGHT_BENCH_CAPTURE"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "load.pcap")
	c := exec.Command("go", "run", "../../testdata/make", "-out", captures, "-load", path, "-mb", strconv.Itoa(mb), "-bulk", strconv.Itoa(bulk))
	if out, err := c.CombinedOutput(); err != nil {
		t.Skipf("no capture could be made: %v: %s", err, out)
	}
	return path
}

// loadFrames returns the first frames of a capture, as far as they fit the MTU
// and maxFrames.
func loadFrames(t *testing.T, path string) (frames [][]byte, mean float64) {
	t.Helper()
	src, err := pcapfile.Open([]string{path}, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	size := 0
	for b := (pcapfile.Batch{}); size < maxFrames; {
		if err := src.Next(&b); err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			t.Fatal(err)
		}
		for _, r := range b.Records {
			if r.Link == pcapfile.LinkEthernet && len(r.Data) >= 14 && len(r.Data) <= 9014 {
				frames = append(frames, bytes.Clone(r.Data))
				size += len(r.Data)
			}
		}
	}
	if len(frames) == 0 {
		t.Fatalf("%s: no frames that can be sent", path)
	}
	return frames, float64(size) / float64(len(frames))
}

// A rival is a program that captures on vb.
type rival struct {
	name  string
	args  []string       // nil: pfsight
	live  []string       // of pfsight
	ready string         // is said when it captures
	count *regexp.Regexp // packets that came and were dropped, as it tells them
	came  bool           // what was dropped is not among those that came
}

// A trial is what came of sending at a rate.
type trial struct {
	rate           float64 // that was reached
	came, dropped  int
	cpu            time.Duration
	all            time.Duration // of the machine
	gbit           float64
	sent, notTold  int
	sender, kernel time.Duration
}

// TestLiveRate finds the highest rate at which pfsight and others lose
// nothing of what is sent over a virtual link: PFSIGHT_RATE says for how long
// each rate is tried, such as 3s. Sender and receiver share the machine, and
// what the kernel does to receive a frame is done by whoever sends it.
func TestLiveRate(t *testing.T) {
	long, err := time.ParseDuration(os.Getenv("PFSIGHT_RATE"))
	if err != nil {
		t.Skip("PFSIGHT_RATE says not for how long")
	}
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	frames, mean := loadFrames(t, loadCapture(t, 512, 1000))
	send := livetest.NewReplayer(t, "va", frames)
	runtime.LockOSThread()
	tcpdump := regexp.MustCompile(`(\d+) packets received by filter\s+(\d+) packets dropped by kernel`)
	list := []rival{
		{name: "nobody"},
		{name: "pfsight", live: []string{"-i", "vb", "-o", "/dev/null"}},
		{name: "pfsight -j 1", live: []string{"-i", "vb", "-o", "/dev/null", "-j", "1"}},
		{name: "pfsight --whole-bulk", live: []string{"-i", "vb", "-o", "/dev/null", "--whole-bulk"}},
		{name: "tcpdump -B 65536", args: []string{"tcpdump", "-n", "-i", "vb", "-B", "65536", "-w", "/dev/null"}, ready: "listening on", count: tcpdump},
		{name: "tcpdump", args: []string{"tcpdump", "-n", "-i", "vb", "-w", "/dev/null"}, ready: "listening on", count: tcpdump},
		{name: "dumpcap -B 64", args: []string{"dumpcap", "-q", "-i", "vb", "-B", "64", "-w", "/dev/null"}, ready: "File:",
			count: regexp.MustCompile(`'vb': (\d+)/(\d+)`), came: true},
	}
	only := os.Getenv("PFSIGHT_RATE_ONLY")
	t.Logf("%s, %d cores, %s; frames of %.0f bytes; %v a trial", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.Version(), mean, long)
	t.Logf("%-22s %12s %9s %9s  %s", "", "packets/s", "Gbit/s", "CPU s/Gb", "limit")
	for i := range list {
		r := &list[i]
		if only != "" && !slices.Contains(strings.Split(only, ","), r.name) {
			continue
		}
		if r.args != nil {
			if _, err := exec.LookPath(r.args[0]); err != nil {
				t.Logf("%-22s is not installed", r.name)
				continue
			}
		}
		best, limit := highest(t, r, send, mean, long)
		t.Logf("%-22s %12.0f %9.2f %9.3f  %s", r.name, best.rate, best.gbit, best.cpu.Seconds()/(best.gbit*float64(best.sent)/best.rate), limit)
	}
}

// highest bisects for the highest rate without loss.
func highest(t *testing.T, r *rival, send *livetest.Replayer, mean float64, long time.Duration) (best trial, limit string) {
	try := func(rate float64) trial {
		guess := rate
		if guess == 0 {
			guess = 400_000
		}
		x := r.try(t, send, int(guess*long.Seconds()), rate)
		x.gbit = x.rate * mean * 8 / 1e9
		if testing.Verbose() {
			t.Logf("  %-20s %9.0f/s: %d sent, %d came, %d dropped, %.2f s of CPU", r.name, x.rate, x.sent, x.came, x.dropped, x.cpu.Seconds())
		}
		return x
	}
	top := try(0)
	if top.dropped == 0 {
		return top, "the sender"
	}
	low, high := 0.0, top.rate
	for range 7 {
		if high-low < 0.02*high {
			break
		}
		x := try((low + high) / 2)
		if x.dropped == 0 && x.rate > low {
			low, best = x.rate, x
		} else {
			high = (low + high) / 2
		}
	}
	return best, fmt.Sprintf("loss; at %.0f/s %.1f %% is lost", top.rate, 100*float64(top.dropped)/float64(top.sent))
}

// try sends n frames.
func (r *rival) try(t *testing.T, send *livetest.Replayer, n int, rate float64) (x trial) {
	t.Helper()
	var c *exec.Cmd
	var said *syncBuffer
	switch {
	case r.live != nil:
		p := start(t, r.live...)
		c, said = p.cmd, &p.stderr
		_ = said
	case r.args != nil:
		said = new(syncBuffer)
		c = exec.Command(r.args[0], r.args[1:]...)
		c.Stderr = said
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, r.name, func() bool { return strings.Contains(said.String(), r.ready) })
		time.Sleep(300 * time.Millisecond)
	}
	before := sent(t, "va")
	took := send.Replay(n, rate)
	x.sent = sent(t, "va") - before
	x.rate = float64(x.sent) / took.Seconds()
	if c == nil {
		x.came = x.sent
		return x
	}
	time.Sleep(1200 * time.Millisecond) // counts are of a second ago
	sig := syscall.SIGINT
	_ = c.Process.Signal(sig)
	_ = c.Wait()
	use := c.ProcessState.SysUsage().(*syscall.Rusage)
	x.cpu = time.Duration(use.Utime.Nano() + use.Stime.Nano())
	text := said.String()
	if r.live != nil {
		r.count = regexp.MustCompile(`vb: (\d+) packets, (\d+) dropped`)
		text = strings.ReplaceAll(text, ",", "")
		r.count = regexp.MustCompile(`vb: (\d+) packets (\d+) dropped`)
	}
	m := r.count.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("%s: %s", r.name, text)
	}
	x.came, _ = strconv.Atoi(m[1])
	x.dropped, _ = strconv.Atoi(m[2])
	if !r.came {
		x.came -= x.dropped
	}
	if x.came+x.dropped != x.sent {
		t.Errorf("%s: %d sent, %d came, %d dropped", r.name, x.sent, x.came, x.dropped)
	}
	return x
}
