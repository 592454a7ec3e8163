// Command quic writes the QUIC captures that the tests read: real handshakes of
// quic-go, golang.org/x/net/quic, ngtcp2 and Chromium (client only), captured by
// tcpdump in a separate network namespace, and what the stacks reported about
// them.
//
//	go -C testdata/make/peers/quic run . [-out DIR] [NAME ...]
//
// It is a separate module, so that the project does not depend on these stacks.
// It needs Linux, the right to create a network namespace, tcpdump, ip and
// unshare. It skips scenes whose programs are not installed. With names it runs
// only these scenes.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A truth is what a stack reported about one connection, in the format of
// testdata/make. Fields that it did not report are empty.
// The fields after client_port occur only for QUIC.
type truth struct {
	Stack      string `json:"stack"`
	Version    string `json:"version,omitempty"`
	Suite      string `json:"cipher_suite,omitempty"`
	Group      string `json:"group,omitempty"`
	Resumed    *bool  `json:"resumed,omitempty"`
	EarlyData  string `json:"early_data,omitempty"` // "accepted", "rejected", "none"
	HelloRetry *bool  `json:"hello_retry_request,omitempty"`
	Outcome    string `json:"outcome,omitempty"`
	Alert      string `json:"alert,omitempty"` // number of the alert
	ClientPort int    `json:"client_port,omitempty"`

	QUIC      string `json:"quic_version,omitempty"`
	FirstQUIC string `json:"quic_first_version,omitempty"` // the first version, if Version Negotiation followed
	Retry     bool   `json:"quic_retry,omitempty"`         // the server was configured to send one
	AlertFrom string `json:"alert_from,omitempty"`         // "client" or "server"
	MovedTo   int    `json:"moved_to_port,omitempty"`      // the port that the NAT gave the client during the handshake
}

// A scene produces one capture.
type scene struct {
	name  string
	needs string // a program
	run   func() []truth
}

const inside = "PFSIGHT_MAKE_INSIDE"

func main() {
	log.SetFlags(0)
	out := flag.String("out", "../../../captures", "folder to write to")
	flag.Parse()
	if os.Getenv(inside) == "" {
		cmd := exec.Command("unshare", append([]string{"-n", os.Args[0]}, os.Args[1:]...)...)
		cmd.Env = append(os.Environ(), inside+"=1")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			log.Fatalf("in a new network namespace: %v", err)
		}
		return
	}
	if b, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		log.Fatalf("ip: %v\n%s", err, b)
	}
	check(os.MkdirAll(*out, 0o755))
	for _, s := range slices.Concat(quicGoScenes(), rebindScenes(), netScenes(), ngtcp2Scenes(), chromiumScenes()) {
		if flag.NArg() > 0 && !slices.Contains(flag.Args(), s.name) {
			continue
		}
		if _, err := exec.LookPath(s.needs); s.needs != "" && err != nil {
			fmt.Printf("%-32s skipped: %v\n", s.name, err)
			continue
		}
		record(filepath.Join(*out, s.name), s.run)
	}
}

// A listening collects the output of tcpdump until it is ready.
type listening struct {
	mu     sync.Mutex
	output string
}

func (l *listening) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.output += string(p)
	return len(p), nil
}

func (l *listening) ready() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.output, "listening on")
}

// record runs a scene while tcpdump captures.
func record(path string, run func() []truth) {
	tcpdump := exec.Command("tcpdump", "-i", "lo", "-U", "--immediate-mode", "-s", "0", "-w", path+".pcap", "udp")
	var errs listening
	tcpdump.Stderr = &errs
	check(tcpdump.Start())
	for n := 0; !errs.ready(); n++ {
		if n == 500 {
			log.Fatalf("tcpdump: %s", errs.output)
		}
		time.Sleep(10 * time.Millisecond)
	}
	truths := run()
	time.Sleep(150 * time.Millisecond)
	check(tcpdump.Process.Signal(os.Interrupt))
	_ = tcpdump.Wait()
	b, err := json.MarshalIndent(truths, "", "  ")
	check(err)
	check(os.WriteFile(path+".truth.json", append(b, '\n'), 0o644))
	st, err := os.Stat(path + ".pcap")
	check(err)
	fmt.Printf("%-32s %6d bytes", filepath.Base(path), st.Size())
	for _, t := range truths {
		fmt.Printf("  %s %s %s %s %s", t.QUIC, t.Suite, t.Group, t.Outcome, t.Alert)
	}
	fmt.Println()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func ptr[T any](v T) *T { return &v }
