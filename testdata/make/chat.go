package main

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// spoken runs a client and a server of crypto/tls that exchange the messages in
// turns before TLS; the client sends the first. It is for protocols without an
// available server that can switch to TLS.
func spoken(upgrade string, port int, turns ...string) func(*stage) []truth {
	return func(st *stage) []truth {
		cert, err := tls.LoadX509KeyPair(filepath.Join(st.dir, "rsa.crt"), filepath.Join(st.dir, "rsa.key"))
		check(err)
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		check(err)
		st.stop = append(st.stop, func() { l.Close() })
		say := func(c net.Conn, first bool) {
			for i, words := range turns {
				if (i%2 == 0) == first {
					_, err = io.WriteString(c, words)
				} else {
					_, err = io.ReadFull(c, make([]byte, len(words)))
				}
				check(err)
			}
		}
		go func() {
			c, err := l.Accept()
			check(err)
			say(c, false)
			s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
			_, _ = io.Copy(s, s)
			s.Close()
		}()
		c, err := net.Dial("tcp", l.Addr().String())
		check(err)
		say(c, true)
		return []truth{goUpgraded(c, upgrade)}
	}
}

// goEcho starts an echo server of crypto/tls for one connection. The channel
// returns the server's view of the handshake.
func goEcho(st *stage, addr string) <-chan truth {
	cert, err := tls.LoadX509KeyPair(filepath.Join(st.dir, "rsa.crt"), filepath.Join(st.dir, "rsa.key"))
	check(err)
	l, err := net.Listen("tcp", addr)
	check(err)
	st.stop = append(st.stop, func() { l.Close() })
	truths := make(chan truth, 1)
	go func() {
		c, err := l.Accept()
		check(err)
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		check(s.Handshake())
		t := goTruth(s.ConnectionState())
		t.ClientPort = c.RemoteAddr().(*net.TCPAddr).Port
		truths <- t
		_, _ = io.Copy(s, s)
		s.Close()
	}()
	return truths
}

// goUpgraded performs a handshake and an echo on c after upgrade was negotiated.
func goUpgraded(c net.Conn, upgrade string) truth {
	s := tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "rsa.example"})
	check(s.Handshake())
	t := goTruth(s.ConnectionState())
	t.Upgrade, t.ClientPort = upgrade, c.LocalAddr().(*net.TCPAddr).Port
	_, err := io.WriteString(s, "hello")
	check(err)
	_, err = io.ReadFull(s, make([]byte, 5))
	check(err)
	s.Close()
	return t
}

func ftp(st *stage) []truth {
	st.folder("ftp/empty", "")
	st.folder("ftp/root", "")
	st.file("ftp/root/hello.txt", "hello\n")
	conf := st.file("ftp/vsftpd.conf", `
listen=YES
listen_address=127.0.0.1
background=NO
anonymous_enable=YES
ftp_username=bin
anon_root=DIR/ftp/root
secure_chroot_dir=DIR/ftp/empty
seccomp_sandbox=NO
isolate_network=NO
ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=YES
force_anon_data_ssl=YES
require_ssl_reuse=YES
ssl_ciphers=HIGH
rsa_cert_file=DIR/rsa.crt
rsa_private_key_file=DIR/rsa.key
pasv_min_port=50000
pasv_max_port=50000
xferlog_enable=NO
`)
	st.daemon([]int{21}, "vsftpd", conf)
	// The second TLS connection carries the data. Nothing precedes TLS in it.
	truths := st.curl("ftp", "--ssl-reqd", "--tls-max", "1.2", "--disable-epsv", "ftp://127.0.0.1/hello.txt")
	for i := range truths[1:] {
		truths[i+1].Upgrade = ""
	}
	return append(truths, st.startTLS("ftp", "-starttls ftp -connect 127.0.0.1:21 -msg"))
}

func xmpp(st *stage) []truth {
	st.folder("prosody", "")
	conf := st.file("prosody/prosody.cfg.lua", `
run_as_root = true
pidfile = "DIR/prosody/pid"
data_path = "DIR/prosody"
certificates = "DIR/prosody"
log = { info = "*console" }
interfaces = { "127.0.0.1" }
c2s_ports = { 5222 }
s2s_ports = { 5269 }
modules_enabled = { "tls", "saslauth" }
c2s_require_encryption = true
ssl = { key = "DIR/rsa.key", certificate = "DIR/rsa.crt" }
VirtualHost "xmpp.example"
`)
	st.daemon([]int{5222, 5269}, "prosody", "--config", conf, "-F")
	return []truth{
		st.startTLS("xmpp", "-starttls xmpp -xmpphost xmpp.example -connect 127.0.0.1:5222"),
		st.startTLS("xmpp", "-starttls xmpp-server -xmpphost xmpp.example -connect 127.0.0.1:5269 -tls1_2"),
	}
}

