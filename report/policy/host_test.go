package policy

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pfsight/parse/iana"
)

// TestRoute routes addresses and names to the servers of a configuration.
func TestRoute(t *testing.T) {
	list, err := Read(strings.NewReader(`
http {
  server { listen 443 ssl; server_name first.example; }
  server { listen 443 ssl default_server; listen [::]:443 ssl; server_name default.example ""; }
  server { listen 443; server_name exact.example *.example .dot.example; }
  server { listen 443 ssl; server_name *.long.example www.*; }
  server { listen 443 ssl; server_name "~^re\d+\.test$"; }
  server { listen 192.0.2.1:443 ssl; server_name own.example; }
  server { listen 192.0.2.1:443 ssl; server_name exact.example; }
  server { listen 8443 ssl; server_name other.example; }
  server { listen 80; server_name plain.example; }
  server { listen 127.0.0.1:9443 quic; server_name quic.example; }
}
stream { server { listen 9000-9002 ssl; } server { listen 9100; } }
`), "n.conf")
	if err != nil {
		t.Fatal(err)
	}
	sites, others := Sites(list)
	if len(sites) != 1 || len(others) != 0 || len(sites[0].Hosts) != 10 {
		t.Fatalf("%d sites, %d others, %d hosts", len(sites), len(others), len(list))
	}
	for _, c := range []struct {
		addr, name, want string
		how              Match
	}{
		{"10.0.0.1:443", "first.example", "first.example", SocketMatch},
		{"10.0.0.1:443", "FIRST.example.", "first.example", SocketMatch},
		{"10.0.0.1:443", "", "default.example", SocketMatch},
		{"10.0.0.1:443", "unknown.test", "default.example", SocketMatch},
		{"10.0.0.1:443", "exact.example", "exact.example", SocketMatch},
		{"10.0.0.1:443", "dot.example", "exact.example", SocketMatch},
		{"10.0.0.1:443", "a.b.example", "exact.example", SocketMatch},
		{"10.0.0.1:443", "a.long.example", "*.long.example", SocketMatch},
		{"10.0.0.1:443", "www.test", "*.long.example", SocketMatch},
		{"10.0.0.1:443", "re12.test", `~^re\d+\.test$`, SocketMatch},
		{"192.0.2.1:443", "first.example", "own.example", SocketMatch}, // the socket has its own servers
		{"192.0.2.1:443", "exact.example", "exact.example", SocketMatch},
		{"[2001:db8::1]:443", "first.example", "default.example", SocketMatch},
		{"10.0.0.1:8443", "first.example", "other.example", SocketMatch},
		{"127.0.0.1:9443", "x", "quic.example", SocketMatch},
		{"127.0.0.2:9443", "x", "quic.example", PortMatch},
		{"10.0.0.1:9001", "x", "", SocketMatch},
		{"10.0.0.1:9100", "x", "-", NoMatch},
		{"10.0.0.1:80", "plain.example", "-", NoMatch},
	} {
		a := netip.MustParseAddrPort(c.addr)
		how := sites[0].Match(a)
		host, p := sites[0].Route(a, c.name, how)
		got := "-"
		if host != nil {
			if got = ""; len(host.Host.Names) > 0 {
				got = host.Host.Names[0]
			}
		}
		if got != c.want || how != c.how || (p == nil) != (host == nil) {
			t.Errorf("%s %q: %q by %d, want %q by %d", c.addr, c.name, got, how, c.want, c.how)
		}
	}
	if host, _ := sites[0].Route(netip.MustParseAddrPort("10.0.0.1:1"), "own.example", NameMatch); host == nil || host.Host.Names[0] != "own.example" {
		t.Error("a name alone does not find its server")
	}
}

