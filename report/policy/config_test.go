package policy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

const nginxText = `
user www-data; # a comment; with { marks
http {
    ssl_protocols TLSv1.2 TLSv1.3;
    server {
        listen 443 ssl http2;
        server_name a.example "b.example";
        ssl_ciphers 'ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256:AES128-SHA';
        ssl_ecdh_curve X25519:prime256v1;
        ssl_conf_command Options PrioritizeChaCha;
        ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
        location / { proxy_set_header X "}"; ssl_ciphers NULL; }
    }
    server { listen 80; server_name plain.example; }
    server {
        listen [::]:8443 ssl;
        ssl_protocols TLSv1 TLSv1.1 TLSv1.2;
    }
    ssl_prefer_server_ciphers on;
    ssl_ciphers AES256-SHA:AES128-SHA;
}
`

const apacheText = `
LoadModule ssl_module modules/mod_ssl.so
# SSLProtocol SSLv3
SSLProtocol all -TLSv1 -TLSv1.1
SSLCipherSuite "ECDHE-RSA-AES128-GCM-SHA256:\
AES128-SHA"
SSLHonorCipherOrder on
<IfModule ssl_module>
<VirtualHost *:443>
  ServerName a.example
  SSLEngine on
  SSLProtocol +TLSv1.3
  SSLOpenSSLConfCmd Curves X25519:secp384r1
  SSLCipherSuite TLSv1.3 TLS_AES_256_GCM_SHA384
</VirtualHost>
<VirtualHost *:80>
  ServerName plain.example
</VirtualHost>
<VirtualHost *:8443>
  SSLEngine on
  SSLHonorCipherOrder off
</VirtualHost>
</IfModule>
`

const haproxyText = `
global
    ssl-default-bind-ciphers ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA
    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets prefer-client-ciphers
    tune.ssl.default-dh-param 3072
frontend web # a comment
    bind :80
    bind :443 ssl crt /etc/x.pem alpn h2,http/1.1 curves X25519:P-256
    bind :444 ssl crt "/etc/x y.pem" ciphers AES256-SHA force-tlsv11
`

const yamlText = `name: example
versions: [TLS 1.2, TLS 1.3]
cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256_P384, AES128-SHA, "0xc030"]
tls13_cipher_suites: [TLS_AES_128_GCM_SHA256]
groups: [x25519, P-256, "0x11ec"]
signature_algorithms: [rsa_pss_rsae_sha256]
order: server
sha1_signatures: false
`

func one(t *testing.T, list []*Policy, err error, n, i int) *Policy {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != n {
		t.Fatalf("%d policies, not %d", len(list), n)
	}
	return list[i]
}

