package policy_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "pfsight/report/policy"
	"pfsight/report/secrecy"
)

// TLS configurations for real servers and for Load. They cover what readers
// often get wrong: inheritance, defaults, security levels, orders, and group
// lists.
var serverConfigs = []struct {
	server, name, outer, inner string
}{
	{"nginx", "default", "", ""},
	{"nginx", "intermediate", "ssl_protocols TLSv1.2 TLSv1.3;\nssl_prefer_server_ciphers off;", "ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256;\nssl_ecdh_curve X25519:prime256v1:secp384r1;"},
	{"nginx", "old", "ssl_prefer_server_ciphers on;", "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;\nssl_ciphers 'ECDHE+AESGCM:ECDHE+AES:DHE+AES:RSA+AES:!aNULL:@SECLEVEL=0';\nssl_ecdh_curve secp384r1:prime256v1;\nssl_conf_command Options PrioritizeChaCha;"},
	{"nginx", "no order", "", "ssl_protocols TLSv1.2;\nssl_ciphers AES128-SHA:AES256-SHA:ECDHE-RSA-AES256-SHA;\nssl_prefer_server_ciphers off;"},
	{"nginx", "commands win", "ssl_conf_command CipherString AES128-SHA;\nssl_conf_command Groups P-384;", "ssl_protocols TLSv1.2 TLSv1.3;\nssl_conf_command CipherString ECDHE-RSA-AES256-GCM-SHA384@SECLEVEL=1;\nssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\nssl_ciphers AES128-SHA;\nssl_ecdh_curve X25519;"},
	{"nginx", "a level replaces commands", "ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;", "ssl_protocols TLSv1.2 TLSv1.3;\nssl_conf_command Options PrioritizeChaCha;\nssl_prefer_server_ciphers on;"},
	{"nginx", "minimum without ssl_protocols", "", "ssl_conf_command MinProtocol TLSv1.2;\nssl_ciphers DEFAULT@SECLEVEL=0;"},
	{"nginx", "Suite B", "", "ssl_protocols TLSv1.2 TLSv1.3;\nssl_ciphers SUITEB128;"},
	{"nginx", "a level and a weak group", "", "ssl_protocols TLSv1.2 TLSv1.3;\nssl_ciphers HIGH@SECLEVEL=2;\nssl_ecdh_curve secp224r1:X25519:secp384r1;"},
	{"nginx", "dhparam", "ssl_dhparam DHPARAM;\nssl_prefer_server_ciphers on;", "ssl_protocols TLSv1.2 TLSv1.3;\nssl_ciphers DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-SHA:AES128-SHA;\nssl_conf_command Ciphersuites TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256;"},
	{"apache", "default", "", ""},
	{"apache", "intermediate", "SSLProtocol -all +TLSv1.2 +TLSv1.3\nSSLHonorCipherOrder off", "SSLCipherSuite ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256\nSSLOpenSSLConfCmd Curves X25519:prime256v1"},
	{"apache", "old", "SSLHonorCipherOrder on\nSSLCipherSuite HIGH:!aNULL:@SECLEVEL=0", "SSLProtocol all\nSSLCipherSuite TLSv1.3 TLS_AES_256_GCM_SHA384"},
	{"haproxy", "default", "", ""},
	{"haproxy", "intermediate", "ssl-default-bind-ciphers ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256\nssl-default-bind-options prefer-client-ciphers ssl-min-ver TLSv1.2", "curves X25519:P-256"},
	{"haproxy", "old", "ssl-default-bind-ciphers ECDHE+AES:RSA+AES:@SECLEVEL=0\nssl-default-bind-options ssl-min-ver TLSv1.0", "ciphersuites TLS_AES_256_GCM_SHA384 ssl-max-ver TLSv1.2"},
	{"haproxy", "no-sslv3 alone", "ssl-default-bind-options no-sslv3", ""},
	{"haproxy", "no-… with a minimum", "ssl-default-bind-options ssl-min-ver TLSv1.2", "no-tlsv13"},
	{"haproxy", "no-…", "ssl-default-bind-options no-tlsv13", "no-tlsv10"},
	{"haproxy", "forced", "ssl-default-bind-options ssl-min-ver TLSv1.0 no-tlsv12", "force-tlsv12"},
	{"haproxy", "maximum alone", "ssl-default-bind-ciphers DEFAULT@SECLEVEL=0", "ssl-max-ver TLSv1.1"},
	{"haproxy", "refused by the level", "ssl-default-bind-ciphers AES128-SHA:ECDHE+AES@SECLEVEL=1", "ssl-max-ver TLSv1.1 ssl-min-ver TLSv1.0"},
	{"haproxy", "own maximum", "ssl-default-bind-options ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.2", "ssl-max-ver TLSv1.3"},
	{"haproxy", "DHE", "tune.ssl.default-dh-param 2048\nssl-default-bind-ciphers DHE-RSA-AES128-GCM-SHA256:AES128-SHA", "no-tlsv13"},
}