// TestUnreadServer checks that one unreadable server does not affect the
// others.
func TestUnreadServer(t *testing.T) {
	for kind, text := range map[string]string{
		"nginx":   "http { server { listen 443 ssl; server_name bad; ssl_ciphers BAD; }\nserver { listen 443 ssl; server_name good; ssl_ciphers AES128-SHA; } }",
		"apache":  "<VirtualHost *:443>\nServerName bad\nSSLEngine on\nSSLCipherSuite @SECLEVEL=9\n</VirtualHost>\n<VirtualHost *:443>\nServerName good\nSSLEngine on\nSSLCipherSuite AES128-SHA\n</VirtualHost>\n",
		"haproxy": "frontend x\n bind :443 ssl crt a ciphers BAD\n bind :444 ssl crt a ciphers AES128-SHA\n",
	} {
		list, err := Read(strings.NewReader(text), "c")
		if err != nil || len(list) != 2 {
			t.Errorf("%s: %d policies, %v", kind, len(list), err)
			continue
		}
		h := &Hello{Versions: []iana.Version{iana.TLS12}, Suites: []iana.CipherSuite{0x002f}, Signatures: []iana.SignatureScheme{0x0804}, HasSignatures: true}
		s := &Server{Keys: []KeyType{KeyRSA}}
		if a := list[0].Answer(h, s); !a.Undetermined() || a.Cause != CauseUnread || list[0].Unread == "" {
			t.Errorf("%s: %+v", kind, a)
		}
		if a := list[1].Answer(h, s); !a.OK || a.Undetermined() {
			t.Errorf("%s: %+v", kind, a)
		}
	}
}

// TestNginxReleases checks which settings come from a socket's default server,
// by release.
func TestNginxReleases(t *testing.T) {
	text := "http { server { listen 443 ssl; server_name d; ssl_protocols TLSv1.2; ssl_ecdh_curve secp384r1; }\nserver { listen 443 ssl; server_name a; ssl_protocols TLSv1.3; ssl_ecdh_curve X25519; } }"
	for _, c := range []struct {
		server   string
		versions []iana.Version
		variants int
	}{{"nginx/1.22.1", []iana.Version{iana.TLS12}, 0}, {"nginx-1.29.2", []iana.Version{iana.TLS13}, 0}, {"", []iana.Version{iana.TLS13}, 1}} {
		soft := Software{OpenSSL: openssl30}
		if c.server != "" {
			if err := soft.Set(c.server); err != nil {
				t.Fatal(err)
			}
		}
		list, err := readNginx(text, "n", nil, soft)
		if err != nil {
			t.Fatal(err)
		}
		sites, _ := Sites(list)
		host, p := sites[0].Route(netip.MustParseAddrPort("10.0.0.1:443"), "a", SocketMatch)
		if host != list[1] || !slices.Equal(p.Versions, c.versions) || !slices.Equal(p.Groups, []iana.Group{secp384r1}) || len(p.Variants) != c.variants {
			t.Errorf("%q: %+v", c.server, p)
		}
	}
	for _, word := range []string{"nginx", "nginx/x", "nginx/0", "iis/10", "crypto-policies/NONE", "openssl/", strings.Repeat("a", 200)} {
		if err := new(Software).Set(word); err == nil {
			t.Errorf("%.20q is taken", word)
		}
	}
}

// TestNginxDump reads the output of nginx -T.
func TestNginxDump(t *testing.T) {
	text := "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\nnginx: configuration file /etc/nginx/nginx.conf test is successful\n" +
		"# configuration file /etc/nginx/nginx.conf:\nevents {}\nhttp {\n ssl_protocols TLSv1.3;\n include /etc/nginx/conf.d/*.conf;\n include tls.inc;\n}\n\n" +
		"# configuration file /etc/nginx/conf.d/a.conf:\nserver { listen 443 ssl; server_name a; }\n\n" +
		"# configuration file /etc/nginx/conf.d/b.conf:\nserver { listen 443 ssl; server_name b; ssl_protocols TLSv1.2; }\n\n" +
		"# configuration file /etc/nginx/tls.inc:\nssl_ecdh_curve secp521r1;\n"
	list, err := Read(strings.NewReader(text), "dump")
	p := one(t, list, err, 2, 0)
	equal(t, "versions", p.Versions, iana.TLS13)
	equal(t, "groups", p.Groups, secp521r1)
	equal(t, "versions", list[1].Versions, iana.TLS12)
	if p.Name != "a.conf-a" {
		t.Error(p.Name)
	}
}

