// Command dtls writes the captures of DTLS that the tests read: real
// handshakes between real stacks, captured by tcpdump in a network namespace
// of its own, each beside what the stack itself said.
//
//	cd testdata/make/peers/dtls && go run . [-out DIR] [NAME ...]
//
// It is a module of its own so that the project does not depend on the stacks
// in it. It needs Linux, the right to make a network namespace, and the
// programs openssl, tcpdump, ip and unshare; the scenes of a stack that is
// not here (gnutls-serv and gnutls-cli, chromium) are skipped. With names it
// plays these scenes alone.
package main

import (
	"bytes"
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

// A truth is what a stack said of one connection, in the form of the other
// captures. What it did not say is left out.
type truth struct {
	Stack      string `json:"stack"`
	Version    string `json:"version,omitempty"`
	Suite      string `json:"cipher_suite,omitempty"`
	SuiteID    string `json:"cipher_suite_id,omitempty"` // of a stack with names of its own
	Group      string `json:"group,omitempty"`
	DHBits     int    `json:"dh_bits,omitempty"`
	Resumed    *bool  `json:"resumed,omitempty"`
	Outcome    string `json:"outcome,omitempty"`
	Alert      string `json:"alert,omitempty"` // its number
	ClientPort int    `json:"client_port,omitempty"`

	Encapsulation []string `json:"encapsulation,omitempty"`
}

// A scene is one capture.
type scene struct {
	name  string
	needs string // a program
	run   func(*stage) []truth
}

// A stage is where scenes are played.
type stage struct {
	dir  string // keys and other files that are not kept
	port int
	stop []func()
}

const (
	inside    = "PFSIGHT_MAKE_INSIDE"
	firstPort = 5700
)

func main() {
	log.SetFlags(0)
	out := flag.String("out", "../../../captures", "folder to write to")
	flag.Parse()
	if os.Getenv(inside) == "" {
		cmd := exec.Command("unshare", append([]string{"-n", os.Args[0]}, os.Args[1:]...)...)
		cmd.Env = append(os.Environ(), inside+"=1", "OPENSSL_CONF=/dev/null")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			log.Fatalf("a network namespace is needed: %v", err)
		}
		return
	}
	run("ip", "link", "set", "lo", "up")
	dir, err := os.MkdirTemp("", "make")
	check(err)
	defer os.RemoveAll(dir)
	st := &stage{dir: dir}
	st.keys()
	for i, s := range slices.Concat(opensslScenes(), gnutlsScenes(), pionScenes(), chromiumScenes()) {
		if flag.NArg() > 0 && !slices.Contains(flag.Args(), s.name) {
			continue
		}
		if _, err := exec.LookPath(s.needs); s.needs != "" && err != nil {
			fmt.Printf("%-28s skipped: %v\n", s.name, err)
			continue
		}
		st.port = firstPort + i // the same in every run
		st.record(filepath.Join(*out, s.name), s.run)
	}
	derive(*out)
}

// record plays a scene while tcpdump listens.
func (st *stage) record(path string, run func(*stage) []truth) {
	tcpdump := exec.Command("tcpdump", "-i", "lo", "-U", "--immediate-mode", "-B", "8192", "-s", "0", "-w", path+".pcap", "udp")
	errs := &watched{want: "listening on"}
	tcpdump.Stderr = errs
	check(tcpdump.Start())
	errs.wait(path)
	said := run(st)
	for i := len(st.stop) - 1; i >= 0; i-- {
		st.stop[i]()
	}
	st.stop = nil
	time.Sleep(150 * time.Millisecond)
	check(tcpdump.Process.Signal(os.Interrupt))
	_ = tcpdump.Wait()
	writeTruth(path, said)
	b, _ := json.Marshal(said)
	fmt.Printf("%-28s %s\n", filepath.Base(path), b)
}

func writeTruth(path string, said []truth) {
	b, err := json.MarshalIndent(said, "", "  ")
	check(err)
	check(os.WriteFile(path+".truth.json", append(b, '\n'), 0o644))
}

// server starts a program, waits until it has said ready, and returns what it
// says.
func (st *stage) server(ready string, args ...string) *watched {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = st.dir
	w := &watched{want: ready}
	cmd.Stdout, cmd.Stderr = w, w
	in, err := cmd.StdinPipe()
	check(err)
	check(cmd.Start())
	w.wait(strings.Join(args, " "))
	st.stop = append(st.stop, func() {
		time.Sleep(100 * time.Millisecond)
		in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return w
}

// client runs a program that ends when its input does, and returns all that
// it said.
func (st *stage) client(stdin string, args ...string) string {
	cmd := exec.Command("timeout", append([]string{"20"}, args...)...)
	cmd.Dir = st.dir
	r, w, err := os.Pipe()
	check(err)
	cmd.Stdin = r
	done := make(chan struct{})
	go func() {
		time.Sleep(700 * time.Millisecond)
		_, _ = w.WriteString(stdin)
		w.Close()
		close(done)
	}()
	b, _ := cmd.CombinedOutput() // a failed handshake is an error of theirs, and a scene
	<-done
	r.Close()
	return string(b)
}

// A watched collects what a program says, and knows when it said something.
type watched struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	want string
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *watched) output() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

func (w *watched) wait(who string) {
	for range 500 {
		if strings.Contains(w.output(), w.want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	log.Fatalf("%s: never said %q but %q", who, w.want, w.output())
}

func run(args ...string) {
	if b, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		log.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, b)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func ptr[T any](v T) *T { return &v }
