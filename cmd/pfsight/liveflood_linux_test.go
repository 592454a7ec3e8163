package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pfsight/capture/live/livetest"
	"pfsight/cmd/pfsight/internal/testutil"
)

// firstFragments returns frames that each hold the first fragment of another IPv4
// datagram. refragment changes their identifiers.
func firstFragments(n, size int) [][]byte {
	frames := make([][]byte, n)
	for i := range frames {
		f := make([]byte, 14+20+size)
		copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0})
		ip := f[14:]
		binary.BigEndian.PutUint16(ip[2:], uint16(20+size))
		binary.BigEndian.PutUint16(ip[4:], uint16(i))
		ip[6] = 0x20 // more fragments
		ip[8], ip[9] = 64, 17
		copy(ip[12:], []byte{10, 9, 0, 1, 10, 9, 0, 2})
		frames[i] = f
	}
	return frames
}

// copies returns n copies of the frames of a capture of one connection over IPv4,
// each from another port. A Replayer that changes frames needs more of them than
// the kernel gets at once.
func copies(t *testing.T, path string, n int) (out [][]byte) {
	t.Helper()
	frames, _ := loadFrames(t, path)
	client := binary.BigEndian.Uint16(frames[0][14+20:])
	for i := range n {
		for _, f := range frames {
			f = bytes.Clone(f)
			for _, at := range []int{14 + 20, 14 + 20 + 2} {
				if binary.BigEndian.Uint16(f[at:]) == client {
					binary.BigEndian.PutUint16(f[at:], client+uint16(i))
				}
			}
			out = append(out, f)
		}
	}
	return out
}

// refragment is a livetest.Replayer.Change. It makes other datagrams each round.
func refragment(f []byte, round int) {
	binary.BigEndian.PutUint16(f[14+12+2:], uint16(round))
}

// TestLiveFragmentFlood sends first fragments of datagrams that are never
// completed, together with real connections. No packet may be lost, and each
// connection must be found. PFSIGHT_FLOOD is the duration, such as 6s, and
// PFSIGHT_FLOOD_RATE the number of fragments per second; with it, tcpdump is
// measured too.
func TestLiveFragmentFlood(t *testing.T) {
	long, rate := 1500*time.Millisecond, 60_000
	asked := os.Getenv("PFSIGHT_FLOOD")
	if asked != "" {
		var err error
		if long, err = time.ParseDuration(asked); err != nil {
			t.Fatal(err)
		}
		if s := os.Getenv("PFSIGHT_FLOOD_RATE"); s != "" {
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
	if runtime.NumCPU() < 2 {
		t.Skip("one core alone")
	}
	livetest.Veth(t, "va", "vb")
	honest := copies(t, captures+"/ecdhe-p256.pcap", 8)
	var lost, found, want int
	for range tries {
		events := filepath.Join(t.TempDir(), "events.jsonl")
		p := start(t, "-i", "vb", "-o", events, "--events", "end")
		want = flood(t, honest, 8, long, rate)
		time.Sleep(1200 * time.Millisecond)
		code := p.end()
		b, err := os.ReadFile(events)
		if err != nil {
			t.Fatal(err)
		}
		found, lost = bytes.Count(b, []byte(`"forward_secrecy":"yes"`)), 0
		m := regexp.MustCompile(`vb: (\d+) packets,? (\d+) dropped`).FindStringSubmatch(strings.ReplaceAll(p.stderr.String(), ",", ""))
		if m == nil {
			t.Fatalf("exit %d: %s", code, &p.stderr)
		}
		lost, _ = strconv.Atoi(m[2])
		t.Logf("pfsight: %s packets, %d lost; %d of %d connections found", m[1], lost, found, want)
		if lost == 0 && found == want {
			break
		}
	}
	if lost > 0 || found != want {
		t.Errorf("%d packets lost, %d of %d connections found", lost, found, want)
	}
	if asked == "" {
		return
	}
	if _, err := exec.LookPath("tcpdump"); err != nil {
		return
	}
	c := exec.Command("tcpdump", "-n", "-i", "vb", "-B", "65536", "-w", "/dev/null")
	said := new(testutil.Buffer)
	c.Stderr = said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "tcpdump", func() bool { return strings.Contains(said.String(), "listening on") })
	time.Sleep(300 * time.Millisecond)
	flood(t, honest, 8, long, rate)
	time.Sleep(time.Second)
	_ = c.Process.Signal(syscall.SIGINT)
	_ = c.Wait()
	t.Logf("tcpdump: %s", said.String())
}

// flood sends fragments to vb, and 300 connections per second; honest holds the
// frames of n of them. It returns the number of connections.
func flood(t *testing.T, honest [][]byte, n int, long time.Duration, rate int) (connections int) {
	fragments := livetest.NewReplayer(t, "va", firstFragments(4096, 1400))
	fragments.Change = refragment
	conns := livetest.NewReplayer(t, "va", honest)
	conns.Change = livetest.Renew
	rounds := int(long.Seconds() * 300 / float64(n))
	var both sync.WaitGroup
	both.Go(func() { fragments.Replay(int(long.Seconds()*float64(rate)), float64(rate)) })
	both.Go(func() { conns.Replay(rounds*len(honest), float64(rounds*len(honest))/long.Seconds()) })
	both.Wait()
	return rounds * n
}

// TestLiveEvicted sends more connections than the tables hold. The evictions are
// reported with a remedy, and in the exit code.
func TestLiveEvicted(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	send := livetest.NewSender(t, "va")
	p := start(t, "-i", "vb", "-o", "/dev/null", "--memory", "32M")
	hello := fileFloods(t)["tls"]
	for i := range 15_000 {
		send.Send(hello(i))
		if i%100 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(200 * time.Millisecond)
	if code := p.end(); code != exitIncomplete || !strings.Contains(p.stderr.String(), "connections ended early to limit memory: raise --memory") {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
}
