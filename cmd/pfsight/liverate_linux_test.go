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

	"golang.org/x/sys/unix"

	"pfsight/capture/live/livetest"
	"pfsight/capture/packet"
	"pfsight/capture/pcapfile"
	"pfsight/cmd/pfsight/internal/testutil"
)

// maxFrames is the maximum size in bytes of the frames that are sent repeatedly.
const maxFrames = 512 << 20

// loadCapture returns the capture in PFSIGHT_BENCH_CAPTURE, or makes one of mb MB:
// real handshakes, each followed by bulk data.
func loadCapture(t testing.TB, mb, bulk int) string {
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

// loadFrames returns the first frames of a capture, limited by the MTU and
// maxFrames.
func loadFrames(t testing.TB, path string) (frames [][]byte, mean float64) {
	t.Helper()
	src, err := pcapfile.Open([]string{path}, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	size := 0
	for b := (packet.Batch{}); size < maxFrames; {
		if err := src.Next(&b); err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			t.Fatal(err)
		}
		for _, r := range b.Records {
			if r.Link == packet.LinkEthernet && len(r.Data) >= 14 && len(r.Data) <= 9014 {
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
	args  []string       // another program
	live  []string       // pfsight's
	ready string         // printed when the capture begins
	count *regexp.Regexp // matches the printed counts of received and dropped packets
	less  bool           // the received packets exclude the dropped ones
}

// A trial is the result of sending at a rate.
type trial struct {
	rate, gbit       float64 // achieved, per second
	sent, came, lost int     // packets; lost includes those dropped on the way
	reported         int     // part of lost that the program reported
	cpu              time.Duration
}

// perGbit returns the CPU seconds per gigabit.
func (x *trial) perGbit() float64 { return x.cpu.Seconds() / (x.gbit * float64(x.sent) / x.rate) }

// BenchmarkLiveRate finds the highest rate at which pfsight and others lose
// nothing of what is sent over a virtual link: PFSIGHT_RATE says for how long
// each rate is tried, such as 3s, and PFSIGHT_RATE_ONLY names some of them. On
// such a link the sender's core also does the kernel's receive work. So there are
// two set-ups: this one, and one where the kernel's receive work and the program
// share a core, as behind one queue of a network card, and the sender has another.
func BenchmarkLiveRate(t *testing.B) {
	long, err := time.ParseDuration(os.Getenv("PFSIGHT_RATE"))
	if err != nil {
		t.Skip("PFSIGHT_RATE does not say for how long")
	}
	if !livetest.Isolate(t) {
		return
	}
	if runtime.NumCPU() < 2 {
		t.Skip("one core alone")
	}
	livetest.Veth(t, "va", "vb")
	frames, size := loadFrames(t, loadCapture(t, 512, 1000))
	send := livetest.NewReplayer(t, "va", frames)
	runtime.LockOSThread()
	tcpdump := regexp.MustCompile(`(\d+) packets received by filter\s+(\d+) packets dropped by kernel`)
	pfsight := regexp.MustCompile(`vb: (\d+) packets (\d+) dropped`)
	list := []rival{
		{name: "nobody"},
		{name: "pfsight", live: []string{"-i", "vb", "-o", "/dev/null"}, count: pfsight},
		{name: "pfsight -j 1", live: []string{"-i", "vb", "-o", "/dev/null", "-j", "1"}, count: pfsight},
		{name: "pfsight --whole-bulk", live: []string{"-i", "vb", "-o", "/dev/null", "--whole-bulk"}, count: pfsight},
		{name: "tcpdump -B 65536", args: []string{"tcpdump", "-n", "-i", "vb", "-B", "65536", "-w", "/dev/null"}, ready: "listening on", count: tcpdump},
		{name: "tcpdump", args: []string{"tcpdump", "-n", "-i", "vb", "-w", "/dev/null"}, ready: "listening on", count: tcpdump},
		{name: "dumpcap -B 64", args: []string{"dumpcap", "-q", "-i", "vb", "-B", "64", "-w", "/dev/null"}, ready: "File:",
			count: regexp.MustCompile(`'vb': (\d+)/(\d+)`), less: true},
	}
	only := os.Getenv("PFSIGHT_RATE_ONLY")
	t.Logf("%s, %d cores, %s; frames of %.0f bytes; %v a trial", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.Version(), size, long)
	for _, one := range []bool{false, true} {
		name := "the sender's core receives"
		if one {
			name = "one core receives and captures"
			steer(t, "vb", 1)
		}
		t.Logf("%-30s %10s %8s %10s  %s", name, "packets/s", "Gbit/s", "CPU s/Gbit", "what ended it")
		for i := range list {
			r := &list[i]
			if only != "" && !slices.Contains(strings.Split(only, ","), r.name) {
				continue
			}
			if r.args != nil {
				if _, err := exec.LookPath(r.args[0]); err != nil {
					t.Logf("  %-28s is not installed", r.name)
					continue
				}
			}
			best, end := highest(t, r, send, size, long, one)
			t.Logf("  %-28s %10.0f %8.2f %10.3f  %s", r.name, best.rate, best.gbit, best.perGbit(), end)
		}
	}
}

// steer makes one core do the receive work of an interface.
func steer(t testing.TB, name string, core int) {
	t.Helper()
	c := exec.Command("unshare", "-m", "sh", "-ec", fmt.Sprintf("mount -t sysfs none /sys; echo %x > /sys/class/net/%s/queues/rx-0/rps_cpus", 1<<core, name))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// pin binds this thread, and programs that it starts, to a core.
func pin(t testing.TB, core int) {
	t.Helper()
	var set unix.CPUSet
	set.Set(core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
}

// tries is the maximum number of attempts per rate: a loss may be caused by other
// programs on the machine.
const tries = 3

// highest bisects for the highest rate without loss.
func highest(t testing.TB, r *rival, send *livetest.Replayer, size float64, long time.Duration, one bool) (best trial, end string) {
	try := func(rate float64) (x trial) {
		guess := rate
		if guess == 0 {
			guess = 400_000
		}
		for range tries {
			x = r.try(t, send, int(guess*long.Seconds()), rate, one)
			x.gbit = x.rate * size * 8 / 1e9
			if testing.Verbose() {
				t.Logf("    %-26s %10.0f %8.2f %10.3f  %d sent, %d lost, %d reported", r.name, x.rate, x.gbit, x.perGbit(), x.sent, x.lost, x.reported)
			}
			if x.lost == 0 {
				break
			}
		}
		return x
	}
	top := try(0)
	if top.lost == 0 {
		return top, "the sender"
	}
	low, high := 0.0, top.rate
	for high-low > 0.04*high {
		mid := (low + high) / 2
		x := try(mid)
		if x.lost == 0 {
			low, best = mid, x
		} else {
			high = mid
		}
	}
	return best, fmt.Sprintf("loss: %.1f %% at %.0f packets/s", 100*float64(top.lost)/float64(top.sent), top.rate)
}

// try sends n frames.
func (r *rival) try(t testing.TB, send *livetest.Replayer, n int, rate float64, one bool) (x trial) {
	t.Helper()
	var c *exec.Cmd
	var said *testutil.Buffer
	if one {
		pin(t, 1)
	}
	switch {
	case r.live != nil:
		p := start(t, r.live...)
		c, said = p.cmd, &p.stderr
	case r.args != nil:
		said = new(testutil.Buffer)
		c = exec.Command(r.args[0], r.args[1:]...)
		c.Stderr = said
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		testutil.Eventually(t, r.name, func() bool { return strings.Contains(said.String(), r.ready) })
		time.Sleep(300 * time.Millisecond)
	}
	if one {
		pin(t, 0)
	}
	before := sent(t, "va")
	took := send.Replay(n, rate)
	x.sent = sent(t, "va") - before
	x.rate = float64(x.sent) / took.Seconds()
	if c == nil {
		x.came = x.sent
		return x
	}
	time.Sleep(1200 * time.Millisecond) // counts may be a second old
	_ = c.Process.Signal(syscall.SIGINT)
	_ = c.Wait()
	use := c.ProcessState.SysUsage().(*syscall.Rusage)
	x.cpu = time.Duration(use.Utime.Nano() + use.Stime.Nano())
	text := said.String()
	m := r.count.FindStringSubmatch(strings.ReplaceAll(text, ",", ""))
	if m == nil {
		t.Fatalf("%s: %s", r.name, text)
	}
	x.came, _ = strconv.Atoi(m[1])
	x.reported, _ = strconv.Atoi(m[2])
	if !r.less {
		x.came -= x.reported
	}
	x.lost = x.sent - x.came
	if x.lost < x.reported || !one && x.lost > x.reported {
		t.Errorf("%s: %d sent, %d came, %d dropped", r.name, x.sent, x.came, x.reported)
	}
	return x
}
