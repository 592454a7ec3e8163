package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// daemon starts a server in the foreground and waits until it listens on these
// ports. It does not connect to them, because that would be captured.
func (st *stage) daemon(ports []int, args ...string) *watched {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = st.dir
	group(cmd)
	w := &watched{}
	cmd.Stdout, cmd.Stderr = w, w
	cmd.WaitDelay = time.Second // its children may keep the pipe open
	check(cmd.Start())
	st.stop = append(st.stop, func() {
		endGroup(cmd, false)
		stopped := make(chan bool)
		go func() { _ = cmd.Wait(); close(stopped) }()
		select {
		case <-stopped:
		case <-time.After(3 * time.Second):
		}
		endGroup(cmd, true)
		<-stopped
		for _, p := range ports {
			until(fmt.Sprintf("%s leaves %d", args[0], p), func() bool { return !listens(p) }, w.output)
		}
	})
	for _, p := range ports {
		until(fmt.Sprintf("%s listens on %d", args[0], p), func() bool { return listens(p) }, w.output)
	}
	return w
}

// until waits for a condition. If it never holds, until prints the result of
// more and exits.
func until(what string, holds func() bool, more func() string) {
	for range 1000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	log.Fatalf("timeout: %s\n%s", what, more())
}

// listens reports whether a socket in this namespace listens on the port.
func listens(port int) bool {
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 3 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				return true
			}
		}
	}
	return false
}

// file writes a file and returns its path. It replaces DIR in text with the
// stage's directory. Servers that drop root privileges can read the file.
func (st *stage) file(name, text string) string {
	path := filepath.Join(st.dir, name)
	check(os.MkdirAll(filepath.Dir(path), 0o755))
	check(os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", st.dir)), 0o644))
	return path
}

// folder creates a directory, owned by user if not empty, and returns its path.
func (st *stage) folder(name, user string) string {
	path := filepath.Join(st.dir, name)
	check(os.RemoveAll(path))
	check(os.MkdirAll(path, 0o755))
	if user != "" {
		run("chown", user, path)
	}
	return path
}

// startTLS runs s_client against a running server. upgrade names the protocol
// before TLS.
func (st *stage) startTLS(upgrade, args string) truth {
	t := readSClient(st.client("Q\n", append([]string{"openssl", "s_client"}, strings.Fields(args)...)...))
	t.Upgrade = upgrade
	return t
}

var (
	curlSaid  = regexp.MustCompile(`(?m)^\* SSL connection using (\S+) / (\S+)`)
	curlLocal = regexp.MustCompile(`(?m)^local (\d+)`)
)

// curl runs curl and returns the truths of its TLS connections. The client port
// is known only if there is one connection.
func (st *stage) curl(upgrade string, args ...string) []truth {
	s := st.client("", append([]string{"curl", "-v", "-s", "-k", "--noproxy", "", "-o", "/dev/null", "-w", "local %{local_port}\n"}, args...)...)
	var truths []truth
	for _, m := range curlSaid.FindAllStringSubmatch(s, -1) {
		truths = append(truths, truth{Stack: "curl", Outcome: "established", Version: versions[m[1]], Suite: ianaNames[m[2]], Upgrade: upgrade})
	}
	if m := curlLocal.FindAllStringSubmatch(s, -1); len(truths) == 1 && len(m) == 1 {
		truths[0].ClientPort, _ = strconv.Atoi(m[0][1])
	}
	if len(truths) == 0 {
		log.Fatalf("curl %q had no TLS:\n%s", args, s)
	}
	return truths
}

// nginx starts a web server with TLS on port 443 and with the given server
// blocks. It writes the logs that readNginx reads.
func (st *stage) nginx(ports []int, tls, servers string) {
	if !strings.Contains(tls, "ssl_protocols") {
		tls += "ssl_protocols TLSv1.2 TLSv1.3;"
	}
	st.folder("nginx", "")
	st.file("nginx/access.log", "")
	conf := st.file("nginx/nginx.conf", `
daemon off;
master_process off;
pid DIR/nginx/pid;
error_log DIR/nginx/error.log debug;
events {}
http {
	log_format tls '$connection $remote_port $ssl_protocol $ssl_cipher $ssl_curve $ssl_session_reused $server_port';
	access_log DIR/nginx/access.log tls;
	client_body_temp_path DIR/nginx/body;
	proxy_temp_path DIR/nginx/proxy;
	fastcgi_temp_path DIR/nginx/fastcgi;
	uwsgi_temp_path DIR/nginx/uwsgi;
	scgi_temp_path DIR/nginx/scgi;
	ssl_certificate DIR/rsa.crt;
	ssl_certificate_key DIR/rsa.key;
	`+tls+`
	server {
		listen 127.0.0.1:443 ssl;
		location / { return 200 "hello\n"; }
	}
	`+servers+`
}
`)
	st.daemon(append(ports, 443), "nginx", "-p", st.dir, "-c", conf, "-e", st.dir+"/nginx/error.log")
}

// nginxLog matches the debug log, which has every handshake. The access log lacks
// connections without a request, which browsers make. Debian's nginx is built
// with debugging.
var nginxLog = regexp.MustCompile(`\*(\d+) (?:accept: 127\.0\.0\.1:(\d+) |SSL: (\S+), cipher: "(\S+) |(SSL reused session))`)

// readNginx returns the truths of all connections, in order, from nginx's logs.
func (st *stage) readNginx() []truth {
	group := map[string]string{}
	for _, f := range st.logged("nginx/access.log", 7) {
		group[f[0]] = opensslGroups[f[4]]
	}
	b, err := os.ReadFile(filepath.Join(st.dir, "nginx/error.log"))
	check(err)
	var truths []truth
	place := map[string]int{}
	for _, m := range nginxLog.FindAllStringSubmatch(string(b), -1) {
		i, ok := place[m[1]]
		switch {
		case m[2] != "":
			place[m[1]] = len(truths)
			t := truth{Stack: "nginx", Outcome: "rejected", Group: group[m[1]]}
			t.ClientPort, _ = strconv.Atoi(m[2])
			truths = append(truths, t)
		case !ok:
		case m[5] != "":
			truths[i].Resumed = ptr(true)
		default:
			truths[i].Outcome, truths[i].Version, truths[i].Suite = "established", versions[m[3]], ianaNames[m[4]]
			truths[i].Resumed = ptr(false)
		}
	}
	for i := range truths {
		if truths[i].Version != "TLS 1.3" && truths[i].Resumed != nil && *truths[i].Resumed {
			truths[i].Group = "" // nginx reports the group of the original session
		}
	}
	return truths
}

// logged returns the lines of a log, split into n words. The first word is the
// number of a connection; only the first line of each connection is returned.
func (st *stage) logged(name string, n int) [][]string {
	time.Sleep(100 * time.Millisecond)
	f, err := os.Open(filepath.Join(st.dir, name))
	check(err)
	defer f.Close()
	var list [][]string
	seen := map[string]bool{}
	for s := bufio.NewScanner(f); s.Scan(); {
		w := strings.Fields(s.Text())
		if len(w) == n && !seen[w[0]] {
			seen[w[0]] = true
			list = append(list, w)
		}
	}
	slices.SortStableFunc(list, func(a, b []string) int {
		x, _ := strconv.Atoi(a[0])
		y, _ := strconv.Atoi(b[0])
		return x - y
	})
	return list
}
