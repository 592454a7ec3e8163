package policy_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pfsight/parse/iana"
	. "pfsight/report/policy"
	"pfsight/report/secrecy"
)

// A stack is a TLS implementation that can be configured with a policy.
type stack struct {
	name string
	// settle returns the policy as far as the stack supports it, with its
	// behaviour where the standards leave it free, and its configuration. A
	// stack that cannot support the policy returns the reason.
	settle func(t testing.TB, p *Policy, keys []KeyType) (*Policy, []string, error)
	// adapt returns the effective policy and keys for one client, if the stack
	// depends on the client; nil otherwise.
	adapt func(p *Policy, keys []KeyType, r *realHello) (*Policy, []KeyType)
	// alerts are those that the stack sends instead of the standard ones.
	alerts map[Failure][]iana.Alert
	// serve runs a server at addr until stop is called.
	serve func(t testing.TB, p *Policy, keys []KeyType, args []string) (addr string, stop func())
}

func without[T comparable](list []T, drop func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), drop)
}

// A keyFile is a certificate for the tests.
type keyFile struct{ cert, key string }

// keyFiles creates a certificate for each key type that all stacks support.
func keyFiles(t testing.TB) map[KeyType]keyFile {
	t.Helper()
	dir := t.TempDir()
	out := map[KeyType]keyFile{}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	e384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for typ, key := range map[KeyType]crypto.Signer{KeyRSA: r, KeyECDSAP256: e, KeyECDSAP384: e384, KeyEd25519: ed} {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: typ.String()}, NotAfter: time.Now().Add(time.Hour),
			KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, DNSNames: []string{"server.example"}}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		f := keyFile{filepath.Join(dir, typ.String()+".pem"), filepath.Join(dir, typ.String()+".key")}
		for path, b := range map[string]*pem.Block{f.cert: {Type: "CERTIFICATE", Bytes: der}, f.key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
			if err := os.WriteFile(path, pem.EncodeToMemory(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out[typ] = f
	}
	return out
}

// stacks returns those that are available.
func stacks(t testing.TB, files map[KeyType]keyFile) []stack {
	list := []stack{goStack(files)}
	if _, err := exec.LookPath("openssl"); err == nil {
		list = append(list, opensslStack(files))
	} else {
		t.Log("no openssl here")
	}
	if _, err := exec.LookPath("gnutls-serv"); err == nil {
		list = append(list, gnutlsStack(files))
	} else {
		t.Log("no gnutls-serv here")
	}
	return list
}

// program starts a server that accepts connections one after the other, and
// waits until it is ready.
func program(t testing.TB, name string, args func(port string) []string) (string, func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, name, args(port)...)
	var said bytes.Buffer
	cmd.Stderr = &limited{w: &said, left: 1 << 12}
	tie(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() {
		cancel()
		cmd.Wait()
	}
	for range 200 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr, stop
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	t.Fatalf("%s %v does not answer: %s", name, cmd.Args, said.String())
	return "", nil
}

// limited keeps the first bytes that are written.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	if n := min(len(b), l.left); n > 0 {
		l.w.Write(b[:n])
		l.left -= n
	}
	return len(b), nil
}

