// Command make writes the captures that the tests read: real handshakes
// between real TLS stacks, captured by tcpdump in a network namespace of its
// own, each beside what the stack itself said that it had negotiated.
//
//	go run ./testdata/make [-out DIR] [-derive] [NAME ...]
//	go test ./cmd/pfsight -run 'TestCaptures' -update
//	go run ./testdata/make -load FILE -mb 4096 -bulk 1000
//
// It needs Linux, the rights of root (for namespaces of the network, of
// processes, of mounts and of the host's name; nothing outside of them is
// changed but /run/sshd and what programs write to /run), and the programs openssl, srptool, tcpdump, ip
// and unshare. The scenes of a stack that is not here are skipped; all of them
// are here with these packages of Debian 12:
//
//	gnutls-bin openjdk-17-jdk-headless curl wget chromium firefox-esr
//	libnss3-tools nginx stunnel4 haproxy squid dante-server microsocks
//	openssh-server websockify postfix dovecot-imapd dovecot-pop3d
//	dovecot-lmtpd dovecot-managesieved vsftpd inn2 prosody inspircd slapd
//	ldap-utils postgresql mariadb-server freetds-bin xrdp freerdp2-x11 xvfb
//	xauth cups-daemon cups-ipp-utils
//
// With names it
// plays these scenes alone; with -derive it only makes the variants of what
// is there. The second command writes the golden files; look at what changed
// in them.
package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A truth is what a TLS stack said of one connection. What it did not say is
// left out.
type truth struct {
	Stack      string   `json:"stack"`
	Client     string   `json:"client,omitempty"` // where the server tells
	Version    string   `json:"version,omitempty"`
	Suite      string   `json:"cipher_suite,omitempty"`
	SuiteID    string   `json:"cipher_suite_id,omitempty"` // of a stack with names of its own
	Group      string   `json:"group,omitempty"`
	DHBits     int      `json:"dh_bits,omitempty"`
	Resumed    *bool    `json:"resumed,omitempty"`
	PSKMode    string   `json:"psk_mode,omitempty"`
	EarlyData  string   `json:"early_data,omitempty"` // "accepted", "rejected", "none"
	HelloRetry *bool    `json:"hello_retry_request,omitempty"`
	Outcome    string   `json:"outcome,omitempty"`
	Alert      string   `json:"alert,omitempty"` // its number
	ECH        *bool    `json:"ech,omitempty"`
	ClientPort int      `json:"client_port,omitempty"`
	Upgrade    string   `json:"upgrade,omitempty"`       // the protocol that was spoken last before TLS
	Chain      []string `json:"upgrade_chain,omitempty"` // all of them, where there are several
	Target     string   `json:"target,omitempty"`        // where a proxy was told to connect, host:port
}

// A scene is one capture.
type scene struct {
	name  string
	needs string // programs
	play  func(*stage) []truth
}

// missing says which of its programs is not here.
func (s *scene) missing() error {
	for _, p := range strings.Fields(s.needs) {
		if _, err := exec.LookPath(p); err != nil {
			return err
		}
	}
	return nil
}

// A stage is where scenes are played.
type stage struct {
	dir  string // keys and other files that are not kept
	port int
	stop []func()

	iface, filter string // what tcpdump listens to; "" for lo and tcp
}

const inside = "PFSIGHT_MAKE_INSIDE"

