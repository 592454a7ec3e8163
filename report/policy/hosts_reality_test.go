package policy_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pfsight/parse/iana"
	. "pfsight/report/policy"
	"pfsight/report/secrecy"
)

// withExtension returns a ClientHello message without the extension of a type.
// If body is not nil, it adds an extension of this type with it.
func withExtension(raw []byte, typ uint16, body []byte) []byte {
	at := 4 + 2 + 32
	at += 1 + int(raw[at])                           // session ID
	at += 2 + int(binary.BigEndian.Uint16(raw[at:])) // suites
	at += 1 + int(raw[at])                           // compression
	out := slices.Clone(raw[:min(at, len(raw))])
	var list []byte
	if body != nil {
		list = binary.BigEndian.AppendUint16(list, typ)
		list = binary.BigEndian.AppendUint16(list, uint16(len(body)))
		list = append(list, body...)
	}
	if at+2 <= len(raw) {
		for rest := raw[at+2:]; len(rest) >= 4; {
			n := 4 + int(binary.BigEndian.Uint16(rest[2:]))
			if binary.BigEndian.Uint16(rest) != typ {
				list = append(list, rest[:n]...)
			}
			rest = rest[n:]
		}
	}
	out = binary.BigEndian.AppendUint16(out, uint16(len(list)))
	out = append(out, list...)
	out[1], out[2], out[3] = byte((len(out)-4)>>16), byte((len(out)-4)>>8), byte(len(out)-4)
	return out
}

// withName returns a ClientHello with a server name, or without one for "".
func withName(raw []byte, name string) []byte {
	if name == "" {
		return withExtension(raw, 0, nil)
	}
	n := len(name)
	body := append([]byte{byte((n + 3) >> 8), byte(n + 3), 0, byte(n >> 8), byte(n)}, name...)
	return withExtension(raw, 0, body)
}

// A randomHost is a randomly generated virtual host.
type randomHost struct {
	names     []string
	protocols []string // such as TLSv1; nil: not set
	ciphers   string
	suites13  string
	curves    string
	prefer    int // 0: not set, 1: on, 2: off
	reject    bool
}

func randomHosts(r *rand.Rand) (list []randomHost) {
	names := [][]string{{"d.example"}, {"a.example", "www.a.example"}, {"x.b.example", "*.b.example"}, {"c.example", "*.c.example"}}
	for i := range 2 + r.IntN(3) {
		h := randomHost{names: names[i], prefer: r.IntN(3)}
		h.protocols = [][]string{nil, {"TLSv1.2"}, {"TLSv1.3"}, {"TLSv1.2", "TLSv1.3"}, {"TLSv1", "TLSv1.1", "TLSv1.2"}, {"TLSv1.1", "TLSv1.2", "TLSv1.3"}}[r.IntN(6)]
		h.ciphers = []string{"", "HIGH:!aNULL@SECLEVEL=0", "ECDHE+AESGCM", "AES128-SHA:ECDHE-RSA-AES128-SHA", "DEFAULT@SECLEVEL=1", "ECDHE-RSA-AES256-GCM-SHA384:AES256-SHA:nonsense", "ALL+kRSA@STRENGTH@SECLEVEL=0"}[r.IntN(7)]
		h.suites13 = []string{"", "", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"}[r.IntN(4)]
		h.curves = []string{"", "prime256v1", "secp384r1", "X25519:prime256v1", "secp521r1:X25519"}[r.IntN(5)]
		h.reject = r.IntN(8) == 0
		list = append(list, h)
	}
	return list
}

// whole returns the files of a configuration.
func whole(dir string) string {
	var b strings.Builder
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if text, err := os.ReadFile(path); err == nil && !strings.HasSuffix(path, ".pem") {
			b.Write(text)
		}
		return nil
	})
	return b.String()
}

// releaseOf asks a program for its version.
func releaseOf(t *testing.T, s *Software, program, name string, args ...string) {
	t.Helper()
	out, _ := exec.Command(program, args...).CombinedOutput()
	m := regexp.MustCompile(`(?:nginx/|Apache/|HAProxy version |OpenSSL )(\d+\.\d+(?:\.\d+)?)`).FindSubmatch(out)
	if m == nil {
		t.Skipf("%s does not say its version", program)
	}
	if err := s.Set(name + "/" + string(m[1])); err != nil {
		t.Fatal(err)
	}
}

