package policy_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pfsight/parse/iana"
	. "pfsight/report/policy"
)

// The lines of Config are checked by the programs that they are for. A missing
// program is skipped.

func need(t *testing.T, names ...string) string {
	t.Helper()
	for _, n := range names {
		if path, err := exec.LookPath(n); err == nil {
			return path
		}
	}
	t.Skipf("no %s here", names[0])
	return ""
}

// settable returns the policies that this machine's OpenSSL supports: before
// 3.5 those with a group that is not post-quantum, with the other groups
// removed from the lines, as their note says.
func settable(t *testing.T, kind string) map[string]string {
	t.Helper()
	old := true
	// Without openssl, the build options of the programs are unknown.
	if out, err := exec.Command(need(t, "openssl"), "version").Output(); err == nil {
		var major, minor int
		fmt.Sscanf(string(out), "OpenSSL %d.%d", &major, &minor)
		old = major < 3 || major == 3 && minor < 5
	}
	all := map[string]string{}
	for _, p := range Builtin() {
		text, err := p.Config(kind)
		if len(p.Versions) == 0 || len(p.Suites) == 0 && p.MinVersion() < iana.TLS13 {
			if err == nil {
				t.Errorf("%s has lines but no versions or suites", p.Name)
			}
			continue
		}
		if testing.Short() && len(all) == 8 {
			break
		}
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
			continue
		}
		// An algorithm that this machine's build lacks is not an error in the
		// lines.
		classical := slices.ContainsFunc(p.Groups, func(g iana.Group) bool { return !g.Info().PostQuantum })
		if old && len(p.Groups) > 0 && !classical {
			continue
		}
		if old {
			text = regexp.MustCompile(`(X25519MLKEM768|SecP256r1MLKEM768|SecP384r1MLKEM1024|MLKEM768|MLKEM1024)(:|\b)`).ReplaceAllString(text, "")
			text = regexp.MustCompile(`mldsa\d\d:?`).ReplaceAllString(text, "")
		}
		all[p.Name] = text
	}
	if len(all) < 60 && !testing.Short() {
		t.Errorf("only %d policies", len(all))
	}
	return all
}

func check(t *testing.T, name, text string, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s\n%s", name, err, out, text)
	}
}

func TestNginxLines(t *testing.T) {
	nginx := need(t, "nginx", "/usr/sbin/nginx")
	need(t, "openssl") // creates the parameters
	files := keyFiles(t)
	dir := t.TempDir()
	dh := dhParams(t)
	for name, text := range settable(t, "nginx") {
		path := filepath.Join(dir, name+".conf")
		conf := fmt.Sprintf("pid %s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\nserver {\nlisten 127.0.0.1:44300 ssl;\nserver_name x;\nssl_certificate %s;\nssl_certificate_key %s;\nssl_dhparam %s;\n%s}\n}\n",
			dir, files[KeyRSA].cert, files[KeyRSA].key, dh, text)
		if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		check(t, name, text, exec.Command(nginx, "-t", "-q", "-p", dir, "-c", path))
		roundTrip(t, name, path)
	}
}

func TestApacheLines(t *testing.T) {
	apache := need(t, "apache2", "/usr/sbin/apache2", "httpd")
	modules := "/usr/lib/apache2/modules"
	if _, err := os.Stat(modules + "/mod_ssl.so"); err != nil {
		t.Skip("no mod_ssl here")
	}
	files := keyFiles(t)
	dir := t.TempDir()
	for name, text := range settable(t, "apache") {
		path := filepath.Join(dir, name+".conf")
		conf := fmt.Sprintf("ServerRoot %s\nServerName x\nPidFile %s/pid\nErrorLog /dev/stderr\nListen 127.0.0.1:44301\nLoadModule mpm_event_module %[3]s/mod_mpm_event.so\nLoadModule socache_shmcb_module %[3]s/mod_socache_shmcb.so\nLoadModule ssl_module %[3]s/mod_ssl.so\nDefaultRuntimeDir %[1]s\n<VirtualHost *:44301>\nSSLEngine on\nSSLCertificateFile %[4]s\nSSLCertificateKeyFile %[5]s\n%[6]s</VirtualHost>\n",
			dir, dir, modules, files[KeyRSA].cert, files[KeyRSA].key, text)
		if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		check(t, name, text, exec.Command(apache, "-t", "-f", path))
		roundTrip(t, name, path)
	}
}

