package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pfsight/capture/live/livetest"
	"pfsight/capture/packet"
	"pfsight/capture/pcapfile"
)

// replay sends the frames of a capture at full speed and returns their number. The
// capture must be Ethernet without cut frames.
func replay(t *testing.T, send *livetest.Sender, path string) int {
	t.Helper()
	src, err := pcapfile.Open([]string{path}, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var b packet.Batch
	n := 0
	for src.Next(&b) == nil {
		for _, r := range b.Records {
			send.Send(r.Data)
			n++
		}
	}
	return n
}

// replayable returns captures that can be sent over an interface and do not depend
// on their times.
func replayable(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(captures + "/*.pcap*")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, path := range all {
		src, err := pcapfile.Open([]string{path}, pcapfile.Options{})
		if err != nil {
			continue
		}
		var b packet.Batch
		ok := true
		var first, last int64
		for src.Next(&b) == nil {
			for _, r := range b.Records {
				if first == 0 {
					first = r.Time
				}
				last = r.Time
				ok = ok && r.Link == packet.LinkEthernet && r.WireLen == len(r.Data) && len(r.Data) >= 60 && len(r.Data) < 9000
			}
		}
		src.Close()
		if ok && first > 0 && last-first < 30e9 {
			out = append(out, path)
		}
	}
	return out
}

// TestLiveReplay sends captures over an interface and compares the records with
// those of the files.
func TestLiveReplay(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	send := livetest.NewSender(t, "va")
	list := replayable(t)
	if len(list) < 5 {
		t.Fatalf("only %d captures can be sent: %q", len(list), list)
	}
	for i := 0; i < len(list); i += max(len(list)/12, 1) {
		path := list[i]
		events := filepath.Join(t.TempDir(), "events.jsonl")
		p := start(t, "-i", "vb", "-o", events, "--events", "end", "--rings", strconv.Itoa(1+i%3), "-j", strconv.Itoa(1+i%2))
		n := replay(t, send, path)
		if code := p.end(); code != 0 {
			t.Errorf("%s: exit %d: %s", path, code, &p.stderr)
		}
		if want := fmt.Sprintf("vb: %d packets, 0 dropped", n); !strings.Contains(strings.ReplaceAll(p.stderr.String(), ",", ""), strings.ReplaceAll(want, ",", "")) {
			t.Errorf("%s: %q is not said: %s", path, want, &p.stderr)
		}
		compare(t, lines(t, events), records(t, path))
	}
}

// TestLiveReplayLarge does the same with the capture in PFSIGHT_BENCH_CAPTURE, with
// tcpreplay at top speed if it is installed. Kernel drops are counted; the records
// are compared only without drops.
func TestLiveReplayLarge(t *testing.T) {
	path := os.Getenv("PFSIGHT_BENCH_CAPTURE")
	if path == "" {
		t.Skip("PFSIGHT_BENCH_CAPTURE names no capture")
	}
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	events := filepath.Join(t.TempDir(), "events.jsonl")
	p := start(t, "-i", "vb", "-o", events, "--events", "end")
	before := sent(t, "va")
	began := time.Now()
	if _, err := exec.LookPath("tcpreplay"); err == nil {
		_ = exec.Command("tcpreplay", "-q", "-i", "va", "--topspeed", path).Run() // fails for frames above the MTU
	} else {
		replay(t, livetest.NewSender(t, "va"), path)
	}
	took := time.Since(began)
	n := sent(t, "va") - before
	code := p.end()
	var packets, drops int
	for line := range strings.Lines(strings.ReplaceAll(p.stderr.String(), ",", "")) {
		_, _ = fmt.Sscanf(line, "pfsight: vb: %d packets %d dropped", &packets, &drops)
	}
	use := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	cpu := time.Duration(use.Utime.Nano() + use.Stime.Nano())
	t.Logf("%d packets in %v, %d dropped, %v of CPU", n, took, drops, cpu)
	if packets != n {
		t.Errorf("%d packets sent, %d counted", n, packets)
	}
	if drops > 0 {
		if code != exitIncomplete {
			t.Errorf("exit %d with drops", code)
		}
		return
	}
	if code != 0 {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
	if !strings.Contains(filepath.Base(path), "bulk") { // others depend on the order of packets only
		compare(t, lines(t, events), records(t, path))
	}
}

// sent returns the number of packets that an interface has sent.
func sent(t testing.TB, name string) int {
	t.Helper()
	out, err := exec.Command("ip", "-j", "-s", "link", "show", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Stats64 struct{ TX struct{ Packets int } }
	}
	if err := json.Unmarshal(out, &list); err != nil || len(list) != 1 {
		t.Fatal(err, len(list))
	}
	return list[0].Stats64.TX.Packets
}