func equal[T comparable](t *testing.T, what string, got []T, want ...T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestNginx(t *testing.T) {
	list, err := Read(strings.NewReader(nginxText), "nginx.conf")
	p := one(t, list, err, 2, 0)
	equal(t, "versions", p.Versions, iana.TLS12, iana.TLS13)
	equal(t, "suites without DHE, for want of ssl_dhparam", p.Suites, 0xc02f, 0x002f)
	equal(t, "groups", p.Groups, 0x1d, 0x17)
	equal(t, "TLS 1.3 suites", p.Suites13, 0x1301)
	if p.Order != ServerOrder || !p.ChaChaFirst || p.Name != "nginx.conf-a.example" || p.GroupsOpen {
		t.Errorf("%+v", p)
	}
	if !strings.Contains(p.Title, "line 5") {
		t.Error(p.Title)
	}
	p = list[1]
	equal(t, "versions", p.Versions, iana.TLS10, iana.TLS11, iana.TLS12)
	equal(t, "suites", p.Suites, 0x0035, 0x002f)
	if p.Order != ServerOrder || len(p.Variants) != 1 || p.Variants[0].Group13 != GroupByTuple {
		t.Errorf("%+v", p)
	}
}

func TestApache(t *testing.T) {
	list, err := Read(strings.NewReader(apacheText), "httpd.conf")
	p := one(t, list, err, 2, 0)
	equal(t, "versions", p.Versions, iana.TLS13)
	equal(t, "TLS 1.3 suites", p.Suites13, 0x1302)
	equal(t, "groups", p.Groups, 0x1d, 0x18)
	if p.Name != "httpd.conf-a.example" || p.Order != ServerOrder {
		t.Errorf("%+v", p)
	}
	p = list[1]
	equal(t, "versions", p.Versions, iana.TLS12, iana.TLS13)
	equal(t, "suites", p.Suites, 0xc02f, 0x002f)
	if p.Order != ClientOrder {
		t.Errorf("%+v", p)
	}
}

func TestHAProxy(t *testing.T) {
	list, err := Read(strings.NewReader(haproxyText), "haproxy.cfg")
	p := one(t, list, err, 2, 0)
	equal(t, "versions", p.Versions, iana.TLS12, iana.TLS13)
	equal(t, "suites", p.Suites, 0xc02f, 0x002f)
	equal(t, "TLS 1.3 suites", p.Suites13, 0x1301, 0x1302)
	equal(t, "groups", p.Groups, 0x1d, 0x17)
	if p.Order != ClientOrder || p.DHBits != 3072 || p.Name != "haproxy.cfg" || list[1].Name != "haproxy.cfg-2" {
		t.Errorf("%+v", p)
	}
	equal(t, "versions", list[1].Versions, iana.TLS11)
	equal(t, "suites", list[1].Suites, 0x0035)
}

func TestYAML(t *testing.T) {
	list, err := Read(strings.NewReader(yamlText), "example.yaml")
	p := one(t, list, err, 1, 0)
	equal(t, "suites", p.Suites, 0xc02f, 0x002f, 0xc030)
	equal(t, "bound", p.SuiteGroups, 0x18, 0, 0)
	equal(t, "groups", p.Groups, 0x1d, 0x17, 0x11ec)
	if p.SHA1 != secrecy.False || p.Source != "example.yaml" || p.GroupsOpen {
		t.Errorf("%+v", p)
	}
}

// TestReadErrors makes one change to valid input.
func TestReadErrors(t *testing.T) {
	for _, c := range []struct{ name, text, old, new, want string }{
		{"x.yaml", yamlText, "", "", ""},
		{"x.yaml", yamlText, "name: example", "name: Ex ample", "name"},
		{"x.yaml", yamlText, "[TLS 1.2, TLS 1.3]", "[TLS 9]", "versions"},
		{"x.yaml", yamlText, "[TLS 1.2, TLS 1.3]", "[TLS 1.2, TLS 1.2]", "duplicate"},
		{"x.yaml", yamlText, "order: server", "order: mine", "order"},
		{"x.yaml", yamlText, "order: server", "orders: server", "orders"},
		{"x.yaml", yamlText, "AES128-SHA", "AES128-SHAA", "AES128-SHAA"},
		{"x.yaml", yamlText, "AES128-SHA", "TLS_AES_128_GCM_SHA256", "TLS 1.3"},
		{"x.yaml", yamlText, "AES128-SHA", "TLS_FALLBACK_SCSV", "selected"},
		{"x.yaml", yamlText, `"0xc030"`, `"0xc0301"`, "16-bit"},
		{"x.yaml", yamlText, "x25519", "x25520", "groups"},
		{"x.yaml", yamlText, "rsa_pss_rsae_sha256", "rsa", "signature_algorithms"},
		{"x.yaml", yamlText, "sha1_signatures: false", "---\nname: other", "document"},
		{"x.yaml", yamlText, "sha1_signatures: false", "dh_bits: -1", "dh_bits"},
		{"n", nginxText, "", "", ""},
		{"n", nginxText, "AES128-SHA;\n}", "AES128-SHA\n}", "semicolon"},
		{"n", nginxText, "server_ciphers on;", "server_ciphers on", "one word"},
		{"n", nginxText, "TLSv1.2 TLSv1.3", "TLSv1.9", "n:4"},
		{"n", nginxText, "AES256-SHA:AES128-SHA;", "NONSENSE;", ""}, // one server of two
		{"n", nginxText, "http {", "http {{", "not closed"},
		{"n", nginxText, "user www-data;", "}", "braces"},
		{"n", nginxText, `"b.example"`, `"b.example`, "quote"},
		{"a", apacheText, "", "", ""},
		{"a", apacheText, "all -TLSv1", "every", "every"},
		{"a", apacheText, "</VirtualHost>", "", "inside"},
		{"a", apacheText, "<VirtualHost *:443>", "", "without a <VirtualHost>"},
		{"h", haproxyText, "", "", ""},
		{"h", haproxyText, "TLSv1.2", "TLS", "ssl-min-ver"},
		{"h", haproxyText, `y.pem"`, "y.pem", "quote"},
		{"h", haproxyText, "curves X25519:P-256", "curves X", ""}, // one bind line of two
		{"h", haproxyText, "ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA\n    ssl", "@SECLEVEL=9\n    ssl", ""},
	} {
		text := c.text
		if c.old != "" {
			text = strings.Replace(text, c.old, c.new, 1)
			if text == c.text {
				t.Errorf("%s: there is no %q", c.name, c.old)
			}
		}
		_, err := Read(strings.NewReader(text), c.name)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q for %q: %v", c.name, c.new, c.old, err)
		}
	}
}