func TestHAProxyLines(t *testing.T) {
	haproxy := need(t, "haproxy", "/usr/sbin/haproxy")
	files := keyFiles(t)
	dir := t.TempDir()
	var pair []byte
	for _, f := range []string{files[KeyRSA].cert, files[KeyRSA].key} {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		pair = append(pair, b...)
	}
	crt := filepath.Join(dir, "pair.pem")
	if err := os.WriteFile(crt, pair, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, text := range settable(t, "haproxy") {
		path := filepath.Join(dir, name+".cfg")
		conf := text + fmt.Sprintf("defaults\n    mode http\n    timeout client 1s\n    timeout server 1s\n    timeout connect 1s\nfrontend x\n    bind 127.0.0.1:44302 ssl crt %s\n", crt)
		if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		check(t, name, text, exec.Command(haproxy, "-c", "-q", "-f", path))
		roundTrip(t, name, path)
	}
}

// roundTrip reads the configuration written for a policy, and compares both
// policies.
func roundTrip(t *testing.T, name, path string) {
	t.Helper()
	p := builtin(t, name)
	list, err := Load(path)
	if err != nil || len(list) != 1 {
		t.Errorf("%s: %d policies: %v", name, len(list), err)
		return
	}
	q := list[0]
	old := func(v iana.Version) bool { return v == iana.SSL30 } // Apache has no keyword for it
	if !slices.Equal(without(q.Versions, old), without(p.Versions, old)) {
		t.Errorf("%s: versions %v, not %v", name, q.Versions, p.Versions)
	}
	if p.MinVersion() < iana.TLS13 {
		var want []iana.CipherSuite
		for _, s := range p.Suites {
			if OpenSSLName(s) != "" && !slices.Contains(want, s) {
				want = append(want, s)
			}
		}
		if !slices.Equal(q.Suites, want) {
			t.Errorf("%s: suites\n%v\n%v", name, q.Suites, want)
		}
	}
	if len(p.Suites13) > 0 && !slices.Equal(q.Suites13, p.Suites13) {
		t.Errorf("%s: TLS 1.3 suites %v, not %v", name, q.Suites13, p.Suites13)
	}
	if p.Order != OrderUnknown && q.Order != p.Order {
		t.Errorf("%s: order %s, not %s", name, q.Order, p.Order)
	}
}

func TestOpenSSLLines(t *testing.T) {
	openssl := need(t, "openssl")
	dir := t.TempDir()
	for name, text := range settable(t, "openssl") {
		path := filepath.Join(dir, name+".cnf")
		if err := os.WriteFile(path, []byte("openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n[tls]\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(openssl, "ciphers", "-s")
		cmd.Env = append(os.Environ(), "OPENSSL_CONF="+path)
		check(t, name, text, cmd)
		// The suites of the string are those of the policy, in order.
		p := builtin(t, name)
		if p.MinVersion() == iana.TLS13 {
			continue
		}
		_, line, _ := strings.Cut(text, "CipherString = ")
		line, _, _ = strings.Cut(line, "\n")
		out, err := exec.Command(openssl, "ciphers", line).Output()
		if err != nil {
			t.Errorf("%s: openssl ciphers %s: %v", name, line, err)
			continue
		}
		got := without(strings.Split(strings.TrimSpace(string(out)), ":"), func(s string) bool { return strings.HasPrefix(s, "TLS_") })
		all, err := exec.Command(openssl, "ciphers", "ALL:COMPLEMENTOFALL:@SECLEVEL=0").Output()
		if err != nil {
			t.Fatal(err)
		}
		have := strings.Split(strings.TrimSpace(string(all)), ":")
		var want []string
		for _, s := range p.Suites {
			if n := OpenSSLName(s); slices.Contains(have, n) && !slices.Contains(want, n) {
				want = append(want, n)
			}
		}
		// The security level of a build may remove some.
		want = without(want, func(n string) bool { return !slices.Contains(got, n) && !strings.Contains(line, "@SECLEVEL") })
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", name, got, want)
		}
	}
}

func TestGoLines(t *testing.T) {
	gobin := need(t, "go")
	if testing.Short() {
		t.Skip("compiles")
	}
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("package x\n\nimport \"crypto/tls\"\n\nvar All = []*tls.Config{\n")
	for _, p := range Builtin() {
		if text, err := p.Config("go"); err == nil {
			b.WriteString(strings.TrimSuffix(text, "\n") + ",\n")
		}
	}
	b.WriteString("}\n")
	for name, text := range map[string]string{"x.go": b.String(), "go.mod": "module x\n\ngo 1.26\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(gobin, "vet", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	check(t, "go vet", "", cmd)
}

func TestSchannelLines(t *testing.T) {
	for _, p := range Builtin() {
		text, err := p.Config("schannel")
		if err != nil {
			if p.Target {
				t.Error(err)
			}
			continue
		}
		for i, s := range p.Suites {
			if !strings.Contains(text, s.String()) {
				t.Errorf("%s: no %s (%d)", p.Name, s, i)
			}
		}
		for line := range strings.Lines(text) {
			if strings.Count(line, "'")%2 != 0 && !strings.HasPrefix(line, "#") {
				t.Errorf("%s: %s", p.Name, line)
			}
		}
	}
	text, err := builtin(t, "azure-guestos-2016-05").Config("schannel")
	if err != nil || !strings.Contains(text, "Functions -Value 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384_P384,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256_P256,") {
		t.Error(text, err)
	}
	if _, err := builtin(t, "tls13-only").Config("iis"); err == nil {
		t.Error("there is a configuration of iis")
	}
}
