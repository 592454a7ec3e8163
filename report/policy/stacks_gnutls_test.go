package policy_test

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pfsight/parse/iana"
	. "pfsight/report/policy"
	"pfsight/report/secrecy"
)

// gnutlsStack is gnutls-serv of GnuTLS 3.7. Its priority strings name
// components, not suites, so the effective policy is what gnutls-cli --list
// prints for the string.
func gnutlsStack(files map[KeyType]keyFile) stack {
	return stack{
		name:   "GnuTLS",
		settle: gnutlsSettle,
		alerts: map[Failure][]iana.Alert{NoCommonVersion: {iana.AlertHandshakeFailure, iana.AlertProtocolVersion}, MissingExtension: {iana.AlertHandshakeFailure}},
		serve: func(t testing.TB, p *Policy, keys []KeyType, args []string) (string, func()) {
			return program(t, "gnutls-serv", func(port string) []string {
				all := []string{"--port", port, "--priority", args[0], "--quiet", "--noticket", "--http"}
				if dh := dhParams(t); dh != "" {
					all = append(all, "--dhparams", dh)
				}
				for _, k := range keys {
					all = append(all, "--x509certfile", files[k].cert, "--x509keyfile", files[k].key)
				}
				return all
			})
		},
	}
}

// dhParams creates a file with DH parameters; "" without openssl.
func dhParams(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "dh.pem")
	if err := exec.Command("openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "dh_param:ffdhe2048", "-out", path).Run(); err != nil {
		return ""
	}
	return path
}

func gnutlsSettle(t testing.TB, p *Policy, keys []KeyType) (*Policy, []string, error) {
	q := *p
	parts := []string{"NONE"}
	add := func(s string) {
		if s != "" && !slices.Contains(parts, "+"+s) {
			parts = append(parts, "+"+s)
		}
	}
	q.Versions = without(p.Versions, func(v iana.Version) bool { return v == iana.SSL30 })
	for _, v := range slices.Backward(q.Versions) {
		add(map[iana.Version]string{iana.TLS10: "VERS-TLS1.0", iana.TLS11: "VERS-TLS1.1", iana.TLS12: "VERS-TLS1.2", iana.TLS13: "VERS-TLS1.3"}[v])
	}
	suites := slices.Clone(p.Suites)
	if q.MaxVersion() == iana.TLS13 {
		if len(p.Suites13) == 0 {
			suites = append([]iana.CipherSuite{aes256, chacha, aes128}, suites...)
		} else {
			suites = append(slices.Clone(p.Suites13), suites...)
		}
	}
	for _, s := range suites {
		i := s.Info()
		add(map[string]string{"AES_128_GCM": "AES-128-GCM", "AES_256_GCM": "AES-256-GCM", "AES_128_CBC": "AES-128-CBC", "AES_256_CBC": "AES-256-CBC", "AES_128_CCM": "AES-128-CCM", "AES_256_CCM": "AES-256-CCM",
			"AES_128_CCM_8": "AES-128-CCM-8", "AES_256_CCM_8": "AES-256-CCM-8", "CHACHA20_POLY1305": "CHACHA20-POLY1305", "3DES_EDE_CBC": "3DES-CBC", "RC4_128": "ARCFOUR-128"}[i.Encryption])
		switch {
		case !strings.Contains(i.Encryption, "CBC") && !strings.Contains(i.Encryption, "RC4"):
			add("AEAD")
		default:
			add(map[string]string{"SHA": "SHA1", "SHA256": "SHA256", "SHA384": "SHA384", "MD5": "MD5"}[i.MAC])
		}
		switch i.KeyExchange {
		case iana.KexECDHE:
			add("ECDHE-" + i.Authentication)
		case iana.KexDHE:
			add("DHE-" + i.Authentication)
		case iana.KexRSA:
			add("RSA")
		}
	}
	for _, g := range p.Groups {
		add(map[iana.Group]string{x25519: "GROUP-X25519", 0x001e: "GROUP-X448", p256: "GROUP-SECP256R1", p384: "GROUP-SECP384R1", 0x0019: "GROUP-SECP521R1",
			ff2048: "GROUP-FFDHE2048", ff3072: "GROUP-FFDHE3072", 0x0102: "GROUP-FFDHE4096", 0x0103: "GROUP-FFDHE6144", 0x0104: "GROUP-FFDHE8192"}[g])
	}
	parts = append(parts, "+COMP-NULL", "+SIGN-ALL", "+SIGN-RSA-SHA1", "+SIGN-ECDSA-SHA1", "+CTYPE-X509", "%VERIFY_ALLOW_SIGN_WITH_SHA1")
	if p.Order != ClientOrder {
		parts = append(parts, "%SERVER_PRECEDENCE")
	}
	priority := strings.Join(parts, ":")
	out, err := exec.Command("gnutls-cli", "--list", "--priority", priority).CombinedOutput()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %s", priority, out)
	}
	q.Suites, q.Suites13, q.SuiteGroups, q.Groups, q.Signatures = nil, nil, nil, nil, nil
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if i := strings.Index(line, "0x"); i > 0 && strings.HasPrefix(line, "TLS_") {
			f := strings.Split(strings.ReplaceAll(line[i:], " ", ""), ",") // 0xc0,0x2fTLS1.2
			hi, err1 := strconv.ParseUint(f[0], 0, 8)
			lo, err2 := strconv.ParseUint(strings.SplitN(f[1], "\t", 2)[0], 0, 8)
			if err1 != nil || err2 != nil {
				return nil, nil, fmt.Errorf("gnutls-cli says %q", line)
			}
			s := iana.CipherSuite(hi<<8 | lo)
			if s.Info().KeyExchange == iana.KexTLS13 {
				q.Suites13 = append(q.Suites13, s)
			} else {
				q.Suites = append(q.Suites, s)
			}
		}
		if list, ok := strings.CutPrefix(line, "Groups: "); ok {
			for _, g := range strings.Split(list, ", ") {
				if id, ok := iana.LookupGroup(strings.ToLower(strings.TrimPrefix(g, "GROUP-"))); ok {
					q.Groups = append(q.Groups, id)
				} else {
					t.Logf("GnuTLS group %q", g)
				}
			}
		}
	}
	if len(q.Groups) == 0 {
		return nil, nil, errors.New("no group")
	}
	q.Behavior = Behavior{SHA1: secrecy.True, GroupWithout: secrecy.True, Group13: GroupByClient, Group12: GroupByClient, FFDHE: secrecy.True, AnyCertificateCurve: true}
	q.Order = ClientOrder
	if p.Order != ClientOrder {
		q.Order, q.Group12, q.Group13 = ServerOrder, GroupByServer, GroupByServer
	}
	q.GroupsOpen, q.GroupsUnordered, q.VersionsOpen = false, false, false
	return &q, []string{priority}, nil
}
