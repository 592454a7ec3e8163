package main

import (
	"log"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// postgresBin returns the path of a PostgreSQL server program. Debian does not
// install these in the PATH.
func postgresBin(name string) string {
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(found) > 0 {
		return found[len(found)-1]
	}
	return name
}

// as returns a command line that runs args as another user.
func as(user string, args ...string) []string {
	return append([]string{"setpriv", "--reuid", user, "--regid", user, "--clear-groups"}, args...)
}

func (st *stage) postgres() {
	dir := st.folder("pg", "postgres")
	key := filepath.Join(dir, "rsa.key")
	run(as("postgres", postgresBin("initdb"), "-D", filepath.Join(dir, "data"), "-A", "trust", "-N")...)
	run("install", "-o", "postgres", "-m", "600", filepath.Join(st.dir, "rsa.key"), key)
	st.daemon([]int{5432}, as("postgres", postgresBin("postgres"), "-D", filepath.Join(dir, "data"), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "ssl=on", "-c", "ssl_key_file="+key, "-c", "ssl_cert_file="+filepath.Join(st.dir, "rsa.crt"), "-c", "autovacuum=off")...)
}

// psql connects and queries the server for the TLS parameters of the connection.
func psql(st *stage, params string) truth {
	s := st.client("", "psql", "-X", "-At", "-F", " ", "-c", "select inet_client_port(), version, cipher from pg_stat_ssl where pid = pg_backend_pid()",
		"host=127.0.0.1 user=postgres dbname=postgres sslmode=require "+params)
	f := strings.Fields(s)
	if len(f) != 3 {
		log.Fatalf("psql: %s", s)
	}
	port, err := strconv.Atoi(f[0])
	check(err)
	return truth{Stack: "postgresql", Outcome: "established", Version: versions[f[1]], Suite: ianaNames[f[2]], Upgrade: "postgresql", ClientPort: port}
}

func (st *stage) mariadb() {
	st.folder("my", "mysql")
	run("install", "-o", "mysql", "-m", "600", filepath.Join(st.dir, "rsa.key"), filepath.Join(st.dir, "server.key"))
	st.daemon([]int{3306}, "mariadbd", "--no-defaults", "--user=mysql", "--datadir="+st.dir+"/my", "--socket="+st.dir+"/my/socket", "--pid-file="+st.dir+"/my/pid",
		"--bind-address=127.0.0.1", "--port=3306", "--skip-grant-tables", "--skip-innodb", "--default-storage-engine=MyISAM",
		"--ssl-cert="+st.dir+"/rsa.crt", "--ssl-key="+st.dir+"/server.key")
}

var mariadbSaid = regexp.MustCompile(`(?m)^Ssl_(cipher|version)\s+(\S+)`)

// mariadbClient connects and queries the server for the TLS parameters of the
// connection.
func mariadbClient(st *stage) truth {
	s := st.client("", "mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", "3306", "--ssl", "--skip-ssl-verify-server-cert", "-N", "-e", "show status where variable_name in ('Ssl_cipher', 'Ssl_version')")
	t := truth{Stack: "mariadb", Outcome: "established", Upgrade: "mysql"}
	for _, m := range mariadbSaid.FindAllStringSubmatch(s, -1) {
		if m[1] == "cipher" {
			t.Suite = ianaNames[m[2]]
		} else {
			t.Version = versions[m[2]]
		}
	}
	if t.Version == "" {
		log.Fatalf("mariadb: %s", s)
	}
	return t
}

var slapdSaid = regexp.MustCompile(`conn=(\d+) .*TLS established .*tls_proto=(\S+)`)
var slapdPort = regexp.MustCompile(`conn=(\d+) .*ACCEPT from IP=127\.0\.0\.1:(\d+)`)

func (st *stage) ldap() *watched {
	st.folder("ldap", "")
	conf := st.file("ldap/slapd.conf", `
pidfile DIR/ldap/pid
argsfile DIR/ldap/args
TLSCertificateFile DIR/rsa.crt
TLSCertificateKeyFile DIR/rsa.key
`)
	return st.daemon([]int{389}, "slapd", "-f", conf, "-h", "ldap://127.0.0.1:389", "-d", "stats")
}

func ldap(st *stage) []truth {
	w := st.ldap()
	truths := []truth{st.startTLS("ldap", "-starttls ldap -connect 127.0.0.1:389")}
	for _, args := range []string{"-ZZ", "-Z"} {
		st.client("", "env", "LDAPTLS_REQCERT=never", "ldapsearch", args, "-x", "-H", "ldap://127.0.0.1:389", "-s", "base", "-b", "", "1.1")
	}
	ports := map[string]int{}
	for _, m := range slapdPort.FindAllStringSubmatch(w.output(), -1) {
		ports[m[1]], _ = strconv.Atoi(m[2])
	}
	for i, m := range slapdSaid.FindAllStringSubmatch(w.output(), -1) {
		if i == 0 {
			truths[0].ClientPort = ports[m[1]]
			continue
		}
		truths = append(truths, truth{Stack: "openldap", Outcome: "established", Version: gnutlsVersion[m[2]], Upgrade: "ldap", ClientPort: ports[m[1]]})
	}
	return truths
}

func databaseScenes() []scene {
	return []scene{
		{"upgrade-postgresql", postgresBin("postgres") + " psql setpriv", func(st *stage) []truth {
			st.postgres()
			// With gssencmode=prefer, a client with a Kerberos ticket requests GSSAPI
			// encryption first.
			return []truth{psql(st, ""), psql(st, "ssl_max_protocol_version=TLSv1.2"), st.startTLS("postgresql", "-starttls postgres -connect 127.0.0.1:5432 -groups P-256")}
		}},
		{"upgrade-mysql", "mariadbd mariadb", func(st *stage) []truth {
			st.mariadb()
			return []truth{mariadbClient(st), st.startTLS("mysql", "-starttls mysql -connect 127.0.0.1:3306 -tls1_2")}
		}},
		{"upgrade-ldap", "slapd ldapsearch", ldap},
		{"upgrade-tds", "tsql", func(st *stage) []truth { return tdsScene(st, false) }},
		{"upgrade-tds-login", "tsql", func(st *stage) []truth { return tdsScene(st, true) }},
	}
}
