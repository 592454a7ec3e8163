// Command dtls writes the DTLS captures that the tests read: real handshakes
// between real stacks, captured by tcpdump in a separate network namespace, and
// what the stacks reported about them.
//
//	cd testdata/make/peers/dtls && go run . [-out DIR] [NAME ...]
//
// It is a separate module, so that the project does not depend on these stacks.
// It needs Linux, the right to create a network namespace, and the programs
// openssl, tcpdump, ip and unshare. It skips scenes whose programs (gnutls-serv
// and gnutls-cli, chromium) are not installed. With names it runs only these
// scenes.
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

// A truth is what a stack reported about one connection, in the format of
// testdata/make. Fields that it did not report are empty.
type truth struct {
	Stack      string `json:"stack"`
	Version    string `json:"version,omitempty"`
	Suite      string `json:"cipher_suite,omitempty"`
	SuiteID    string `json:"cipher_suite_id,omitempty"` // for stacks that do not use IANA names
	Group      string `json:"group,omitempty"`
	DHBits     int    `json:"dh_bits,omitempty"`
	Resumed    *bool  `json:"resumed,omitempty"`
	Outcome    string `json:"outcome,omitempty"`
	Alert      string `json:"alert,omitempty"` // number of the alert
	ClientPort int    `json:"client_port,omitempty"`

	Encapsulation []string `json:"encapsulation,omitempty"`
}

// A scene produces one capture.
type scene struct {
	name  string
	needs string // a program
	run   func(*stage) []truth
}

// A stage is the environment of the running scene.
type stage struct {
	dir  string // temporary directory for keys
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
			log.Fatalf("in a new network namespace: %v", err)
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
		st.port = firstPort + i // the same in every run of the program
		st.record(filepath.Join(*out, s.name), s.run)
	}
	derive(*out)
}

// record runs a scene while tcpdump captures.
func (st *stage) record(path string, run func(*stage) []truth) {
	tcpdump := exec.Command("tcpdump", "-i", "lo", "-U", "--immediate-mode", "-B", "8192", "-s", "0", "-w", path+".pcap", "udp")
	errs := &watched{want: "listening on"}
	tcpdump.Stderr = errs
	check(tcpdump.Start())
	errs.wait(path)
	truths := run(st)
	for i := len(st.stop) - 1; i >= 0; i-- {
		st.stop[i]()
	}
	st.stop = nil
	time.Sleep(150 * time.Millisecond)
	check(tcpdump.Process.Signal(os.Interrupt))
	_ = tcpdump.Wait()
	writeTruth(path, truths)
	b, _ := json.Marshal(truths)
	fmt.Printf("%-28s %s\n", filepath.Base(path), b)
}

func writeTruth(path string, truths []truth) {
	b, err := json.MarshalIndent(truths, "", "  ")
	check(err)
	check(os.WriteFile(path+".truth.json", append(b, '\n'), 0o644))
}

// server starts a program and waits until its output contains ready.
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

// client runs a program that exits at the end of its input, and returns its output.
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
	b, _ := cmd.CombinedOutput() // some scenes fail on purpose
	<-done
	r.Close()
	return string(b)
}

// A watched collects the output of a program. Its method wait waits for want.
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
	log.Fatalf("%s: %q did not appear in the output:\n%s", who, w.want, w.output())
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
