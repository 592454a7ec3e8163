package testutil

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Authority makes a certificate authority and a server certificate for name, an IP
// address or a host name. It returns the authority also in PEM.
func Authority(t *testing.T, name string) (*x509.CertPool, tls.Certificate, []byte) {
	t.Helper()
	make := func(tmpl, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = key
		}
		tmpl.SerialNumber, tmpl.NotBefore, tmpl.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		return der, key
	}
	ca := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	ca.Subject.CommonName = "pfsight test authority"
	caDER, caKey := make(ca, ca, nil)
	server := &x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(name); ip != nil {
		server.DNSNames, server.IPAddresses = nil, []net.IP{ip}
	}
	der, key := make(server, ca, caKey)
	pool := x509.NewCertPool()
	file := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	if !pool.AppendCertsFromPEM(file) {
		t.Fatal("no certificate")
	}
	return pool, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// WriteWebConfig writes a file of --web-config in dir, with a user "ops" who has the
// password, and with TLS if withTLS is set. It returns the file and the certificate
// authority.
func WriteWebConfig(t *testing.T, dir string, withTLS bool, password string) (string, *x509.CertPool) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("basic_auth_users:\n  ops: %s\n", hash)
	var roots *x509.CertPool
	if withTLS {
		text += "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"
		roots = WriteWebKeys(t, dir)
	}
	file := filepath.Join(dir, "web.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, roots
}

// WriteWebKeys writes a certificate and its key to dir, replacing older ones, and
// returns their authority.
func WriteWebKeys(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	roots, cert, _ := Authority(t, "127.0.0.1")
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert.Certificate[0]}, "key.pem": {Type: "PRIVATE KEY", Bytes: key}} {
		temp := filepath.Join(dir, "."+name)
		if err := os.WriteFile(temp, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(temp, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return roots
}
