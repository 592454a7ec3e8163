package main

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// squid starts an HTTP proxy on port 3128.
func (st *stage) squid(more string) {
	dir := st.folder("squid", "proxy")
	st.file("squid/access.log", "")
	conf := st.file("squid/squid.conf", `
`+more+`
http_port 127.0.0.1:3128
http_access allow all
dns_nameservers 127.0.0.1
pinger_enable off
cache deny all
logformat ports %<lp %>p %Ss
access_log stdio:DIR/squid/access.log ports
cache_log DIR/squid/cache.log
pid_filename DIR/squid/pid
coredump_dir DIR/squid
visible_hostname proxy.example
shutdown_lifetime 0 seconds
via off
`)
	run("chown", "-R", "proxy", dir)
	st.daemon([]int{3128}, "squid", "-N", "-n", "pfsight"+strconv.Itoa(st.port), "-f", conf)
}

// dante starts a SOCKS 4 and 5 server on port 1080.
func (st *stage) dante() {
	st.folder("dante", "")
	conf := st.file("dante/danted.conf", `
logoutput: DIR/dante/log
internal: 127.0.0.1 port = 1080
external: 127.0.0.1
external.rotation: none
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 0/0 to: 0/0  }
socks pass { from: 0/0 to: 0/0  }
`)
	st.file("dante/log", "")
	st.daemon([]int{1080}, "danted", "-f", conf, "-p", st.dir+"/dante/pid", "-N", "1")
}

// ssh starts an SSH server and a client that serves SOCKS 4, 4a and 5 on port 1080.
func (st *stage) ssh() {
	dir := st.folder("ssh", "")
	run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", dir+"/key")
	run("cp", dir+"/key.pub", dir+"/keys")
	check(os.MkdirAll("/run/sshd", 0o755)) // sshd requires it
	conf := st.file("ssh/sshd_config", `
ListenAddress 127.0.0.1:22
HostKey DIR/ssh/key
AuthorizedKeysFile DIR/ssh/keys
PermitRootLogin yes
StrictModes no
UsePAM no
PidFile none
`)
	sshd, err := exec.LookPath("sshd") // sshd requires an absolute path
	check(err)
	st.daemon([]int{22}, sshd, "-D", "-e", "-f", conf)
	st.daemon([]int{1080}, "ssh", "-F", "none", "-N", "-D", "127.0.0.1:1080", "-i", dir+"/key", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "root@127.0.0.1")
}

// legs returns the truths of both connections that each handshake passes: from
// the client to the proxy, after the protocols in chain, and from the proxy to
// the server, whose log has the port.
func legs(clients []truth, servers []truth, target string, chain ...string) []truth {
	var truths []truth
	for i, c := range clients {
		s := servers[i]
		c.Upgrade, c.Target, c.Group, c.Resumed = chain[len(chain)-1], target, s.Group, s.Resumed
		if len(chain) > 1 {
			c.Chain = chain
		}
		truths = append(truths, c, s)
	}
	return truths
}

// haproxy starts a load balancer that sends the PROXY protocol: as text from port
// 8001 and as binary from 8002, both to port 8443, and from 8025 to a mail
// server.
func (st *stage) haproxy() *watched {
	conf := st.file("haproxy.cfg", `
global
	log stdout format raw local0
defaults
	mode tcp
	log global
	log-format "ports %cp %bp"
	timeout connect 5s
	timeout client 5s
	timeout server 5s
listen v1
	bind 127.0.0.1:8001
	server s 127.0.0.1:8443 send-proxy
listen v2
	bind 127.0.0.1:8002
	server s 127.0.0.1:8443 send-proxy-v2 proxy-v2-options unique-id
listen mail
	bind 127.0.0.1:8025
	server s 127.0.0.1:26 send-proxy
`)
	return st.daemon([]int{8001, 8002, 8025}, "haproxy", "-db", "-f", conf)
}

// haproxyPorts matches the source ports of the client and of haproxy in its log.
var haproxyPorts = regexp.MustCompile(`ports (\d+) (\d+)`)

// balanced is an nginx server that accepts the PROXY protocol only.
const balanced = `server {
	listen 127.0.0.1:8443 ssl proxy_protocol;
	location / { return 200 "hello\n"; }
}`

// after waits between two connections, so that their order is certain.
func after() { time.Sleep(50 * time.Millisecond) }