func irc(st *stage) []truth {
	st.folder("irc", "")
	conf := st.file("irc/inspircd.conf", `
<config format="xml">
<server name="irc.example" description="test" network="test">
<admin name="test" nick="test" email="test@irc.example">
<bind address="127.0.0.1" port="6667" type="clients">
<module name="ssl_gnutls">
<module name="starttls">
<gnutls cafile="" certfile="DIR/rsa.crt" keyfile="DIR/rsa.key">
<starttls provider="gnutls">
<sslprofile name="gnutls" provider="gnutls" cafile="" certfile="DIR/rsa.crt" keyfile="DIR/rsa.key" hash="sha256">
<connect name="main" allow="*" useident="no" resolvehostnames="no">
<dns server="127.0.0.1" timeout="1">
<pid file="DIR/irc/pid">
<options defaultbind="ipv4">
`)
	st.daemon([]int{6667}, "inspircd", "--config="+conf, "--nofork", "--runasroot")
	// The server sends no ticket after the handshake, so the client has to send
	// something to get a response.
	t := readSClient(st.client("NICK joe\nQUIT\n", "openssl", "s_client", "-crlf", "-ign_eof", "-msg", "-starttls", "irc", "-connect", "127.0.0.1:6667"))
	t.Upgrade = "irc"
	return []truth{t}
}

