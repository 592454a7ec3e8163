package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"pfsight/parse/iana"
	"pfsight/report/visible"
	"pfsight/report/wrap"
)

// ConfigKinds returns the kinds that Config accepts.
func ConfigKinds() []string {
	return []string{"nginx", "apache", "haproxy", "openssl", "go", "schannel"}
}

// Config returns configuration lines that set up a server for p. Comments in it
// name what the software cannot express, and what the source of p does not
// state, which the lines leave unset.
func (p *Policy) Config(kind string) (string, error) {
	if !slices.Contains(ConfigKinds(), kind) {
		return "", fmt.Errorf("policy: unknown configuration kind %q; choose one of %s", kind, strings.Join(ConfigKinds(), ", "))
	}
	if len(p.Versions) == 0 {
		return "", fmt.Errorf("policy: %s states no versions", p.Name)
	}
	if len(p.Suites) == 0 && p.MinVersion() < iana.TLS13 {
		return "", fmt.Errorf("policy: %s states no suites for %s", p.Name, p.MinVersion())
	}
	c := &config{Policy: p, comment: "# "}
	if kind == "go" {
		c.comment = "// "
	}
	c.note(oneLine(p.Name + ": " + p.Title))
	if p.Source != "" {
		c.note("source: " + oneLine(p.Source))
	}
	if !p.Target {
		c.note("not recommended as a target: " + oneLine(p.Note))
	}
	var err error
	switch kind {
	case "nginx":
		c.nginx()
	case "apache":
		c.apache()
	case "haproxy":
		c.haproxy()
	case "openssl":
		c.openssl()
	case "go":
		err = c.golang()
	case "schannel":
		err = c.schannel()
	}
	if err != nil {
		return "", err
	}
	return c.b.String(), nil
}