func proxyScenes() []scene {
	const site = "https://www.example/"
	return []scene{
		{"proxy-connect", "squid nginx curl", func(st *stage) []truth {
			st.nginx(nil, "", "")
			st.squid("")
			truths := st.curl("", "-x", "http://127.0.0.1:3128", site)
			after()
			truths = append(truths, st.curl("", "-x", "http://127.0.0.1:3128", "--tls-max", "1.2", site)...)
			return legs(truths, st.readNginx(), "www.example:443", "connect")
		}},
		{"proxy-connect-password", "squid nginx curl /usr/lib/squid/basic_fake_auth", func(st *stage) []truth {
			st.nginx(nil, "", "")
			st.squid("auth_param basic program /usr/lib/squid/basic_fake_auth\nacl known proxy_auth REQUIRED\nhttp_access deny !known")
			truths := st.curl("", "-x", "http://127.0.0.1:3128", "--proxy-anyauth", "-U", "joe:secret", site)
			return legs(truths, st.readNginx(), "www.example:443", "connect")
		}},
		{"proxy-socks", "danted nginx curl", func(st *stage) []truth {
			st.nginx(nil, "", "")
			st.dante()
			var clients []truth
			for _, args := range []string{"socks4://127.0.0.1:1080 https://127.0.0.1/", "socks5://127.0.0.1:1080 https://127.0.0.1/", "socks5h://127.0.0.1:1080 https://www.example/"} {
				clients = append(clients, st.curl("", append([]string{"-x"}, strings.Fields(args)...)...)...)
				after()
			}
			truths := legs(clients, st.readNginx(), "127.0.0.1:443", "socks")
			truths[4].Target = "www.example:443"
			return truths
		}},
		{"proxy-socks4a", "sshd ssh ssh-keygen nginx curl", func(st *stage) []truth {
			st.nginx(nil, "", "")
			st.ssh()
			truths := st.curl("", "-x", "socks4a://127.0.0.1:1080", site)
			return legs(truths, st.readNginx(), "www.example:443", "socks")
		}},
		{"proxy-socks-password", "microsocks nginx curl", func(st *stage) []truth {
			st.nginx(nil, "", "")
			st.daemon([]int{1080}, "microsocks", "-i", "127.0.0.1", "-p", "1080", "-u", "joe", "-P", "secret")
			truths := st.curl("", "-x", "socks5h://joe:secret@127.0.0.1:1080", "https://www.example/")
			return legs(truths, st.readNginx(), "www.example:443", "socks")
		}},
		{"proxy-protocol", "haproxy nginx curl", func(st *stage) []truth {
			st.nginx([]int{8443}, "", balanced)
			st.haproxy()
			var truths []truth
			for _, port := range []string{"8001", "8002"} {
				truths = append(truths, st.curl("", "https://127.0.0.1:"+port+"/")...)
				after()
			}
			servers := st.readNginx()
			for i := range servers {
				servers[i].Upgrade, servers[i].Target = "proxy", "127.0.0.1:800"+strconv.Itoa(i+1)
			}
			truths[0].Group, truths[1].Group = servers[0].Group, servers[1].Group
			return []truth{truths[0], servers[0], truths[1], servers[1]}
		}},
		{"proxy-protocol-smtp", "haproxy postfix", func(st *stage) []truth {
			st.postfix("")
			w := st.haproxy()
			t := st.startTLS("smtp", "-starttls smtp -connect 127.0.0.1:8025 -name client.example")
			after()
			m := haproxyPorts.FindStringSubmatch(w.output())
			t.ClientPort, _ = strconv.Atoi(m[1])
			u := t
			u.ClientPort, _ = strconv.Atoi(m[2])
			u.Chain, u.Target = []string{"proxy", "smtp"}, "127.0.0.1:8025"
			return []truth{t, u}
		}},
		{"proxy-socks-connect", "danted squid nginx curl", func(st *stage) []truth {
			st.nginx(nil, "", "")
			st.squid("")
			st.dante()
			truths := st.curl("", "--preproxy", "socks5://127.0.0.1:1080", "-x", "http://127.0.0.1:3128", site)
			truths = legs(truths, st.readNginx(), "www.example:443", "socks", "connect")
			middle := truths[0]
			middle.Stack, middle.Chain = "squid", nil
			middle.ClientPort, _ = strconv.Atoi(st.logged("squid/access.log", 3)[0][1])
			return []truth{truths[0], middle, truths[1]}
		}},
		{"proxy-websocket", "websockify", tunnel},
		{"proxy-connect-smtp", "squid postfix curl", func(st *stage) []truth {
			w := st.postfix("")
			st.squid("")
			mail := st.file("letter.txt", letter)
			truths := st.curl("smtp", "-x", "http://127.0.0.1:3128", "-p", "--ssl-reqd", "--mail-from", "a@mail.example", "--mail-rcpt", "b@other.example", "-T", mail, "smtp://mail.example:25/client.example")
			server := truths[0]
			truths[0].Chain, truths[0].Target = []string{"connect", "smtp"}, "mail.example:25"
			server.Stack = "squid"
			server.ClientPort, _ = strconv.Atoi(st.logged("squid/access.log", 3)[0][0])
			return []truth{truths[0], server, relayed(w, "2525")} // Postfix relays to itself
		}},
	}
}