func main() {
	log.SetFlags(0)
	out := flag.String("out", "testdata/captures", "folder to write to")
	only := flag.Bool("derive", false, "only make the variants")
	large := flag.String("load", "", "write a large capture to `FILE` instead, made of those in -out")
	size := flag.Int("mb", 1024, "with -load: its size, `MB`")
	bulk := flag.Int("bulk", 0, "with -load: packets of application data behind each handshake")
	flag.Parse()
	if *large != "" {
		load(*large, *out, int64(*size)<<20, *bulk)
		return
	}
	if *only {
		derive(*out)
		return
	}
	if os.Getenv(inside) == "" {
		cmd := exec.Command("unshare", append([]string{"-n", "-u", "-p", "-f", "--mount-proc", "--kill-child", os.Args[0]}, os.Args[1:]...)...)
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { // what else would change what programs do
			name, _, _ := strings.Cut(strings.ToLower(v), "=")
			return strings.HasSuffix(name, "_proxy") || name == "sslkeylogfile"
		})
		cmd.Env = append(cmd.Env, inside+"=1", "OPENSSL_CONF=/dev/null")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			log.Fatalf("namespaces are needed: %v", err)
		}
		return
	}
	run("ip", "link", "set", "lo", "up")
	run("hostname", "test.example") // servers greet with it
	dir, err := os.MkdirTemp("", "make")
	check(err)
	defer os.RemoveAll(dir)
	check(os.Chmod(dir, 0o755)) // for servers that leave the rights of root
	st := &stage{dir: dir}
	st.keys()
	// Names that programs look up. The mount is of this namespace.
	run("mount", "--bind", st.file("hosts", "127.0.0.1 localhost test.example www.example mail.example\n"), "/etc/hosts")
	check(os.MkdirAll(*out, 0o755))
	for i, s := range slices.Concat(opensslScenes(), gnutlsScenes(), goScenes(), jsseScenes(), mailScenes(), databaseScenes(), chatScenes(), proxyScenes(), webScenes()) {
		if flag.NArg() > 0 && !slices.Contains(flag.Args(), s.name) {
			continue
		}
		if missing := s.missing(); missing != nil {
			fmt.Printf("%-28s skipped: %v\n", s.name, missing)
			continue
		}
		st.port = firstPort + i // the same in every run
		st.record(filepath.Join(*out, s.name), s.play)
	}
	st.framed(*out, flag.Args())
	readme(*out)
	if flag.NArg() == 0 {
		derive(*out)
	}
}

const firstPort = 4434

var dropped = regexp.MustCompile(`(\d+) packets? dropped by kernel`)

// record plays a scene while tcpdump listens. Servers that the scene starts
// with st.server are up before that.
func (st *stage) record(path string, play func(*stage) []truth) {
	tcpdump := exec.Command("tcpdump", "-i", cmp.Or(st.iface, "lo"), "-U", "--immediate-mode", "-B", "16384", "-s", "0", "-w", path+".pcap", cmp.Or(st.filter, "tcp"))
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
	if m := dropped.FindStringSubmatch(errs.said()); m == nil || m[1] != "0" {
		log.Fatalf("%s: tcpdump lost packets; play it again:\n%s", path, errs.said())
	}
	b, err := json.MarshalIndent(said, "", "  ")
	check(err)
	check(os.WriteFile(path+".truth.json", append(b, '\n'), 0o644))
	fmt.Printf("%-28s %s\n", filepath.Base(path), summary(said))
}

func summary(said []truth) string {
	var s []string
	for _, t := range said {
		x := []string{t.Upgrade, t.Target, t.Version, t.Suite, t.SuiteID, t.Group, t.PSKMode}
		if t.Resumed != nil && *t.Resumed {
			x = append(x, "resumed")
		}
		if t.EarlyData != "" && t.EarlyData != "none" {
			x = append(x, "early data "+t.EarlyData)
		}
		if t.HelloRetry != nil && *t.HelloRetry {
			x = append(x, "HelloRetryRequest")
		}
		x = append(x, t.Outcome)
		if t.Alert != "" {
			x = append(x, "alert "+t.Alert)
		}
		s = append(s, strings.Join(slices.DeleteFunc(x, func(w string) bool { return w == "" }), " "))
	}
	return strings.Join(s, "; ")
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

// client runs a program that ends by itself, and returns all that it said.
func (st *stage) client(stdin string, args ...string) string {
	cmd := exec.Command("timeout", append([]string{"20"}, args...)...)
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