func (h *randomHost) nginx(port string, cert keyFile, first bool, r *rand.Rand) string {
	var b strings.Builder
	fmt.Fprintf(&b, "server {\n")
	if first && r.IntN(2) == 0 {
		fmt.Fprintf(&b, " listen 127.0.0.1:%s ssl default_server;\n", port)
	} else {
		fmt.Fprintf(&b, " listen 127.0.0.1:%s ssl;\n", port)
	}
	fmt.Fprintf(&b, " server_name %s;\n ssl_certificate %s;\n ssl_certificate_key %s;\n", strings.Join(h.names, " "), cert.cert, cert.key)
	line := func(format, v string) {
		if v != "" {
			fmt.Fprintf(&b, format, v)
		}
	}
	line(" ssl_protocols %s;\n", strings.Join(h.protocols, " "))
	if r.IntN(3) > 0 {
		line(" ssl_ciphers '%s';\n", h.ciphers)
	} else {
		line(" ssl_conf_command CipherString \"%s\";\n ssl_ciphers AES256-SHA;\n", h.ciphers)
	}
	line(" ssl_conf_command Ciphersuites %s;\n", h.suites13)
	line(" ssl_ecdh_curve %s;\n", h.curves)
	line(" ssl_prefer_server_ciphers %s;\n", []string{"", "on", "off"}[h.prefer])
	if h.reject {
		b.WriteString(" ssl_reject_handshake on;\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func (h *randomHost) apache(port string, cert keyFile, r *rand.Rand) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<VirtualHost *:%s>\nServerName %s\n", port, h.names[0])
	if len(h.names) > 1 {
		fmt.Fprintf(&b, "ServerAlias %s\n", strings.Join(h.names[1:], " "))
	}
	fmt.Fprintf(&b, "SSLEngine on\nSSLCertificateFile %s\nSSLCertificateKeyFile %s\n", cert.cert, cert.key)
	if h.protocols != nil {
		if r.IntN(2) == 0 {
			fmt.Fprintf(&b, "SSLProtocol -all +%s\n", strings.Join(h.protocols, " +"))
		} else {
			fmt.Fprintf(&b, "SSLProtocol +%s\n", strings.Join(h.protocols, " +"))
		}
	}
	if h.ciphers != "" {
		fmt.Fprintf(&b, "<IfVersion >= 2.4>\nSSLCipherSuite %s\n</IfVersion>\n<IfModule !mod_ssl.c>\nSSLCipherSuite NONSENSE\n</IfModule>\n", h.ciphers)
	}
	if h.suites13 != "" {
		fmt.Fprintf(&b, "SSLCipherSuite TLSv1.3 %s\n", h.suites13)
	}
	if h.curves != "" {
		fmt.Fprintf(&b, "SSLOpenSSLConfCmd Curves %s\n", h.curves)
	}
	if h.prefer != 0 {
		fmt.Fprintf(&b, "SSLHonorCipherOrder %s\n", []string{"", "on", "off"}[h.prefer])
	}
	fmt.Fprintf(&b, "<Directory />\nSSLCipherSuite AES256-SHA\n</Directory>\n</VirtualHost>\n")
	return b.String()
}

// haproxy returns a bind line, or a line of a crt-list.
func (h *randomHost) haproxy(bind bool) string {
	var f []string
	add := func(key, v string) {
		if v != "" {
			f = append(f, key, v)
		}
	}
	if h.ciphers != "" && !strings.ContainsAny(h.ciphers, " ") {
		add("ciphers", h.ciphers)
	}
	add("ciphersuites", h.suites13)
	add("curves", h.curves)
	if n := len(h.protocols); n > 0 {
		add("ssl-min-ver", strings.Replace(h.protocols[0]+".0", "TLSv1.0", "TLSv1.0", 1)[:7])
		add("ssl-max-ver", h.protocols[n-1])
		if h.protocols[0] == "TLSv1" {
			f[len(f)-3] = "TLSv1.0"
		}
	}
	if bind && h.prefer == 2 {
		f = append(f, "prefer-client-ciphers")
	}
	return strings.Join(f, " ")
}

// TestHosts runs nginx, Apache and HAProxy with random virtual hosts, and sends
// ClientHellos with one of their names, another name or none. Each answer must
// match the prediction of the site's route: completely if the releases are
// stated, otherwise except for what is undetermined.
func TestHosts(t *testing.T) {
	if testing.Short() {
		t.Skip("runs servers")
	}
	hellos := slices.DeleteFunc(corpus(t, "../../testdata/captures"), func(h realHello) bool { return h.flaw != "" || h.early })
	files := keyFiles(t)
	var soft Software
	releaseOf(t, &soft, need(t, "openssl"), "openssl", "version")
	const modules = "/usr/lib/apache2/modules"
	for seed := range uint64(18) {
		r := rand.New(rand.NewPCG(seed, 7))
		hosts := randomHosts(r)
		kind := []string{"nginx", "apache", "haproxy"}[seed%3]
		t.Run(fmt.Sprintf("%s/%d", kind, seed), func(t *testing.T) {
			dir := t.TempDir()
			soft := soft
			var path string
			write := func(name, text string) string {
				p := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return p
			}
			var addr string
			var stop func()
			switch kind {
			case "nginx":
				nginx := need(t, "nginx", "/usr/sbin/nginx")
				releaseOf(t, &soft, nginx, "nginx", "-v")
				addr, stop = program(t, nginx, func(port string) []string {
					for i := range hosts {
						write(fmt.Sprintf("sites/%d.conf", i), hosts[i].nginx(port, files[KeyRSA], i == 0, r))
					}
					path = write("nginx.conf", fmt.Sprintf("daemon off;\nmaster_process off;\npid %s/pid;\nerror_log /dev/null crit;\nevents {}\nhttp {\naccess_log off;\nssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;\ninclude sites/*.conf;\n}\n", dir))
					return []string{"-p", dir, "-c", path}
				})
			case "apache":
				apache := need(t, "apache2", "/usr/sbin/apache2")
				if _, err := os.Stat(modules + "/mod_ssl.so"); err != nil {
					t.Skip("no mod_ssl here")
				}
				releaseOf(t, &soft, apache, "apache", "-v")
				addr, stop = program(t, apache, func(port string) []string {
					for i := range hosts {
						write(fmt.Sprintf("conf.d/%d/host.conf", i), hosts[i].apache(port, files[KeyRSA], r))
					}
					path = write("conf/httpd.conf", fmt.Sprintf("ServerRoot %[1]s\nServerName x\nPidFile pid\nDefaultRuntimeDir %[1]s\nErrorLog /dev/null\nListen 127.0.0.1:%[2]s\nLoadModule mpm_event_module %[3]s/mod_mpm_event.so\nLoadModule authz_core_module %[3]s/mod_authz_core.so\nLoadModule ssl_module %[3]s/mod_ssl.so\nSSLHonorCipherOrder on\n<IfDefine NOTHING>\nSSLProtocol TLSv1.3\n</IfDefine>\nInclude conf.d\n",
						dir, port, modules))
					return []string{"-X", "-f", path}
				})
			case "haproxy":
				haproxy := need(t, "haproxy", "/usr/sbin/haproxy")
				releaseOf(t, &soft, haproxy, "haproxy", "-v")
				cert, err1 := os.ReadFile(files[KeyRSA].cert)
				key, err2 := os.ReadFile(files[KeyRSA].key)
				if err1 != nil || err2 != nil {
					t.Fatal(err1, err2)
				}
				crt := write("pair.pem", string(cert)+string(key))
				global := []string{"", "ssl-default-bind-options no-sslv3", "ssl-default-bind-options no-tlsv12 no-tlsv10", "ssl-default-bind-options ssl-min-ver TLSv1.2 no-tlsv13", "ssl-default-bind-options ssl-max-ver TLSv1.1\nssl-default-bind-ciphers ALL@SECLEVEL=0"}[r.IntN(5)]
				list := ""
				for i := range hosts[1:] {
					h := &hosts[i+1]
					list += fmt.Sprintf("%s [%s] %s\n", crt, h.haproxy(false), strings.Join(h.names, " "))
				}
				addr, stop = program(t, haproxy, func(port string) []string {
					path = write("haproxy.cfg", fmt.Sprintf("global\nsetenv LIST %[2]s\n%[1]s\ndefaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\nfrontend x\n bind 127.0.0.1:%[3]s ssl crt %[4]s crt-list \"${LIST}\" %[5]s\n", global, write("list", list), port, crt, hosts[0].haproxy(true)))
					return []string{"-db", "-q", "-f", path}
				})
			}
			defer stop()
			load := func(s Software) *Site {
				list, err := s.Load(path)
				sites, others := Sites(list)
				if err != nil || len(sites) != 1 || len(others) > 0 {
					t.Fatalf("%d sites, %d other policies: %v", len(sites), len(others), err)
				}
				return sites[0]
			}
			sure, unsure := load(soft), load(Software{})
			to := netip.MustParseAddrPort(addr)
			if sure.Match(to) != SocketMatch {
				t.Fatalf("the site does not listen at %s", to)
			}
			names := []string{"d.example", "a.example", "www.a.example", "A.EXAMPLE", "x.b.example", "b.example", "c.example", "y.c.example", "unknown.example", ""}
			asked, doubts, bad := 0, 0, 0
			for range 150 {
				h := hellos[r.IntN(len(hellos))]
				name := names[r.IntN(len(names))]
				raw, hello := withName(h.raw, name), *h.hello
				if r.IntN(6) == 0 {
					raw = withExtension(withExtension(raw, 13, nil), 50, nil)
					hello.Signatures, hello.HasSignatures = nil, false
				}
				got := ask(t, addr, raw)
				asked++
				for i, site := range []*Site{sure, unsure} {
					_, p := site.Route(to, name, SocketMatch)
					want := p.Answer(&hello, &Server{Keys: []KeyType{KeyRSA}})
					if got.hasAlert && got.alert.String() == "no_application_protocol" {
						continue
					}
					if i == 0 && want.Doubt&^DoubtSignature != 0 && !p.LegacyUnsure {
						t.Errorf("%s %q: in doubt with the releases stated: %s %s", h.from, name, want.Doubt, want.Cause)
					}
					if want.Undetermined() || want.Doubt&(DoubtSuite|DoubtVersion|DoubtGroup) != 0 {
						doubts++
						continue
					}
					// The alert is the program's, which checks in another order
					// than the standard.
					if got.hasAlert && !want.OK {
						continue
					}
					if p.Signatures == nil && !got.hasAlert && !got.silent {
						got.signature = want.Signature // not predicted
					}
					if want.PostQuantum == secrecy.Undetermined {
						want.PostQuantum = got.row.PostQuantum
					}
					if d := compare(&want, got); d != "" {
						if bad++; bad < 4 {
							text := whole(dir)
							t.Errorf("%s for %q, stated %v: %s\nwant %+v\ngot %s\n%+v\npolicy %+v\n%s", h.from, name, i == 0, d, want, got, hello, *p, text)
						}
					}
				}
			}
			t.Logf("%d asked, %d in doubt, %d disagree", asked, doubts, bad)
		})
	}
}

// TestHostVersions compares the answer to an SSL 3.0 hello with OpenSSL's.
func TestOldHello(t *testing.T) {
	if testing.Short() {
		t.Skip("runs servers")
	}
	openssl := need(t, "openssl")
	files := keyFiles(t)
	addr, stop := program(t, openssl, func(port string) []string {
		return []string{"s_server", "-quiet", "-accept", "127.0.0.1:" + port, "-cert", files[KeyRSA].cert, "-key", files[KeyRSA].key}
	})
	defer stop()
	raw := append([]byte{1, 0, 0, 0, 3, 0}, make([]byte, 32)...)
	raw = append(raw, 0, 0, 2, 0, 0x2f, 1, 0)
	raw[3] = byte(len(raw) - 4)
	p, err := ReadCiphers("DEFAULT", Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := p.Answer(&Hello{Versions: []iana.Version{iana.SSL30}, Suites: []iana.CipherSuite{0x002f}}, &Server{Keys: []KeyType{KeyRSA}})
	if got := ask(t, addr, raw); !got.hasAlert || got.alert != want.Alert {
		t.Errorf("got %s, want %s", got, want.Alert)
	}
}