// opensslStack is s_server of OpenSSL 3.0 to 3.4: no post-quantum groups, the
// client's order of key shares, no RFC 7919 in TLS 1.2, no ECDHE without
// supported_groups, and TLS 1.1 and SHA-1 only at security level 0.
func opensslStack(files map[KeyType]keyFile) stack {
	return stack{
		name: "OpenSSL",
		settle: func(t testing.TB, p *Policy, keys []KeyType) (*Policy, []string, error) {
			q := *p
			out, err := exec.Command("openssl", "ciphers", "ALL:COMPLEMENTOFALL:@SECLEVEL=0").Output()
			if err != nil {
				t.Fatal(err)
			}
			have := strings.Split(strings.TrimSpace(string(out)), ":")
			q.Suites = without(p.Suites, func(s iana.CipherSuite) bool { return !slices.Contains(have, OpenSSLName(s)) })
			q.SuiteGroups = nil
			q.Groups = without(p.Groups, func(g iana.Group) bool { return g.Info().PostQuantum })
			if len(q.Groups) == 0 {
				return nil, nil, errors.New("no group")
			}
			q.Versions = without(p.Versions, func(v iana.Version) bool { return v == iana.SSL30 })
			if len(q.Suites) == 0 && q.MinVersion() != iana.TLS13 {
				return nil, nil, errors.New("no suite")
			}
			q.Behavior = Behavior{Group13: GroupFirstShare, Group12: GroupByClient, SHA1: secrecy.True, GroupWithout: secrecy.False, FFDHE: secrecy.False, OldHelloFailure: true, SignaturesShared: true}
			if q.Order == OrderUnknown {
				q.Order = ServerOrder
			}
			if q.Order == ServerOrder {
				q.Group12, q.SignatureByServer = GroupByServer, true
			}
			q.ChaChaFirst = p.ChaChaFirst
			q.GroupsOpen, q.GroupsUnordered, q.VersionsOpen = false, false, false
			q.Signatures = opensslSignatures
			var names []string
			for _, s := range q.Suites {
				names = append(names, OpenSSLName(s))
			}
			var groups []string
			for _, g := range q.Groups {
				groups = append(groups, opensslGroupName(g))
			}
			args := []string{"-groups", strings.Join(groups, ":"), "-cipher", strings.Join(append(names, "@SECLEVEL=0"), ":")}
			if len(names) == 0 {
				args[3] = "DEFAULT:@SECLEVEL=0"
			}
			if len(q.Suites13) > 0 {
				var s13 []string
				for _, s := range q.Suites13 {
					s13 = append(s13, s.String())
				}
				args = append(args, "-ciphersuites", strings.Join(s13, ":"))
			} else if q.MaxVersion() == iana.TLS13 {
				q.Suites13 = []iana.CipherSuite{0x1302, 0x1303, 0x1301}
			}
			args = append(args, "-min_protocol", opensslVersion(q.MinVersion()), "-max_protocol", opensslVersion(q.MaxVersion()))
			if q.Order == ServerOrder {
				args = append(args, "-serverpref")
			}
			if q.ChaChaFirst {
				args = append(args, "-prioritize_chacha")
			}
			return &q, args, nil
		},
		serve: func(t testing.TB, p *Policy, keys []KeyType, args []string) (string, func()) {
			return program(t, "openssl", func(port string) []string {
				all := append([]string{"s_server", "-accept", "127.0.0.1:" + port, "-www", "-no_ticket"}, args...)
				all = append(all, "-cert", files[keys[0]].cert, "-key", files[keys[0]].key)
				if len(keys) > 1 {
					all = append(all, "-dcert", files[keys[1]].cert, "-dkey", files[keys[1]].key)
				}
				return all
			})
		},
	}
}

// opensslSignatures is the default list of OpenSSL 3.0 at level 0.
var opensslSignatures = []iana.SignatureScheme{0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x081a, 0x081b, 0x081c, 0x0809, 0x080a, 0x080b, 0x0804, 0x0805, 0x0806,
	0x0401, 0x0501, 0x0601, 0x0303, 0x0203, 0x0301, 0x0201, 0x0302, 0x0202, 0x0402, 0x0502, 0x0602}

func opensslVersion(v iana.Version) string {
	return map[iana.Version]string{iana.TLS10: "TLSv1", iana.TLS11: "TLSv1.1", iana.TLS12: "TLSv1.2", iana.TLS13: "TLSv1.3"}[v]
}

func opensslGroupName(g iana.Group) string {
	switch g {
	case x25519:
		return "X25519"
	case 0x001e:
		return "X448"
	case p256:
		return "prime256v1"
	}
	return g.String()
}