// TestApacheSections evaluates conditions, Define, Macro and ServerRoot.
func TestApacheSections(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	host := "<VirtualHost *:443>\nServerName a.example\nSSLEngine on\n"
	for _, c := range []struct {
		name, root, text string
		soft             Software
		want             iana.Version // the only version
		relative         bool         // the file name is relative to the working directory
	}{
		{name: "IfModule", text: "SSLProtocol TLSv1.2\n<IfModule !mod_ssl.c>\nSSLProtocol TLSv1.3\n</IfModule>\n", want: iana.TLS12},
		{name: "IfModule of a module that is not loaded", root: "LoadModule ssl_module modules/mod_ssl.so\n", text: "SSLProtocol TLSv1.2\n<IfModule mod_md.c>\nSSLProtocol TLSv1.3\n</IfModule>\n", want: iana.TLS12},
		{name: "IfVersion", text: "SSLProtocol TLSv1.2\n<IfVersion < 2.4.0>\nSSLProtocol TLSv1.3\n</IfVersion>\n", want: iana.TLS12},
		{name: "IfVersion, stated", soft: Software{Apache: Release{2, 2, 15}}, text: "SSLProtocol TLSv1.2\n<IfVersion < 2.4.0>\nSSLProtocol TLSv1.3\n</IfVersion>\n", want: iana.TLS13},
		{name: "IfVersion, expression", text: "SSLProtocol TLSv1.2\n<IfVersion ~ ^2\\.4>\nSSLProtocol TLSv1.3\n</IfVersion>\n", want: iana.TLS13},
		{name: "IfDefine", text: "SSLProtocol TLSv1.2\n<IfDefine NEW>\nSSLProtocol TLSv1.3\n</IfDefine>\n", want: iana.TLS12},
		{name: "IfDefine of Define", root: "Define NEW\n", text: "SSLProtocol TLSv1.2\n<IfDefine NEW>\nSSLProtocol TLSv1.3\n</IfDefine>\n", want: iana.TLS13},
		{name: "IfDefine of -D", soft: Software{Defines: []string{"NEW"}}, text: "SSLProtocol TLSv1.2\n<IfDefine NEW>\nSSLProtocol TLSv1.3\n</IfDefine>\n", want: iana.TLS13},
		{name: "UnDefine", root: "Define NEW\nUnDefine NEW\n", text: "SSLProtocol TLSv1.2\n<IfDefine NEW>\nSSLProtocol TLSv1.3\n</IfDefine>\n", want: iana.TLS12},
		{name: "nested", text: "SSLProtocol TLSv1.2\n<IfDefine NEW>\n<IfModule mod_ssl.c>\nSSLProtocol TLSv1.3\n</IfModule>\n</IfDefine>\n", want: iana.TLS12},
		{name: "value of Define", root: "Define P TLSv1.3\n", text: "SSLProtocol ${P}\n", want: iana.TLS13},
		{name: "Directory", text: "SSLProtocol TLSv1.2\n<Directory />\nSSLProtocol TLSv1.3\n</Directory>\n", want: iana.TLS12},
		{name: "Macro", root: "<Macro tls $p $px>\nSSLProtocol $px\n</Macro>\n", text: "Use tls TLSv1.2 TLSv1.3\n", want: iana.TLS13},
		{name: "Include of a folder", root: "Include conf.d\n", text: "", want: iana.TLS13},
		{name: "named relative", root: "ServerRoot \"PLACEHOLDER\"\nIncludeOptional conf.d/*.conf\n", text: "", want: iana.TLS13, relative: true},
		{name: "relative to ServerRoot", root: "ServerRoot \"" + dir + "\"\nInclude conf.d/*.conf\n", text: "", want: iana.TLS13},
		{name: "a copy whose ServerRoot is elsewhere", root: "ServerRoot \"/etc/nowhere\"\nIncludeOptional conf.d/*.conf\n", text: "", want: iana.TLS13},
		{name: "a copy with absolute names", root: "ServerRoot \"/etc/nowhere\"\nIncludeOptional /etc/nowhere/conf.d/*.conf\n", text: "", want: iana.TLS13},
		{name: "vhost over base", root: "SSLProtocol TLSv1.3\n", text: "SSLProtocol -all +TLSv1.2\n", want: iana.TLS12},
	} {
		write("conf.d/deeper/tls.conf", "")
		write("conf.d/tls.conf", "SSLProtocol TLSv1.3\n")
		path := write("conf/httpd.conf", c.root+host+c.text+"</VirtualHost>\n")
		if c.relative {
			t.Chdir(filepath.Dir(dir))
			path = filepath.Join(filepath.Base(dir), "conf/httpd.conf")
		}
		list, err := c.soft.Load(path)
		if err != nil || len(list) != 1 || !slices.Equal(list[0].Versions, []iana.Version{c.want}) {
			t.Errorf("%s: %v: %v", c.name, list, err)
		}
	}
	bomb := "<Macro a>\n" + strings.Repeat("Use a\n", 30) + "</Macro>\nSSLEngine on\nUse a\n"
	if _, err := Load(write("conf/httpd.conf", bomb)); err == nil {
		t.Error("a macro that uses itself is taken")
	}
}

