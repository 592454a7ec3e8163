package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// hello is a page for which a browser makes no further requests.
const hello = `<!doctype html><title>hello</title><link rel="icon" href="data:,"><p>hello`

// chromium loads pages one after another, with a new profile.
func chromium(st *stage, urls ...string) {
	profile := st.folder("chromium", "")
	for _, u := range urls {
		st.client("", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-default-apps", "--no-proxy-server", "--ignore-certificate-errors",
			"--user-data-dir="+profile, "--dump-dom", u)
		after()
	}
}

// firefox loads a page, after adding the certificate of localhost to a profile.
// Firefox has no option to accept all certificates.
func firefox(st *stage, url string) {
	profile := st.folder("firefox", "")
	run("certutil", "-N", "-d", "sql:"+profile, "--empty-password")
	run("certutil", "-A", "-d", "sql:"+profile, "-n", "test", "-t", "CT,,", "-i", st.dir+"/rsa.crt")
	st.file("firefox/user.js", strings.Join([]string{
		`user_pref("network.proxy.type", 0);`,
		`user_pref("datareporting.policy.dataSubmissionEnabled", false);`,
		`user_pref("app.update.enabled", false);`,
		`user_pref("network.captive-portal-service.enabled", false);`,
		`user_pref("network.connectivity-service.enabled", false);`,
	}, "\n"))
	st.client("", "env", "HOME="+st.dir, "firefox-esr", "--headless", "--no-remote", "--profile", profile, "--screenshot", st.dir+"/shot.png", url)
}

// goWeb starts a web server of crypto/tls on port 443. The returned function
// returns the truths of the connections so far.
func goWeb(st *stage, set func(*tls.Config)) func() []truth {
	cert, err := tls.LoadX509KeyPair(filepath.Join(st.dir, "rsa.crt"), filepath.Join(st.dir, "rsa.key"))
	check(err)
	config := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}
	set(config)
	l, err := net.Listen("tcp", "127.0.0.1:443")
	check(err)
	st.stop = append(st.stop, func() { l.Close() })
	var mu sync.Mutex
	var truths []truth
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				s := tls.Server(c, config)
				t := truth{Stack: "go", Outcome: "rejected"}
				err := s.Handshake()
				if err == nil {
					t = goTruth(s.ConnectionState())
				} else {
					t.Alert = goAlert(err)
				}
				t.ClientPort = c.RemoteAddr().(*net.TCPAddr).Port
				mu.Lock()
				truths = append(truths, t)
				mu.Unlock()
				if r, err := http.ReadRequest(bufio.NewReader(s)); err == nil {
					r.Body.Close()
					fmt.Fprintf(s, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(hello), hello)
				}
				s.Close()
			}()
		}
	}()
	return func() []truth {
		time.Sleep(100 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		return truths
	}
}

// with sets the name of the client in truths.
func with(client string, truths []truth) []truth {
	for i := range truths {
		truths[i].Client = client
	}
	if len(truths) == 0 {
		log.Fatalf("%s never connected", client)
	}
	return truths
}

// old enables everything in nginx that OpenSSL considers insecure.
const old = "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers ALL:@SECLEVEL=0; ssl_dhparam DIR/dh2048.pem; ssl_session_tickets off;"

var stunnelLog = regexp.MustCompile(`(?m)LOG\d\[(\d+)\]: (TLSv\S+) ciphersuite: (\S+)`)