// goStack is crypto/tls of Go 1.26: its own order of suites and groups, AES
// before ChaCha20 unless the client prefers ChaCha20, no DHE, no SHA-1, a
// certificate chosen before the suite, and no check of the curve of a single
// certificate.
func goStack(files map[KeyType]keyFile) stack {
	return stack{
		name: "Go",
		settle: func(t testing.TB, p *Policy, keys []KeyType) (*Policy, []string, error) {
			q := *p
			q.Suites, q.SuiteGroups = nil, nil
			for _, s := range goOrder {
				if slices.Contains(p.Suites, s) {
					q.Suites = append(q.Suites, s)
				}
			}
			q.Groups = nil
			for _, g := range goGroups {
				if slices.Contains(p.Groups, g) {
					q.Groups = append(q.Groups, g)
				}
			}
			if len(q.Groups) == 0 {
				return nil, nil, errors.New("no group")
			}
			q.Versions = without(p.Versions, func(v iana.Version) bool { return v == iana.SSL30 })
			if q.MaxVersion() == iana.TLS13 {
				q.Suites13 = []iana.CipherSuite{aes128, aes256, chacha}
			}
			q.Order = ServerOrder
			q.Behavior = Behavior{Group12: GroupByClient, PostQuantumFirst: true, SHA1: secrecy.False, GroupWithout: secrecy.False, AnyCertificateCurve: true}
			q.GroupsOpen, q.GroupsUnordered, q.VersionsOpen = false, false, false
			q.Signatures = goSignatures
			return &q, nil, nil
		},
		alerts: map[Failure][]iana.Alert{MissingExtension: {iana.AlertHandshakeFailure}, NoCommonVersion: {iana.AlertProtocolVersion}},
		adapt: func(p *Policy, keys []KeyType, r *realHello) (*Policy, []KeyType) {
			if !goPrefersAES(r.hello) {
				q := *p
				q.Suites13 = chachaForward(p.Suites13)
				q.Suites = chachaForward(p.Suites)
				p = &q
			}
			// crypto/tls selects the first suitable certificate before the
			// suite; a name outside of the certificates has none.
			if !r.named {
				for i, k := range keys {
					if a := p.Answer(r.hello, &Server{Keys: keys[i : i+1]}); a.OK {
						return p, []KeyType{k}
					}
				}
			}
			return p, keys[:1]
		},
		serve: func(t testing.TB, p *Policy, keys []KeyType, _ []string) (string, func()) {
			config := &tls.Config{MinVersion: uint16(p.MinVersion()), MaxVersion: uint16(p.MaxVersion()), SessionTicketsDisabled: true}
			for _, s := range p.Suites {
				config.CipherSuites = append(config.CipherSuites, uint16(s))
			}
			if config.CipherSuites == nil {
				config.CipherSuites = []uint16{}
			}
			for _, g := range p.Groups {
				config.CurvePreferences = append(config.CurvePreferences, tls.CurveID(g))
			}
			for _, k := range keys {
				c, err := tls.LoadX509KeyPair(files[k].cert, files[k].key)
				if err != nil {
					t.Fatal(err)
				}
				config.Certificates = append(config.Certificates, c)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer c.Close()
						tls.Server(c, config).Handshake()
					}()
				}
			}()
			return l.Addr().String(), func() { l.Close() }
		},
	}
}

// goOrder is the order of crypto/tls if the server and the client have AES
// hardware.
var goOrder = []iana.CipherSuite{0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc009, 0xc013, 0xc00a, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035, 0xc012, 0x000a,
	0xc023, 0xc027, 0x003c, 0xc007, 0xc011, 0x0005}

var goGroups = []iana.Group{0x11ec, 0x11eb, 0x11ed, x25519, p256, p384, 0x0019}

var goSignatures = []iana.SignatureScheme{0x0804, 0x0403, 0x0807, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0503, 0x0603}

// goPrefersAES reports whether the client's first suite that crypto/tls
// supports is ephemeral AES-GCM.
func goPrefersAES(h *Hello) bool {
	for _, s := range h.Suites {
		switch s {
		case 0xc02f, 0xc02b, 0xc030, 0xc02c, aes128, aes256:
			return true
		}
		if s == chacha || slices.Contains(goOrder, s) {
			return false
		}
	}
	return false
}

// chachaForward moves ChaCha20 suites to the front.
func chachaForward(list []iana.CipherSuite) []iana.CipherSuite {
	is := func(s iana.CipherSuite) bool { return s == chacha || s == 0xcca8 || s == 0xcca9 }
	return append(without(list, func(s iana.CipherSuite) bool { return !is(s) }), without(list, is)...)
}