// oneLine makes text from a file safe for a comment: it escapes what a reader
// would not see as it is.
func oneLine(s string) string {
	var b strings.Builder
	for _, r := range s {
		if visible.Rune(r) && r != utf8.RuneError {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRuneToASCII(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}

type config struct {
	*Policy
	b       strings.Builder
	comment string
}

func (c *config) line(format string, args ...any) { fmt.Fprintf(&c.b, format+"\n", args...) }

// note writes a comment, wrapped at 100 columns.
func (c *config) note(text string) {
	for _, line := range wrap.Words(text, 100) {
		c.line("%s%s", c.comment, line)
	}
}

// opensslCiphers returns the suites as a cipher string. It notes suites that
// OpenSSL has no name for, and suites that are bound to a group.
func (c *config) opensslCiphers() string {
	var names, missing []string
	for _, s := range c.Suites {
		name := openSSLName(s)
		switch {
		case name == "":
			missing = append(missing, s.String())
		case !slices.Contains(names, name):
			names = append(names, name)
		}
	}
	if len(missing) > 0 {
		c.note("OpenSSL has no " + strings.Join(missing, ", "))
	}
	if c.SuiteGroups != nil {
		c.note("the policy binds suites to curves, which OpenSSL does not support")
	}
	return strings.Join(names, ":")
}

// opensslGroups returns the groups in OpenSSL's format.
func (c *config) opensslGroups() string {
	var out []string
	new := false
	for _, g := range c.Groups {
		i := g.Info()
		if i.Kind == "" {
			continue
		}
		name := i.Name
		switch {
		case g == 0x001d:
			name = "X25519"
		case g == 0x001e:
			name = "X448"
		case g == secp256r1:
			name = "prime256v1"
		case g >= 0x001f && g <= 0x0021:
			continue // OpenSSL names the brainpool groups of TLS 1.3 (the TLS 1.2 name with tls13) only since 3.2
		}
		new = new || i.PostQuantum
		out = append(out, name)
	}
	if new {
		c.note("post-quantum groups need OpenSSL 3.5 or later; remove their names for older releases")
	}
	if c.GroupsOpen {
		c.note("the source does not state all groups" + map[bool]string{true: "; OpenSSL's default applies"}[len(out) == 0])
	}
	return strings.Join(out, ":")
}

// level0 reports whether OpenSSL 3 needs security level 0 for the policy: for
// TLS 1.1 and older, SHA-1 signatures, or weak suites.
func (c *config) level0() bool {
	return c.has12() && (c.MinVersion() < iana.TLS12 || slices.ContainsFunc(c.Suites, func(s iana.CipherSuite) bool {
		i := s.Info()
		return classOf(i, "").bits < 112 || strings.HasPrefix(i.Encryption, "RC4") || i.MAC == "MD5"
	}))
}

func (c *config) has12() bool { return c.MinVersion() != iana.TLS13 }
func (c *config) has13() bool { return c.MaxVersion() == iana.TLS13 }

// suiteString returns opensslCiphers with the required security level.
func (c *config) suiteString() string {
	s := c.opensslCiphers()
	if s != "" && c.level0() {
		c.note("OpenSSL 3 needs security level 0 for versions before TLS 1.2 and for less than 112 bits")
		s += ":@SECLEVEL=0"
	}
	return s
}

func (c *config) suites13() string { return strings.Join(names(c.Suites13), ":") }

// dh returns the group size for the DHE suites, 0 without such suites.
func (c *config) dh() int {
	if !slices.ContainsFunc(c.Suites, func(s iana.CipherSuite) bool { return s.Info().KeyExchange.UsesDHParams() }) {
		return 0
	}
	if c.DHBits == 0 {
		return 2048 // RFC 9325 section 4.1
	}
	return c.DHBits
}

func (c *config) dhNote() {
	if bits := c.dh(); bits > 0 {
		c.note(fmt.Sprintf("DHE suites need parameters: openssl dhparam -out dhparam.pem %d", bits))
	}
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func dotted(v iana.Version) string {
	switch v {
	case iana.SSL30:
		return "SSLv3"
	case iana.TLS10:
		return "TLSv1"
	}
	return "TLSv1." + strconv.Itoa(int(v-iana.TLS10))
}

func (c *config) nginx() {
	var v []string
	for _, x := range c.Versions {
		v = append(v, dotted(x))
	}
	c.line("ssl_protocols %s;", strings.Join(v, " "))
	if c.has12() {
		if s := c.suiteString(); s != "" {
			c.line("ssl_ciphers %s;", s)
		}
		c.dhNote()
		if c.dh() > 0 {
			c.note("and add: ssl_dhparam dhparam.pem;")
		}
	}
	if c.has13() && len(c.Suites13) > 0 {
		c.line("ssl_conf_command Ciphersuites %s;", c.suites13())
	}
	if g := c.opensslGroups(); g != "" {
		c.line("ssl_ecdh_curve %s;", g)
	}
	c.line("ssl_prefer_server_ciphers %s;", onOff(c.Order != ClientOrder))
	if c.ChaChaFirst {
		c.line("ssl_conf_command Options PrioritizeChaCha;")
	}
}

func (c *config) apache() {
	v := []string{"-all"}
	for _, x := range c.Versions {
		if x == iana.SSL30 {
			c.note("SSLv3 needs a build of OpenSSL that supports it")
			continue
		}
		v = append(v, "+"+dotted(x))
	}
	c.line("SSLProtocol %s", strings.Join(v, " "))
	if c.has12() {
		if s := c.suiteString(); s != "" {
			c.line("SSLCipherSuite %s", s)
		}
		c.dhNote()
	}
	if c.has13() && len(c.Suites13) > 0 {
		c.line("SSLCipherSuite TLSv1.3 %s", c.suites13())
	}
	if g := c.opensslGroups(); g != "" {
		c.line("SSLOpenSSLConfCmd Curves %s", g)
	}
	c.line("SSLHonorCipherOrder %s", onOff(c.Order != ClientOrder))
	if c.ChaChaFirst {
		c.line("SSLOpenSSLConfCmd Options PrioritizeChaCha")
	}
}

func (c *config) haproxy() {
	c.line("global")
	opt := "ssl-min-ver " + haproxyVersion(c.MinVersion()) + " ssl-max-ver " + haproxyVersion(c.MaxVersion())
	if c.Order == ClientOrder {
		opt += " prefer-client-ciphers"
	}
	c.comment = "    # "
	if c.has12() {
		if s := c.suiteString(); s != "" {
			c.line("    ssl-default-bind-ciphers %s", s)
		}
	}
	if c.has13() && len(c.Suites13) > 0 {
		c.line("    ssl-default-bind-ciphersuites %s", c.suites13())
	}
	if g := c.opensslGroups(); g != "" {
		c.line("    ssl-default-bind-curves %s", g)
	}
	c.line("    ssl-default-bind-options %s", opt)
	if bits := c.dh(); bits > 0 && c.has12() {
		c.line("    tune.ssl.default-dh-param %d", bits)
	}
}

func haproxyVersion(v iana.Version) string {
	if v == iana.TLS10 {
		return "TLSv1.0"
	}
	return dotted(v)
}

// openssl writes a section for openssl.cnf, SSL_CONF_cmd(3).
func (c *config) openssl() {
	c.line("MinProtocol = %s", dotted(c.MinVersion()))
	c.line("MaxProtocol = %s", dotted(c.MaxVersion()))
	if c.has12() {
		if s := c.suiteString(); s != "" {
			c.line("CipherString = %s", s)
		}
	}
	if c.has13() && len(c.Suites13) > 0 {
		c.line("Ciphersuites = %s", c.suites13())
	}
	if g := c.opensslGroups(); g != "" {
		c.line("Groups = %s", g)
	}
	if c.Signatures != nil {
		c.line("SignatureAlgorithms = %s", strings.Join(c.opensslSigalgs(), ":"))
	}
	opt := "ServerPreference"
	if c.Order == ClientOrder {
		opt = "-ServerPreference"
	}
	if c.ChaChaFirst {
		opt += ",PrioritizeChaCha"
	}
	c.line("Options = %s", opt)
}

func (c *config) opensslSigalgs() []string {
	var out []string
	for _, s := range c.Signatures {
		if s>>8 == 9 {
			c.note(s.String() + " needs OpenSSL 3.5 or later")
			if s == 0x0904 || s == 0x0905 || s == 0x0906 {
				out = append(out, s.String())
			}
			continue
		}
		out = append(out, s.String())
	}
	return out
}

var goCurves = map[iana.Group]string{
	secp256r1: "CurveP256", secp384r1: "CurveP384", secp521r1: "CurveP521", 0x001d: "X25519",
	0x11ec: "X25519MLKEM768", 0x11eb: "SecP256r1MLKEM768", 0x11ed: "SecP384r1MLKEM1024",
}

var goVersions = map[iana.Version]string{iana.SSL30: "VersionTLS10", iana.TLS10: "VersionTLS10", iana.TLS11: "VersionTLS11", iana.TLS12: "VersionTLS12", iana.TLS13: "VersionTLS13"}

// goSuites are the suites of TLS 1.2 and older in crypto/tls.
var goSuites = []iana.CipherSuite{0x0005, 0x000a, 0x002f, 0x0035, 0x003c, 0x009c, 0x009d, 0xc007, 0xc009, 0xc00a, 0xc011, 0xc012, 0xc013, 0xc014,
	0xc023, 0xc027, 0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9}

// golang writes a tls.Config.
func (c *config) golang() error {
	if c.MaxVersion() < iana.TLS10 {
		return fmt.Errorf("policy: %s: crypto/tls has no %s", c.Name, c.MaxVersion())
	}
	if c.MinVersion() == iana.SSL30 {
		c.note("crypto/tls has no SSLv3")
	}
	c.note("crypto/tls orders suites and groups itself, and does not let you choose the TLS 1.3 suites")
	c.line("&tls.Config{")
	c.line("\tMinVersion: tls.%s,", goVersions[c.MinVersion()])
	c.line("\tMaxVersion: tls.%s,", goVersions[c.MaxVersion()])
	c.comment = "\t// "
	if c.has12() {
		var missing []string
		c.line("\tCipherSuites: []uint16{")
		for i, s := range c.Suites {
			switch {
			case slices.Contains(c.Suites[:i], s):
			case !slices.Contains(goSuites, s):
				missing = append(missing, s.String())
			default:
				c.line("\t\ttls.%s,", s)
			}
		}
		c.line("\t},")
		if len(missing) > 0 {
			c.note("crypto/tls has no " + strings.Join(missing, ", "))
		}
	}
	var missing []string
	open := false
	for _, g := range c.Groups {
		name, ok := goCurves[g]
		if !ok {
			missing = append(missing, g.String())
			continue
		}
		if !open {
			c.line("\tCurvePreferences: []tls.CurveID{")
			open = true
		}
		c.line("\t\ttls.%s,", name)
	}
	if open {
		c.line("\t},")
	}
	if len(missing) > 0 {
		c.note("crypto/tls has no " + strings.Join(missing, ", "))
	}
	if c.GroupsOpen {
		c.note("the source does not state all groups")
	}
	c.line("}")
	return nil
}

// schannel writes PowerShell for Windows Server 2016 and later: the order of
// suites and curves, and the protocols in the registry.
func (c *config) schannel() error {
	var out []string
	if c.has13() {
		out = names(c.Suites13)
	}
	if c.has12() {
		for i, s := range c.Suites {
			if n := s.String() + c.suffix(i); !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	if c.SuiteGroups != nil {
		c.note("names with a curve suffix are for Windows Server 2012 R2 and older, where a group policy sets the order:")
		c.note(`Computer Configuration\Administrative Templates\Network\SSL Configuration Settings\SSL Cipher Suite Order`)
	}
	c.note("Windows ignores unknown names; restart afterwards")
	c.line(`$key = 'HKLM:\SOFTWARE\Policies\Microsoft\Cryptography\Configuration\SSL\00010002'`)
	c.line("if (-not (Test-Path $key)) { New-Item -Path $key -Force | Out-Null }")
	if len(out) > 0 {
		c.line("Set-ItemProperty -Path $key -Name Functions -Value '%s'", strings.Join(out, ","))
	}
	var curves []string
	for _, g := range c.Groups {
		switch g {
		case 0x001d:
			curves = append(curves, "curve25519")
		case secp256r1:
			curves = append(curves, "NistP256")
		case secp384r1:
			curves = append(curves, "NistP384")
		case secp521r1:
			curves = append(curves, "NistP521")
		case 0x001a, 0x001b, 0x001c:
			curves = append(curves, g.Info().Name)
		default:
			c.note("Windows has no name for " + g.String())
		}
	}
	if c.GroupsOpen {
		c.note("the source does not state all groups")
	}
	if len(curves) > 0 && c.SuiteGroups == nil {
		c.line("Set-ItemProperty -Path $key -Name EccCurves -Type MultiString -Value @('%s')", strings.Join(curves, "','"))
	}
	c.line("$protocols = [ordered]@{")
	for i, name := range [...]string{"SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"} {
		on := 0
		if slices.Contains(c.Versions, [...]iana.Version{iana.SSL20, iana.SSL30, iana.TLS10, iana.TLS11, iana.TLS12, iana.TLS13}[i]) {
			on = 1
		}
		c.line("  '%s' = %d", name, on)
	}
	c.line("}")
	c.line("foreach ($p in $protocols.Keys) {")
	c.line(`  $path = "HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\$p\Server"`)
	c.line("  if (-not (Test-Path $path)) { New-Item -Path $path -Force | Out-Null }")
	c.line("  Set-ItemProperty -Path $path -Name Enabled -Type DWord -Value $protocols[$p]")
	c.line("  Set-ItemProperty -Path $path -Name DisabledByDefault -Type DWord -Value (1 - $protocols[$p])")
	c.line("}")
	return nil
}