func webScenes() []scene {
	const site = "https://www.example/"
	curl := func(st *stage, args ...string) {
		st.curl("", append(args, site)...)
		after()
	}
	return []scene{
		{"web-curl", "nginx curl", func(st *stage) []truth {
			st.nginx(nil, strings.ReplaceAll(old, "DIR", st.dir), "")
			curl(st, "--tls-max", "1.0", "--ciphers", "ECDHE-RSA-AES256-SHA:AES256-SHA:@SECLEVEL=0")
			curl(st, "--tls-max", "1.1", "--ciphers", "DHE-RSA-AES128-SHA:@SECLEVEL=0")
			curl(st, "--tls-max", "1.2", "--ciphers", "AES128-GCM-SHA256")
			curl(st, "--tlsv1.3", "--curves", "P-521:X25519")
			return with("curl", st.readNginx())
		}},
		{"web-resume-ticket", "nginx", func(st *stage) []truth { // curl does not request TLS 1.2 tickets
			st.nginx(nil, "", "")
			var truths []truth
			for _, session := range []string{"-sess_out s", "-sess_in s"} {
				truths = append(truths, st.startTLS("", "-connect 127.0.0.1:443 -tls1_2 -servername www.example "+session))
				after()
			}
			return truths
		}},
		{"web-resume-session-id", "nginx curl", func(st *stage) []truth {
			st.nginx(nil, "keepalive_timeout 0; ssl_session_tickets off; ssl_session_cache shared:tls:1m;", "")
			st.curl("", "--tls-max", "1.2", site, "-o", "/dev/null", site)
			return with("curl", st.readNginx())
		}},
		{"web-resume-tls13", "nginx curl", func(st *stage) []truth {
			st.nginx(nil, "keepalive_timeout 0; ssl_protocols TLSv1.3; ssl_session_cache shared:tls:1m;", "")
			st.curl("", site, "-o", "/dev/null", site)
			return with("curl", st.readNginx())
		}},
		{"web-wget", "nginx wget", func(st *stage) []truth {
			st.nginx(nil, "", "")
			for _, v := range []string{"1.2", "1.3"} {
				st.client("", "wget", "-q", "--no-check-certificate", "--no-hsts", "--ciphers=NORMAL:-VERS-ALL:+VERS-TLS"+v, "-O", "/dev/null", site)
				after()
			}
			return with("wget", st.readNginx())
		}},
		{"web-chromium", "nginx chromium", func(st *stage) []truth {
			st.nginx(nil, "default_type text/html; keepalive_timeout 0;", "")
			chromium(st, site)
			return with("chromium", st.readNginx())
		}},
		{"web-chromium-tls12", "nginx chromium", func(st *stage) []truth {
			st.nginx(nil, "default_type text/html; keepalive_timeout 0; ssl_protocols TLSv1.2;", "")
			chromium(st, site)
			return with("chromium", st.readNginx())
		}},
		{"web-chromium-mlkem", "chromium", func(st *stage) []truth {
			truths := goWeb(st, func(*tls.Config) {})
			chromium(st, site)
			return with("chromium", truths())
		}},
		{"web-firefox", "nginx firefox-esr certutil", func(st *stage) []truth {
			st.nginx(nil, "default_type text/html; keepalive_timeout 0;", "")
			firefox(st, "https://localhost/")
			return with("firefox", st.readNginx())
		}},
		{"web-firefox-mlkem", "firefox-esr certutil", func(st *stage) []truth {
			truths := goWeb(st, func(*tls.Config) {})
			firefox(st, "https://localhost/")
			return with("firefox", truths())
		}},
		{"web-stunnel", "stunnel nginx curl", func(st *stage) []truth {
			// curl -> stunnel -> TLS -> stunnel -> nginx without TLS
			st.nginx([]int{8080}, "", "server { listen 127.0.0.1:8080; location / { return 200 \"hello\\n\"; } }")
			conf := st.file("stunnel.conf", `
foreground = yes
pid =
debug = info
syslog = no
[server]
accept = 127.0.0.1:8443
connect = 127.0.0.1:8080
cert = DIR/rsa.crt
key = DIR/rsa.key
[client]
client = yes
accept = 127.0.0.1:8081
connect = 127.0.0.1:8443
`)
			w := st.daemon([]int{8081, 8443}, "stunnel", conf)
			for range 2 {
				st.client("", "curl", "-s", "-o", "/dev/null", "http://127.0.0.1:8081/")
				after()
			}
			var truths []truth
			for i, m := range stunnelLog.FindAllStringSubmatch(w.output(), -1) {
				if i%2 == 0 { // both ends log each connection
					truths = append(truths, truth{Stack: "stunnel", Outcome: "established", Version: versions[m[2]], Suite: ianaNames[m[3]]})
				}
			}
			if len(truths) == 0 {
				log.Fatal(w.output())
			}
			return truths
		}},
	}
}
