package main

import (
	"fmt"
	"regexp"
	"strings"
)

// postfix starts a mail server on ports 25 and 587. It relays mail to itself on
// port 2525, where it discards it. Mail for lmtp.example goes to port 24.
func (st *stage) postfix(more string) *watched {
	st.folder("spool", "")
	st.folder("data", "postfix")
	st.file("postfix/main.cf", `
compatibility_level = 3.6
queue_directory = DIR/spool
data_directory = DIR/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = /dev/stdout
myhostname = mail.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
relayhost = [127.0.0.1]:2525
transport_maps = inline:{lmtp.example=lmtp:inet:127.0.0.1:24}
disable_dns_lookups = yes
smtpd_tls_cert_file = DIR/rsa.crt
smtpd_tls_key_file = DIR/rsa.key
smtpd_tls_security_level = may
smtpd_tls_loglevel = 1
smtp_tls_security_level = encrypt
smtp_tls_loglevel = 1
lmtp_tls_security_level = encrypt
lmtp_tls_loglevel = 1
tls_random_source = dev:/dev/urandom
`+more)
	services := `
25 inet n - n - - smtpd
587 inet n - n - - smtpd
	-o smtpd_tls_security_level=encrypt
2525 inet n - n - - smtpd
	-o content_filter=discard:
26 inet n - n - - smtpd
	-o smtpd_upstream_proxy_protocol=haproxy
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
postlog unix-dgram n - n - 1 postlogd
`
	for _, s := range []string{"bounce", "defer:bounce", "trace:bounce", "verify", "flush", "proxymap", "smtp", "relay:smtp", "lmtp", "error", "retry:error", "discard", "anvil", "scache"} {
		name, program, ok := strings.Cut(s, ":")
		if !ok {
			program = name
		}
		services += fmt.Sprintf("%s unix - - n - - %s\n", name, program)
	}
	st.file("postfix/master.cf", services)
	w := st.daemon([]int{25, 26, 587, 2525}, "postfix", "-c", st.dir+"/postfix", "start-fg")
	st.stop = append(st.stop, func() { run("postfix", "-c", st.dir+"/postfix", "abort") }) // Postfix has its own process group
	return w
}

// postfixLog matches the log of Postfix's clients: protocol, server port,
// version, suite and, in TLS 1.3, group.
var postfixLog = regexp.MustCompile(`postfix/([sl]mtp)\[\d+\]: \S+ TLS connection established to .*:(\d+): (\S+) with cipher (\S+) \(\S+ bits\)(?: key-exchange (\S+))?`)

// relayed waits until Postfix logs a TLS connection to the port.
func relayed(w *watched, port string) truth {
	var m []string
	until("Postfix speaks to port "+port, func() bool {
		for _, x := range postfixLog.FindAllStringSubmatch(w.output(), -1) {
			if x[2] == port {
				m = x
			}
		}
		return m != nil && strings.Contains(w.output(), "removed")
	}, w.output)
	return truth{Stack: "postfix", Outcome: "established", Version: versions[m[3]], Suite: ianaNames[m[4]], Group: opensslGroups[m[5]], Upgrade: m[1]}
}

const letter = "From: <a@mail.example>\nSubject: hello\n\nhello\n"

// dovecot starts a server for IMAP, POP3, LMTP and ManageSieve.
func (st *stage) dovecot() {
	st.folder("run", "")
	st.folder("mail", "")
	conf := st.file("dovecot.conf", `
base_dir = DIR/run
state_dir = DIR/run
log_path = /dev/stderr
listen = 127.0.0.1
protocols = imap pop3 lmtp sieve
ssl = yes
disable_plaintext_auth = no
ssl_cert = <DIR/rsa.crt
ssl_key = <DIR/rsa.key
ssl_dh = <DIR/dh2048.pem
mail_location = maildir:DIR/mail/%u
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
passdb {
	driver = static
	args = password=secret
}
userdb {
	driver = static
	args = uid=nobody gid=nogroup home=DIR/mail/%u allow_all_users=yes
}
service lmtp {
	inet_listener lmtp {
		port = 24
		ssl = no
	}
}
service managesieve-login {
	inet_listener sieve {
		port = 4190
	}
}
`)
	run("chown", "nobody", st.dir+"/mail")
	st.daemon([]int{24, 110, 143, 4190}, "dovecot", "-F", "-c", conf)
}

