// Command make writes the captures that the tests read: real handshakes
// between real TLS stacks, captured by tcpdump in a network namespace of its
// own, each beside what the stack itself said that it had negotiated.
//
//	go run ./testdata/make [-out DIR] [NAME ...]
//	go test ./cmd/pfsight -run 'TestCaptures' -update
//
// It needs Linux, the right to make a network namespace, and the programs
// openssl, gnutls-serv, gnutls-cli, srptool, tcpdump, ip and unshare. The
// second command writes the golden files; look at what changed in them.
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
	"time"
)

// A truth is what a TLS stack said of one connection. What it did not say is
// left out.
type truth struct {
	Stack      string `json:"stack"`
	Version    string `json:"version,omitempty"`
	Suite      string `json:"cipher_suite,omitempty"`
	Group      string `json:"group,omitempty"`
	DHBits     int    `json:"dh_bits,omitempty"`
	Resumed    *bool  `json:"resumed,omitempty"`
	EarlyData  string `json:"early_data,omitempty"` // "accepted", "rejected"
	HelloRetry *bool  `json:"hello_retry_request,omitempty"`
	Outcome    string `json:"outcome,omitempty"`
	Alert      string `json:"alert,omitempty"`
}

// A scene is one capture.
type scene struct {
	name string
	play func(*stage) []truth
}

// A stage is where scenes are played.
type stage struct {
	dir  string // keys and other files that are not kept
	port int
	stop []func()
}

const inside = "PFSIGHT_MAKE_INSIDE"

func main() {
	log.SetFlags(0)
	out := flag.String("out", "testdata/captures", "folder to write to")
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
	st := &stage{dir: dir, port: 4433}
	st.keys()
	check(os.MkdirAll(*out, 0o755))
	for _, s := range slices.Concat(opensslScenes(), gnutlsScenes(), goScenes()) {
		if flag.NArg() > 0 && !slices.Contains(flag.Args(), s.name) {
			continue
		}
		st.record(filepath.Join(*out, s.name), s.play)
	}
	if flag.NArg() == 0 {
		derive(*out)
	}
}

// record plays a scene while tcpdump listens. Servers that the scene starts
// with st.server are up before that.
func (st *stage) record(path string, play func(*stage) []truth) {
	st.port++
	tcpdump := exec.Command("tcpdump", "-i", "lo", "-U", "--immediate-mode", "-s", "0", "-w", path+".pcap", "tcp")
	errs := &watched{want: "listening on"}
	tcpdump.Stderr = errs
	check(tcpdump.Start())
	errs.wait(path)
	said := play(st)
	for i := len(st.stop) - 1; i >= 0; i-- {
		st.stop[i]()
	}
	st.stop = nil
	time.Sleep(150 * time.Millisecond)
	check(tcpdump.Process.Signal(os.Interrupt))
	_ = tcpdump.Wait()
	b, err := json.MarshalIndent(said, "", "  ")
	check(err)
	check(os.WriteFile(path+".truth.json", append(b, '\n'), 0o644))
	fmt.Printf("%-28s %s\n", filepath.Base(path), summary(said))
}

func summary(said []truth) string {
	var s []string
	for _, t := range said {
		x := strings.TrimSpace(t.Version + " " + t.Suite + " " + t.Group + " " + t.Outcome + " " + t.Alert)
		if t.Resumed != nil && *t.Resumed {
			x += " resumed"
		}
		s = append(s, x)
	}
	return strings.Join(s, "; ")
}

// server starts a program and waits until it has said ready.
func (st *stage) server(ready string, args ...string) {
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
}

// client runs a program that ends by itself, and returns all that it said.
func (st *stage) client(stdin string, args ...string) string {
	cmd := exec.Command("timeout", append([]string{"5"}, args...)...)
	cmd.Dir = st.dir
	r, w, err := os.Pipe()
	check(err)
	cmd.Stdin = r
	done := make(chan struct{})
	go func() { // the session ticket of TLS 1.3 comes after the handshake
		time.Sleep(300 * time.Millisecond)
		_, _ = w.WriteString(stdin)
		w.Close()
		close(done)
	}()
	b, _ := cmd.CombinedOutput() // a failed handshake is an error of theirs, and a scene
	<-done
	r.Close()
	return string(b)
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
