package policy

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// randomHello returns a ClientHello with random values that policies
// distinguish.
func randomHello(r *rand.Rand, p *Policy) *Hello {
	pick := func(n int) bool { return r.IntN(n) > 0 }
	h := &Hello{HasVersions: pick(3), HasGroups: pick(6), HasSignatures: pick(6), NoPointFormat: r.IntN(20) == 0,
		ExtendedMaster: secrecy.Tri(r.IntN(3)), RenegotiationInfo: secrecy.Tri(r.IntN(3))}
	versions := []iana.Version{iana.TLS13, iana.TLS12, iana.TLS11, iana.TLS10, iana.SSL30}
	if !h.HasVersions {
		h.Versions = versions[1+r.IntN(4):][:1]
	} else {
		for _, v := range versions {
			if pick(2) {
				h.Versions = append(h.Versions, v)
			}
		}
	}
	suites := append(append([]iana.CipherSuite{0x1301, 0x1302, 0x1303, 0xcca8, 0xc02f, 0x009c, 0x002f, 0x000a, fallbackSCSV}, p.Suites...), p.Suites13...)
	for range 1 + r.IntN(12) {
		h.Suites = append(h.Suites, suites[r.IntN(len(suites))])
	}
	groups := append([]iana.Group{0x11ec, 0x1d, 0x17, 0x18, 0x19, 0x1e, 0x100, 0x101, 0x15}, p.Groups...)
	for range 1 + r.IntN(6) {
		h.Groups = append(h.Groups, groups[r.IntN(len(groups))])
	}
	for _, g := range h.Groups {
		if r.IntN(3) == 0 {
			h.KeyShares = append(h.KeyShares, g)
		}
	}
	if !h.HasGroups {
		h.Groups = nil
	}
	schemes := append([]iana.SignatureScheme{0x0804, 0x0401, 0x0201, 0x0403, 0x0101, 0x0807}, p.Signatures...)
	for range 1 + r.IntN(5) {
		h.Signatures = append(h.Signatures, schemes[r.IntN(len(schemes))])
	}
	if !h.HasSignatures {
		h.Signatures = nil
	}
	return h
}

// TestYAMLRoundTrip writes and reads policies: built-in ones, those of random
// configurations, and those with every behaviour. All answers must be the same.
func TestYAMLRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	list := append([]*Policy{}, Builtin()...)
	oneOf := func(words ...string) string { return words[r.IntN(len(words))] }
	for i := range 150 {
		text := fmt.Sprintf("ssl_protocols %s;\nssl_ciphers '%s';\nssl_prefer_server_ciphers %s;\n", oneOf("TLSv1.2 TLSv1.3", "TLSv1 TLSv1.2", "TLSv1.3", "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"),
			oneOf("HIGH:!aNULL", "DEFAULT@SECLEVEL=0", "ECDHE+AESGCM:@SECLEVEL=2", "SUITEB128", "PROFILE=SYSTEM", "ALL:@STRENGTH"), oneOf("on", "off"))
		text += oneOf("", "ssl_ecdh_curve X25519:prime256v1;\n", "ssl_ecdh_curve X25519MLKEM768:X25519/secp384r1;\n", "ssl_conf_command Groups secp384r1:X25519;\n")
		text += oneOf("", "ssl_conf_command Options PrioritizeChaCha;\n", "ssl_conf_command SignatureAlgorithms RSA+SHA256:ECDSA+SHA256;\n", "ssl_conf_command MinProtocol TLSv1.2;\n")
		if i%3 == 0 {
			text = "server { listen 443 ssl; server_name d; ssl_protocols TLSv1.2; }\nserver { listen 443 ssl; server_name a; " + oneOf("", "ssl_reject_handshake on;") + "\n" + text + "}\n"
		}
		var soft Software
		for _, w := range []string{oneOf("", "nginx/1.22.1", "nginx/1.29.3"), oneOf("", "openssl/3.0", "openssl/3.5", "openssl/1.1.1"), oneOf("", "crypto-policies/LEGACY")} {
			if w != "" {
				if err := soft.Set(w); err != nil {
					t.Fatal(err)
				}
			}
		}
		found, err := readNginx(text, "n.conf", nil, soft)
		if err != nil {
			continue // no version remains, or the release does not know a group
		}
		list = append(list, found...)
		if sites, _ := Sites(found); len(sites) > 0 && len(sites[0].Hosts) > 1 {
			list = append(list, found[1].Host.rules.underDefault(found[1], found[0]))
		}
	}
	if len(list) < 150 {
		t.Fatalf("only %d policies", len(list))
	}
	for i := range 100 { // every behaviour
		p := *list[r.IntN(len(list))]
		p.Name = fmt.Sprintf("random-%d", i)
		p.Group12, p.SignatureByServer, p.SHA1, p.GroupWithout = GroupChoice(r.IntN(4)), r.IntN(2) == 0, secrecy.Tri(r.IntN(3)), secrecy.Tri(r.IntN(3))
		p.AnyCertificateCurve, p.FFDHE, p.PostQuantumFirst, p.ChaChaFirst13 = r.IntN(2) == 0, secrecy.Tri(r.IntN(3)), r.IntN(2) == 0, secrecy.Tri(r.IntN(3))
		p.SignaturesShared, p.OldHelloFailure, p.Order13, p.LegacyUnsure = r.IntN(2) == 0, r.IntN(2) == 0, Order(r.IntN(3)), r.IntN(2) == 0
		p.RequireExtendedMaster, p.RequireRenegotiationInfo = r.IntN(3) == 0, r.IntN(3) == 0
		list = append(list, &p)
	}
	servers := []*Server{{}, {Keys: []KeyType{KeyRSA}}, {Keys: []KeyType{KeyECDSAP384, KeyRSA}}, {Keys: []KeyType{KeyEd25519}, PSK: true}}
	n := 0
	for _, p := range list {
		text, err := p.YAML()
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		q, err := ReadYAML(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v\n%s", p.Name, err, text)
		}
		for range 60 {
			h, s := randomHello(r, p), servers[r.IntN(len(servers))]
			n++
			if a, b := p.Answer(h, s), q.Answer(h, s); a != b {
				t.Fatalf("%s: %+v\n%+v\n%+v\n%+v\n%s", p.Name, *h, a, b, *p, text)
			}
		}
	}
	t.Logf("%d answers of %d policies", n, len(list))
}