const nnrpd = "/usr/lib/news/bin/nnrpd" // of INN

func mailScenes() []scene {
	return []scene{
		{"upgrade-smtp", "postfix curl", func(st *stage) []truth {
			w := st.postfix("")
			mail := st.file("letter.txt", letter)
			truths := []truth{st.startTLS("smtp", "-starttls smtp -connect 127.0.0.1:25 -name client.example")}
			truths = append(truths, st.curl("smtp", "--ssl-reqd", "--tls-max", "1.2", "--mail-from", "a@mail.example", "--mail-rcpt", "b@other.example", "-T", mail, "smtp://127.0.0.1:587/client.example")...)
			return append(truths, relayed(w, "2525"))
		}},
		{"upgrade-lmtp", "postfix dovecot curl", func(st *stage) []truth {
			st.dovecot()
			w := st.postfix("")
			truths := []truth{st.startTLS("lmtp", "-starttls lmtp -connect 127.0.0.1:24 -tls1_2 -groups P-256 -name client.example")}
			mail := st.file("letter.txt", letter)
			st.client("", "curl", "-s", "--mail-from", "a@mail.example", "--mail-rcpt", "b@lmtp.example", "-T", mail, "smtp://127.0.0.1:25/client.example")
			return append(truths, relayed(w, "24"))
		}},
		{"upgrade-imap", "dovecot curl", func(st *stage) []truth {
			st.dovecot()
			truths := []truth{st.startTLS("imap", "-starttls imap -connect 127.0.0.1:143")}
			return append(truths, st.curl("imap", "--ssl-reqd", "--tls-max", "1.2", "-u", "joe:secret", "-X", "NOOP", "imap://127.0.0.1/")...)
		}},
		{"upgrade-pop3", "dovecot curl", func(st *stage) []truth {
			st.dovecot()
			truths := []truth{st.startTLS("pop3", "-starttls pop3 -connect 127.0.0.1:110")}
			return append(truths, st.curl("pop3", "--ssl-reqd", "--tls-max", "1.2", "-u", "joe:secret", "pop3://127.0.0.1/")...)
		}},
		{"upgrade-sieve", "dovecot", func(st *stage) []truth {
			st.dovecot()
			return []truth{st.startTLS("sieve", "-starttls sieve -connect 127.0.0.1:4190")}
		}},
		{"upgrade-nntp", nnrpd, func(st *stage) []truth {
			st.folder("news", "news")
			run("install", "-o", "news", "-m", "600", st.dir+"/rsa.key", st.dir+"/news/rsa.key")
			conf := st.file("news/inn.conf", `
pathnews: /usr/lib/news
pathbin: /usr/lib/news/bin
mta: "/bin/true %s"
hismethod: hisv6
ovmethod: tradindexed
domain: news.example
pathhost: news.example
pathdb: DIR/news
pathetc: DIR/news
pathrun: DIR/news
pathtmp: DIR/news
pathlog: DIR/news
pathspool: DIR/news
nnrpdcheckart: false
tlscafile: DIR/rsa.crt
tlscertfile: DIR/rsa.crt
tlskeyfile: DIR/news/rsa.key
`)
			st.file("news/readers.conf", "auth all { hosts: * default: \"<anonymous>\" }\naccess all { users: * newsgroups: * }\n")
			st.file("news/storage.conf", "method trash { newsgroups: *\nclass: 0 }\n")
			for _, name := range []string{"active", "newsgroups", "active.times", "history", "overview/group.index"} {
				st.file("news/"+name, "")
			}
			run("chown", "-R", "news", st.dir+"/news")
			st.daemon([]int{119}, "env", "INNCONF="+conf, nnrpd, "-D", "-f", "-b", "127.0.0.1", "-p", "119")
			return []truth{st.startTLS("nntp", "-starttls nntp -connect 127.0.0.1:119")}
		}},
	}
}