// TestLongYAML rejects input that would take the decoder much memory, and
// checks that the error for bad input is short.
func TestLongYAML(t *testing.T) {
	if _, err := Read(strings.NewReader(yamlText+strings.Repeat("# nothing\n", maxYAML/10)), "x.yaml"); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Error(err)
	}
	if _, err := Read(strings.NewReader(yamlText+strings.Repeat("name: x\nwhat: y\n", 1000)), "x.yaml"); err == nil || len(err.Error()) > 1000 {
		t.Errorf("%.2000v", err)
	}
	if _, err := Read(strings.NewReader(yamlText+strings.Repeat("# nothing\n", 1000)), "x.yaml"); err != nil {
		t.Error(err)
	}
}

// TestIncludes follows includes up to the limits.
func TestIncludes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	main := write("nginx.conf", "http {\n include tls.inc;\n include sites-*;\n ssl_prefer_server_ciphers on;\n}\n")
	write("tls.inc", "ssl_protocols TLSv1.2;\n")
	write("sites-a", "server { listen 443 ssl; server_name a; include ciphers.inc; }\n")
	write("sites-b", "server { listen 444 ssl; server_name b; ssl_ciphers AES256-SHA; }\n")
	write("ciphers.inc", "ssl_ciphers AES128-SHA;")
	list, err := Load(main)
	p := one(t, list, err, 2, 0)
	equal(t, "suites", p.Suites, 0x002f)
	equal(t, "versions", p.Versions, iana.TLS12)
	equal(t, "suites", list[1].Suites, 0x0035)
	if p.Name != "sites-a-a" || p.Order != ServerOrder {
		t.Errorf("%+v", p)
	}
	if list, err := Read(strings.NewReader("http { include x; server { listen 1 ssl; } }"), "n"); err != nil || !strings.Contains(list[0].Note, "not followed") {
		t.Error(err)
	}
	loop := write("loop.conf", "http {\n include loop.conf;\n}\n")
	if _, err := Load(loop); err == nil || !strings.Contains(err.Error(), "deeper") {
		t.Error(err)
	}
	main = write("httpd.conf", "SSLEngine on\nInclude *.vhost\nIncludeOptional nothing-*\n")
	write("a.vhost", "<VirtualHost *:443>\nSSLEngine on\nSSLCipherSuite AES128-SHA\n</VirtualHost>\n")
	list, err = Load(main)
	equal(t, "suites", one(t, list, err, 1, 0).Suites, 0x002f)
	loop = write("loop.httpd", "SSLEngine on\nInclude loop.httpd\n")
	if _, err := Load(loop); err == nil || !strings.Contains(err.Error(), "deeper") {
		t.Error(err)
	}
	if _, err := Find("mozilla-intermediate"); err == nil || !strings.Contains(err.Error(), "did you mean mozilla-") {
		t.Error(err)
	}
}