// cups runs cupsd, which two clients ask for TLS as in RFC 2817 section 3.2:
// crypto/tls, and ipptool, for which only the server's log confirms the
// encryption. Apache dropped this upgrade in 2.4.64.
func cups(st *stage) []truth {
	st.folder("cups", "")
	for _, d := range []string{"requests", "cache", "state", "ssl", "root", "temp"} {
		st.folder("cups/"+d, "")
	}
	for _, ext := range []string{"crt", "key"} {
		run("cp", st.dir+"/rsa."+ext, st.dir+"/cups/ssl/localhost."+ext)
	}
	files := st.file("cups/cups-files.conf", `
SystemGroup root
User nobody
Group nogroup
AccessLog DIR/cups/access.log
ErrorLog stderr
PageLog DIR/cups/page.log
ServerRoot DIR/cups
RequestRoot DIR/cups/requests
CacheDir DIR/cups/cache
StateDir DIR/cups/state
TempDir DIR/cups/temp
DocumentRoot DIR/cups/root
ServerKeychain DIR/cups/ssl
CreateSelfSignedCerts no
`)
	conf := st.file("cups/cupsd.conf", `
LogLevel debug
ServerName localhost
Listen 127.0.0.1:631
Browsing No
DefaultAuthType None
DefaultEncryption IfRequested
<Location />
Order allow,deny
Allow all
</Location>
`)
	w := st.daemon([]int{631}, "cupsd", "-f", "-c", conf, "-s", files)
	c, err := net.Dial("tcp", "127.0.0.1:631")
	check(err)
	_, err = io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: localhost:631\r\nUpgrade: TLS/1.2,TLS/1.1,TLS/1.0\r\nConnection: upgrade\r\n\r\n")
	check(err)
	var head []byte
	for b := make([]byte, 1); !strings.HasSuffix(string(head), "\r\n\r\n"); head = append(head, b...) {
		if _, err := io.ReadFull(c, b); err != nil {
			log.Fatalf("cups: %s: %v", head, err)
		}
	}
	s := tls.Client(c, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	check(s.Handshake())
	t := goTruth(s.ConnectionState())
	t.Upgrade, t.ClientPort = "http", c.LocalAddr().(*net.TCPAddr).Port
	_, _ = s.Read(make([]byte, 4096)) // the response to OPTIONS
	s.Close()
	before := len(w.output())
	out := st.client("", "ipptool", "-E", "-t", "-T", "5", "-V", "1.1", "ipp://127.0.0.1:631/", "get-printers.test")
	if !strings.Contains(w.output()[before:], "encrypted") {
		log.Fatalf("cups: %s\n%s", out, w.output())
	}
	return []truth{t, {Stack: "cups", Client: "ipptool", Outcome: "established", Upgrade: "http"}}
}

var xrdpLog = regexp.MustCompile(`(TLSv\S+) with cipher (\S+)|version (TLSv\S+) with cipher (\S+)`)

// rdp runs xrdp with two clients: crypto/tls after an X.224 connection request,
// and FreeRDP.
func rdp(st *stage) []truth {
	st.folder("xrdp", "")
	conf := st.file("xrdp/xrdp.ini", `
[Globals]
ini_version=1
fork=true
port=tcp://127.0.0.1:3389
security_layer=tls
crypt_level=high
certificate=DIR/rsa.crt
key_file=DIR/rsa.key
ssl_protocols=TLSv1.2, TLSv1.3
autorun=none
max_bpp=32
[Logging]
LogFile=DIR/xrdp/log
LogLevel=DEBUG
EnableSyslog=false
EnableConsole=true
ConsoleLevel=DEBUG
[none]
name=none
lib=libvnc.so
ip=127.0.0.1
port=1
`)
	w := st.daemon([]int{3389}, "xrdp", "--nodaemon", "--config", conf)
	c, err := net.Dial("tcp", "127.0.0.1:3389")
	check(err)
	_, err = io.WriteString(c, "\x03\x00\x00\x2c\x27\xe0\x00\x00\x00\x00\x00Cookie: mstshash=user12\r\n\x01\x00\x08\x00\x03\x00\x00\x00")
	check(err)
	_, err = io.ReadFull(c, make([]byte, 19))
	check(err)
	s := tls.Client(c, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	check(s.Handshake())
	t := goTruth(s.ConnectionState())
	t.Upgrade, t.ClientPort = "rdp", c.LocalAddr().(*net.TCPAddr).Port
	s.Close()
	truths := []truth{t}
	after()
	before := len(w.output())
	out := st.client("", "xvfb-run", "-a", "xfreerdp", "/v:127.0.0.1", "/u:joe", "/p:secret", "/sec:tls", "/cert:ignore", "/timeout:2000", "+auth-only")
	m := xrdpLog.FindStringSubmatch(w.output()[before:])
	if m == nil {
		log.Fatalf("xfreerdp: %s\n%s", out, w.output())
	}
	return append(truths, truth{Stack: "xrdp", Client: "freerdp", Outcome: "established", Version: versions[m[1]+m[3]], Suite: ianaNames[m[2]+m[4]], Upgrade: "rdp"})
}

// never runs the same protocols without TLS. They yield no records.
func never(st *stage) []truth {
	st.postfix("")
	st.dovecot()
	st.mariadb()
	st.postgres()
	st.ldap()
	st.squid("")
	st.dante()
	st.nginx([]int{8080}, "", "server { listen 127.0.0.1:8080; location / { return 200 \"hello\\n\"; } }")
	mail := st.file("letter.txt", letter)
	for _, args := range [][]string{
		{"curl", "--mail-from", "a@mail.example", "--mail-rcpt", "b@other.example", "-T", mail, "smtp://127.0.0.1:2525/client.example"},
		{"curl", "-u", "joe:secret", "-X", "NOOP", "imap://127.0.0.1/"},
		{"curl", "-u", "joe:secret", "pop3://127.0.0.1/"},
		{"curl", "-x", "http://127.0.0.1:3128", "http://www.example:8080/"},
		{"curl", "-p", "-x", "http://127.0.0.1:3128", "http://www.example:8080/"},
		{"curl", "-x", "socks5h://127.0.0.1:1080", "http://www.example:8080/"},
		{"mariadb", "--no-defaults", "-h", "127.0.0.1", "--skip-ssl", "-e", "select 1"},
		{"psql", "-X", "-c", "select 1", "host=127.0.0.1 user=postgres dbname=postgres sslmode=disable"},
		{"ldapsearch", "-x", "-H", "ldap://127.0.0.1:389", "-s", "base", "-b", "", "1.1"},
	} {
		if err := exec.Command(args[0], args[1:]...).Run(); err != nil {
			log.Fatalf("%s: %v", args, err)
		}
	}
	return []truth{}
}

func chatScenes() []scene {
	const amqp = "AMQP\x02\x01\x00\x00" // OASIS AMQP 1.0 part 5 section 2.1
	const options = "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@example.com>;tag=1\r\n" +
		"To: <sip:example.com>\r\nCall-ID: 1@127.0.0.1\r\nCSeq: 1 OPTIONS\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n"
	return []scene{
		{"upgrade-ftp", "vsftpd curl", ftp},
		{"upgrade-xmpp", "prosody", xmpp},
		{"upgrade-irc", "inspircd", irc},
		{"upgrade-http", "cupsd ipptool", cups},
		{"upgrade-rdp", "xrdp xfreerdp xvfb-run", rdp},
		{"upgrade-never", "postfix dovecot mariadbd mariadb psql setpriv slapd ldapsearch squid danted nginx curl " + postgresBin("postgres"), never},
		{"upgrade-amqp", "", spoken("amqp", 5672, amqp, amqp)},
		{"upgrade-sip", "", spoken("sip", 5060, options, "SIP/2.0 101 Switching Protocols\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n")},
		{"upgrade-postgresql-direct", "", golang(1, func(server, client *tls.Config) {
			server.NextProtos, client.NextProtos = []string{"postgresql"}, []string{"postgresql"}
		})},
	}
}