// TestCryptoPolicies reads PROFILE=SYSTEM with and without a stated policy.
func TestCryptoPolicies(t *testing.T) {
	text := "SSLCipherSuite PROFILE=SYSTEM\nSSLEngine on\n"
	h := &Hello{Versions: []iana.Version{iana.TLS12}, Suites: []iana.CipherSuite{0x009c}, Signatures: []iana.SignatureScheme{0x0804}, HasSignatures: true}
	s := &Server{Keys: []KeyType{KeyRSA}}
	for name, ok := range map[string]bool{"DEFAULT": true, "LEGACY": true, "FUTURE": false, "FIPS": false} {
		list, err := readApache(text, "a", nil, Software{CryptoPolicy: name, OpenSSL: openssl30})
		if a := one(t, list, err, 1, 0).Answer(h, s); a.OK != ok || a.Undetermined() {
			t.Errorf("%s: %+v", name, a)
		}
	}
	list, err := readApache(text, "a", nil, Software{})
	if p := one(t, list, err, 1, 0); !strings.Contains(p.Note, "undetermined") {
		t.Error(p.Note)
	} else if a := p.Answer(h, s); !a.Undetermined() {
		t.Errorf("%+v", a)
	}
}

// TestHAProxyVariables expands the variables that the configuration sets, and
// no others.
func TestHAProxyVariables(t *testing.T) {
	t.Setenv("SECRET", "AES256-SHA")
	text := "global\n setenv C AES128-SHA\n presetenv C AES256-SHA\nfrontend x\n bind \"${ADDR}:443\" ssl crt x ciphers \"$C\"\n bind :444 ssl crt x ciphers \"${NONE-AES256-SHA}\"\n bind :445 ssl crt x ciphers \"${SECRET}\"\n"
	list, err := Read(strings.NewReader(text), "h")
	p := one(t, list, err, 3, 0)
	equal(t, "suites", p.Suites, 0x002f)
	equal(t, "suites", list[1].Suites, 0x0035)
	if list[2].Unread == "" || p.Host.Listens[0].Port != 443 {
		t.Errorf("%+v", list[2])
	}
}