// TestServers runs nginx, Apache and HAProxy with these configurations, and
// compares their answers with the predictions of Load.
func TestServers(t *testing.T) {
	if testing.Short() {
		t.Skip("runs servers")
	}
	out, err := exec.Command("openssl", "version").Output()
	if err != nil || !regexp.MustCompile(`^OpenSSL 3\.[0-4]\.`).Match(out) {
		t.Skip("no OpenSSL 3.0 to 3.4 here, of which the readers' behavior is")
	}
	folders := []string{"../../testdata/captures"}
	if more := os.Getenv("PFSIGHT_HELLOS"); more != "" {
		folders = append(folders, filepath.SplitList(more)...)
	}
	hellos := corpus(t, folders...)
	files := keyFiles(t)
	dh := dhParams(t)
	for _, c := range serverConfigs {
		t.Run(c.server+"/"+c.name, func(t *testing.T) {
			var path string
			var addr string
			var stop func()
			var soft Software
			releaseOf(t, &soft, "openssl", "openssl", "version")
			dir := t.TempDir()
			fill := strings.NewReplacer("DHPARAM", dh)
			outer, inner := fill.Replace(c.outer), fill.Replace(c.inner)
			write := func(text string) string {
				path = filepath.Join(dir, "conf")
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				return path
			}
			switch c.server {
			case "nginx":
				nginx := need(t, "nginx", "/usr/sbin/nginx")
				releaseOf(t, &soft, nginx, "nginx", "-v")
				addr, stop = program(t, nginx, func(port string) []string {
					return []string{"-p", dir, "-c", write(fmt.Sprintf("daemon off;\nmaster_process off;\npid %s/pid;\nerror_log /dev/null crit;\nevents {}\nhttp {\naccess_log off;\n%s\nserver {\nlisten 127.0.0.1:%s ssl;\nssl_certificate %s;\nssl_certificate_key %s;\n%s\n}\n}\n",
						dir, outer, port, files[KeyRSA].cert, files[KeyRSA].key, inner))}
				})
			case "apache":
				apache := need(t, "apache2", "/usr/sbin/apache2")
				const modules = "/usr/lib/apache2/modules"
				if _, err := os.Stat(modules + "/mod_ssl.so"); err != nil {
					t.Skip("no mod_ssl here")
				}
				addr, stop = program(t, apache, func(port string) []string {
					return []string{"-X", "-f", write(fmt.Sprintf("ServerRoot %[1]s\nServerName x\nPidFile %[1]s/pid\nDefaultRuntimeDir %[1]s\nErrorLog /dev/null\nListen 127.0.0.1:%[2]s\nLoadModule mpm_event_module %[3]s/mod_mpm_event.so\nLoadModule authz_core_module %[3]s/mod_authz_core.so\nLoadModule ssl_module %[3]s/mod_ssl.so\n%[4]s\n<VirtualHost *:%[2]s>\nSSLEngine on\nSSLCertificateFile %[5]s\nSSLCertificateKeyFile %[6]s\n%[7]s\n</VirtualHost>\n",
						dir, port, modules, outer, files[KeyRSA].cert, files[KeyRSA].key, inner))}
				})
			case "haproxy":
				haproxy := need(t, "haproxy", "/usr/sbin/haproxy")
				releaseOf(t, &soft, haproxy, "haproxy", "-v")
				cert, err1 := os.ReadFile(files[KeyRSA].cert)
				key, err2 := os.ReadFile(files[KeyRSA].key)
				crt := filepath.Join(dir, "pair.pem")
				if err := os.WriteFile(crt, append(cert, key...), 0o600); err != nil || err1 != nil || err2 != nil {
					t.Fatal(err, err1, err2)
				}
				addr, stop = program(t, haproxy, func(port string) []string {
					return []string{"-db", "-q", "-f", write(fmt.Sprintf("global\n%s\ndefaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\nfrontend x\n bind 127.0.0.1:%s ssl crt %s %s\n", outer, port, crt, inner))}
				})
			}
			defer stop()
			list, err := soft.Load(path)
			if err != nil || len(list) != 1 {
				t.Fatalf("%d policies: %v", len(list), err)
			}
			p := list[0]
			asked, undetermined, bad := 0, 0, 0
			for _, r := range hellos {
				if r.flaw != "" {
					continue
				}
				want := p.Answer(r.hello, &Server{Keys: []KeyType{KeyRSA}})
				got := ask(t, addr, r.raw)
				asked++
				if got.hasAlert && got.alert.String() == "no_application_protocol" {
					continue // the client does not offer HTTP
				}
				if p.LegacyUnsure && want.Failure == InappropriateFallback && got.hasAlert {
					continue // refused for either reason
				}
				if want.Undetermined() || want.Doubt&(DoubtSuite|DoubtVersion) != 0 {
					undetermined++
					continue
				}
				if want.Doubt&DoubtGroup != 0 && !got.hasAlert && !got.silent {
					want.Group, want.HasGroup = got.row.Group, got.row.HasGroup
					want.HelloRetryRequest = got.retry
					if want.PostQuantum == secrecy.Undetermined {
						want.PostQuantum = got.row.PostQuantum
					}
				}
				if p.Signatures == nil && !got.hasAlert && !got.silent {
					got.signature = want.Signature // not predicted
				}
				if d := compare(&want, got); d != "" {
					if bad++; bad < 4 {
						t.Errorf("%s: %s\nwant %+v\ngot %s\n%+v", r.from, d, want, got, *r.hello)
					}
				}
			}
			t.Logf("%d asked, %d were undetermined, %d disagree", asked, undetermined, bad)
			if undetermined > asked/2 && c.name != "default" {
				t.Errorf("%d of %d were undetermined", undetermined, asked)
			}
		})
	}
}
