package policy_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pfsight/parse/iana"
	. "pfsight/report/policy"
	"pfsight/report/secrecy"
)

const nodeServer = `const tls = require('tls'), fs = require('fs');
const o = JSON.parse(process.argv[3]);
o.cert = fs.readFileSync(o.cert); o.key = fs.readFileSync(o.key);
const s = tls.createServer(o, c => c.end());
s.on('tlsClientError', () => {});
s.listen(Number(process.argv[2]), '127.0.0.1');
`

// TestOpenSSL35 compares predictions with OpenSSL 3.5 or later in Node.js:
// groups in tuples, and their default. PFSIGHT_NODE names a node outside of
// PATH.
func TestOpenSSL35(t *testing.T) {
	if testing.Short() {
		t.Skip("runs servers")
	}
	node := os.Getenv("PFSIGHT_NODE")
	if node == "" {
		node = need(t, "node")
	}
	out, err := exec.Command(node, "-p", "process.versions.openssl").Output()
	var soft Software
	if err != nil || soft.Set("openssl/"+strings.TrimSpace(string(out))) != nil || soft.OpenSSL.Before(3, 5, 0) {
		t.Skipf("node has no OpenSSL 3.5: %s", out)
	}
	hellos := slices.DeleteFunc(corpus(t, "../../testdata/captures"), func(h realHello) bool { return h.flaw != "" || h.early })
	files := keyFiles(t)
	script := filepath.Join(t.TempDir(), "server.js")
	if err := os.WriteFile(script, []byte(nodeServer), 0o600); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	groups := []string{"X25519", "prime256v1", "secp384r1", "secp521r1", "X448", "X25519MLKEM768", "SecP256r1MLKEM768", "ffdhe2048", "ffdhe3072"}
	for i := range 24 {
		curves := ""
		if i%4 > 0 {
			for j, g := range r.Perm(len(groups))[:1+r.IntN(6)] {
				if j > 0 {
					curves += []string{":", ":", "/"}[r.IntN(3)]
				}
				curves += []string{"", "", "?", "*"}[r.IntN(4)] + groups[g]
			}
		}
		ciphers := []string{"DEFAULT@SECLEVEL=0", "HIGH:!aNULL", "ECDHE+AESGCM:@SECLEVEL=1", "AES128-SHA:ECDHE-RSA-AES128-SHA"}[r.IntN(4)]
		order := r.IntN(2) == 0
		p, err := ReadCiphers(ciphers, Options{Groups: curves, Software: soft, ClientOrder: !order})
		if err != nil {
			t.Fatalf("%q: %v", curves, err)
		}
		p.Suites = slices.DeleteFunc(p.Suites, func(s iana.CipherSuite) bool { return s.Info().KeyExchange.UsesDHParams() }) // Node.js has no parameters
		set := curves
		if set == "" {
			set = "auto"
		}
		addr, stop := program(t, node, func(port string) []string {
			return []string{script, port, fmt.Sprintf(`{"cert":%q,"key":%q,"ciphers":"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:%s","ecdhCurve":%q,"minVersion":"TLSv1.2","honorCipherOrder":%v}`,
				files[KeyRSA].cert, files[KeyRSA].key, ciphers, set, order)}
		})
		bad := 0
		for _, h := range hellos {
			raw, hello := h.raw, *h.hello
			if r.IntN(8) == 0 {
				raw = withExtension(withExtension(raw, 13, nil), 50, nil)
				hello.Signatures, hello.HasSignatures = nil, false
			}
			want := p.Answer(&hello, &Server{Keys: []KeyType{KeyRSA}})
			got := ask(t, addr, raw)
			if got.hasAlert && (!want.OK || got.alert.String() == "no_application_protocol") {
				continue
			}
			if !got.hasAlert && !got.silent {
				got.signature = want.Signature // not predicted
				if want.PostQuantum == secrecy.Undetermined {
					want.PostQuantum = got.row.PostQuantum
				}
			}
			if d := compare(&want, got); d != "" || want.Doubt&^DoubtSignature != 0 {
				if bad++; bad < 4 {
					t.Errorf("%q %q server order %v, %s: %s\nwant %+v\ngot %s\n%+v\n%v %v", ciphers, curves, order, h.from, d, want, got, hello, p.Groups, p.GroupTuples)
				}
			}
		}
		stop()
		t.Logf("%q %q: %d asked, %d disagree", ciphers, curves, len(hellos), bad)
	}
}