func TestReadCiphers(t *testing.T) {
	p, err := ReadCiphers("ECDHE+AESGCM:!aNULL:@SECLEVEL=2", Options{MinVersion: iana.TLS10, Groups: "X25519:P-256"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "versions of level 2", p.Versions, iana.TLS12, iana.TLS13)
	equal(t, "suites", p.Suites, 0xc02c, 0xc030, 0xc02b, 0xc02f)
	if p.SHA1 != secrecy.False {
		t.Errorf("%+v", p)
	}
	for _, o := range []Options{{MinVersion: iana.TLS13, MaxVersion: iana.TLS12}, {Groups: "X"}, {Suites13: "AES128-SHA"}} {
		if _, err := ReadCiphers("AES128-SHA", o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

// readAny is the body of the fuzz targets: what is read must be valid, and must
// be equal after writing and reading it.
func readAny(t *testing.T, text, name string) {
	list, err := Read(strings.NewReader(text), name)
	if err != nil {
		return
	}
	h := &Hello{Versions: []iana.Version{iana.TLS12}, Suites: []iana.CipherSuite{0xc02f, 0x002f}, Groups: []iana.Group{0x17}, HasGroups: true}
	for _, p := range list {
		if !validName(p.Name) {
			t.Fatalf("name %q", p.Name)
		}
		p.Answer(h, &Server{})
		for _, kind := range ConfigKinds() {
			p.Config(kind)
		}
		out, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		q, err := ReadYAML(strings.NewReader(string(out)))
		if err != nil {
			if len(p.Versions) == 0 || len(p.Suites) > maxNames {
				return
			}
			t.Fatalf("%v\n%s", err, out)
		}
		if !slices.Equal(p.Suites, q.Suites) || !slices.Equal(p.Versions, q.Versions) || !slices.Equal(p.Groups, q.Groups) {
			t.Fatalf("%+v\n%+v", p, q)
		}
	}
}

func FuzzYAML(f *testing.F) {
	f.Add(yamlText)
	paths, _ := filepath.Glob("builtin/*.yaml")
	for _, path := range paths[:min(len(paths), 20)] {
		if text, err := os.ReadFile(path); err == nil {
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) { readAny(t, text, "x.yaml") })
}

func FuzzConfig(f *testing.F) {
	f.Add(nginxText)
	f.Add(apacheText)
	f.Add(haproxyText)
	f.Fuzz(func(t *testing.T, text string) { readAny(t, text, "x") })
}

func FuzzNginx(f *testing.F) {
	f.Add(nginxText)
	f.Fuzz(func(t *testing.T, text string) { readNginx(text, "n", nil, Software{}) })
}

func FuzzApache(f *testing.F) {
	f.Add(apacheText)
	f.Fuzz(func(t *testing.T, text string) { readApache(text, "a", nil, Software{}) })
}

func FuzzHAProxy(f *testing.F) {
	f.Add(haproxyText)
	f.Fuzz(func(t *testing.T, text string) { readHAProxy(text, "h", nil, Software{}) })
}

func FuzzCiphers(f *testing.F) {
	for _, text := range cipherStrings {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		spec, err := expandCiphers(text)
		if err == nil && len(spec.suites) == 0 {
			t.Error("no suite and no error")
		}
		if p, err := ReadCiphers(text, Options{}); err == nil && len(p.Versions) == 0 {
			t.Error("no version and no error")
		}
	})
}
