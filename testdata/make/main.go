// Command make writes the captures that the tests read. They contain real
// handshakes between real TLS stacks, captured by tcpdump in a separate network
// namespace. For each capture make also writes what the stacks reported about
// its connections, NAME.truth.json.
//
//	go run ./testdata/make [-out DIR] [-derive] [NAME ...]
//	go test ./cmd/pfsight -run 'TestCaptures' -update
//	go run ./testdata/make -load FILE -mb 4096 -bulk 1000
//
// The first command runs all scenes, or the named ones, and then derives
// variants of the captures; with -derive it only does the latter. The second
// command writes the golden files; review the changes in them. The third writes
// a large capture for benchmarks.
//
// make needs Linux, root privileges, and the programs openssl, srptool, tcpdump,
// ip and unshare. It uses the privileges for network, process, mount and host
// name namespaces. Outside of these it writes only to /run, as the servers do.
//
// make skips scenes whose programs are not installed. These packages of Debian 12
// contain all of them:
//
//	gnutls-bin openjdk-17-jdk-headless curl wget chromium firefox-esr
//	libnss3-tools nginx stunnel4 haproxy squid dante-server microsocks
//	openssh-server websockify postfix dovecot-imapd dovecot-pop3d
//	dovecot-lmtpd dovecot-managesieved vsftpd inn2 prosody inspircd slapd
//	ldap-utils postgresql mariadb-server freetds-bin xrdp freerdp2-x11 xvfb
//	xauth cups-daemon cups-ipp-utils
//
// The files:
//
//	main.go, watch.go, group_*.go, daemons.go  run programs and tcpdump
//	openssl*.go, gnutls.go, gotls.go, jsse.go  TLS stacks
//	mail.go, chat.go, databases.go, tds.go     protocols that switch to TLS
//	proxies.go, web.go, websocket.go           proxies and browsers
//	framed.go, eap.go, openvpn.go              TLS inside another protocol
//	derive.go, segments.go, frames.go, files.go  variants of captures
//	load.go                                    large captures
//	readme.go                                  testdata/captures/README.md
//
// The programs in peers make the DTLS and QUIC captures. They are modules of
// their own, so that this module does not depend on those stacks.
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

// A truth is what a TLS stack reported about one connection. Fields that it did
// not report are empty.
type truth struct {
	Stack      string   `json:"stack"`
	Client     string   `json:"client,omitempty"` // name of the client program, if there are several
	Version    string   `json:"version,omitempty"`
	Suite      string   `json:"cipher_suite,omitempty"`
	SuiteID    string   `json:"cipher_suite_id,omitempty"` // for stacks that do not use IANA names
	Group      string   `json:"group,omitempty"`
	DHBits     int      `json:"dh_bits,omitempty"`
	Resumed    *bool    `json:"resumed,omitempty"`
	PSKMode    string   `json:"psk_mode,omitempty"`
	EarlyData  string   `json:"early_data,omitempty"` // "accepted", "rejected", "none"
	HelloRetry *bool    `json:"hello_retry_request,omitempty"`
	Outcome    string   `json:"outcome,omitempty"`
	Alert      string   `json:"alert,omitempty"` // number of the alert
	ECH        *bool    `json:"ech,omitempty"`
	ClientPort int      `json:"client_port,omitempty"`
	Upgrade    string   `json:"upgrade,omitempty"`       // the last protocol before TLS
	Chain      []string `json:"upgrade_chain,omitempty"` // all protocols before TLS, if there are several
	Target     string   `json:"target,omitempty"`        // the destination given to a proxy, host:port
}

// A scene produces one capture.
type scene struct {
	name  string
	needs string // programs, separated by spaces
	run   func(*stage) []truth
}

// missing returns an error if a program that s needs is not installed.
func (s *scene) missing() error {
	for _, p := range strings.Fields(s.needs) {
		if _, err := exec.LookPath(p); err != nil {
			return err
		}
	}
	return nil
}

// A stage is the environment of the running scene.
type stage struct {
	dir  string // temporary directory for keys and configuration
	port int
	stop []func()

	iface, filter string // what tcpdump captures; "" for lo and tcp
}

// inside is set in the environment of the process in the namespaces.
const inside = "PFSIGHT_MAKE_INSIDE"

func main() {
	log.SetFlags(0)
	out := flag.String("out", "testdata/captures", "`DIR` to write to")
	only := flag.Bool("derive", false, "only derive the variants")
	large := flag.String("load", "", "write a large capture to `FILE`, composed of those in -out")
	size := flag.Int("mb", 1024, "with -load: size of the capture, `MB`")
	bulk := flag.Int("bulk", 0, "with -load: packets of application data after each handshake")
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
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { // remove variables that change the behavior of programs
			name, _, _ := strings.Cut(strings.ToLower(v), "=")
			return strings.HasSuffix(name, "_proxy") || name == "sslkeylogfile"
		})
		cmd.Env = append(cmd.Env, inside+"=1", "OPENSSL_CONF=/dev/null")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			log.Fatalf("in new namespaces: %v", err)
		}
		return
	}
	run("ip", "link", "set", "lo", "up")
	run("hostname", "test.example") // servers use it in greetings
	dir, err := os.MkdirTemp("", "make")
	check(err)
	defer os.RemoveAll(dir)
	check(os.Chmod(dir, 0o755)) // for servers that drop root privileges
	st := &stage{dir: dir}
	st.keys()
	// Programs look up these names. The mount exists only in this namespace.
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
		st.port = firstPort + i // the same in every run of make
		st.record(filepath.Join(*out, s.name), s.run)
	}
	st.framed(*out, flag.Args())
	readme(*out)
	if flag.NArg() == 0 {
		derive(*out)
	}
}

const firstPort = 4434

var dropped = regexp.MustCompile(`(\d+) packets? dropped by kernel`)

// record runs a scene while tcpdump captures, and writes path.pcap and
// path.truth.json.
func (st *stage) record(path string, run func(*stage) []truth) {
	tcpdump := exec.Command("tcpdump", "-i", cmp.Or(st.iface, "lo"), "-U", "--immediate-mode", "-B", "16384", "-s", "0", "-w", path+".pcap", cmp.Or(st.filter, "tcp"))
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
	if m := dropped.FindStringSubmatch(errs.output()); m == nil || m[1] != "0" {
		log.Fatalf("%s: tcpdump lost packets; run the scene again:\n%s", path, errs.output())
	}
	b, err := json.MarshalIndent(truths, "", "  ")
	check(err)
	check(os.WriteFile(path+".truth.json", append(b, '\n'), 0o644))
	fmt.Printf("%-28s %s\n", filepath.Base(path), summary(truths))
}

// summary describes truths in one line.
func summary(truths []truth) string {
	var s []string
	for _, t := range truths {
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

// client runs a program that exits by itself and returns its output.
func (st *stage) client(stdin string, args ...string) string {
	cmd := exec.Command("timeout", append([]string{"20"}, args...)...)
	cmd.Dir = st.dir
	r, w, err := os.Pipe()
	check(err)
	cmd.Stdin = r
	done := make(chan struct{})
	go func() { // wait for the TLS 1.3 session ticket, sent after the handshake
		time.Sleep(300 * time.Millisecond)
		_, _ = w.WriteString(stdin)
		w.Close()
		close(done)
	}()
	b, _ := cmd.CombinedOutput() // some scenes fail on purpose
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
