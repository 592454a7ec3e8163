// Command quic writes captures of real QUIC handshakes: clients and servers of
// quic-go, golang.org/x/net/quic and ngtcp2, and Chromium as a client, spoke to each
// other in a network namespace of their own while tcpdump listened. Beside
// each is what the stack itself said that it had negotiated, in the form of
// the other captures.
//
//	go -C testdata/make/peers/quic run . [-out DIR] [NAME ...]
//
// It is a module of its own, so the program needs none of these stacks. It
// needs Linux, the right to make a network namespace, tcpdump, ip and unshare;
// scenes of a program that is not here are skipped. With names it plays these
// scenes alone.
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

// A truth is what a stack said of one connection. What it did not say is left
// out. The fields up to client_port are those of all captures.
type truth struct {
	Stack      string `json:"stack"`
	Version    string `json:"version,omitempty"`
	Suite      string `json:"cipher_suite,omitempty"`
	Group      string `json:"group,omitempty"`
	Resumed    *bool  `json:"resumed,omitempty"`
	EarlyData  string `json:"early_data,omitempty"` // "accepted", "rejected", "none"
	HelloRetry *bool  `json:"hello_retry_request,omitempty"`
	Outcome    string `json:"outcome,omitempty"`
	Alert      string `json:"alert,omitempty"` // its number
	ClientPort int    `json:"client_port,omitempty"`

	QUIC      string `json:"quic_version,omitempty"`
	FirstQUIC string `json:"quic_first_version,omitempty"` // where a Version Negotiation followed
	Retry     bool   `json:"quic_retry,omitempty"`         // the server was told to send one
	AlertFrom string `json:"alert_from,omitempty"`         // "client" or "server"
	MovedTo   int    `json:"moved_to_port,omitempty"`      // where the NAT gave the client another port in the handshake
}

// A scene is one capture.
type scene struct {
	name  string
	needs string // a program
	play  func() []truth
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
			log.Fatalf("a network namespace is needed: %v", err)
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
		record(filepath.Join(*out, s.name), s.play)
	}
}

// A listening is what tcpdump says, until it says that it listens.
type listening struct {
	mu   sync.Mutex
	said string
}

func (l *listening) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said += string(p)
	return len(p), nil
}

func (l *listening) ready() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.said, "listening on")
}

// record plays a scene while tcpdump listens.
func record(path string, play func() []truth) {
	tcpdump := exec.Command("tcpdump", "-i", "lo", "-U", "--immediate-mode", "-s", "0", "-w", path+".pcap", "udp")
	var errs listening
	tcpdump.Stderr = &errs
	check(tcpdump.Start())
	for n := 0; !errs.ready(); n++ {
		if n == 500 {
			log.Fatalf("tcpdump: %s", errs.said)
		}
		time.Sleep(10 * time.Millisecond)
	}
	said := play()
	time.Sleep(150 * time.Millisecond)
	check(tcpdump.Process.Signal(os.Interrupt))
	_ = tcpdump.Wait()
	b, err := json.MarshalIndent(said, "", "  ")
	check(err)
	check(os.WriteFile(path+".truth.json", append(b, '\n'), 0o644))
	st, err := os.Stat(path + ".pcap")
	check(err)
	fmt.Printf("%-32s %6d bytes", filepath.Base(path), st.Size())
	for _, t := range said {
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
