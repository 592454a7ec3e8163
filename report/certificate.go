package report

import (
	"bytes"
	"crypto/dsa" //lint:ignore SA1019 certificates of old servers hold such keys
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"hash/maphash"
)

// Limits of the cache that is keyed by a certificate's bytes. It is consulted
// before the table keyed by SHA-256: a comparison costs a tenth of a hash.
const (
	cachedCerts = 1 << 9
	cachedBytes = 4 << 10 // of one certificate
)

// A cachedCert is a certificate with its DER encoding.
type cachedCert struct {
	der  []byte
	cert *Certificate
}

// certificate returns the parsed form of a certificate. Equal certificates
// share one value.
func (b *Builder) certificate(der []byte) *Certificate {
	at := &b.recent[maphash.Bytes(b.seed, der)%cachedCerts]
	if bytes.Equal(at.der, der) && at.cert != nil {
		return at.cert
	}
	c := b.hashed(der)
	if len(der) <= cachedBytes {
		at.der, at.cert = append(at.der[:0], der...), c
	}
	return c
}

// hashed finds a certificate by its SHA-256, or parses it.
func (b *Builder) hashed(der []byte) *Certificate {
	sum := sha256.Sum256(der)
	if c, ok := b.certs[sum]; ok {
		return c
	}
	c := readCertificate(der)
	c.SHA256 = sum
	if len(b.certs) >= b.maxCerts {
		clear(b.certs)
	}
	b.certs[sum] = c
	return c
}

func readCertificate(der []byte) *Certificate {
	x, err := x509.ParseCertificate(der)
	if err != nil {
		return parseTolerant(der)
	}
	c := &Certificate{
		Subject: x.Subject.String(), Issuer: x.Issuer.String(),
		NotBefore: x.NotBefore.Unix(), NotAfter: x.NotAfter.Unix(),
		SPKI: sha256.Sum256(x.RawSubjectPublicKeyInfo),
	}
	switch k := x.PublicKey.(type) {
	case *rsa.PublicKey:
		c.Key, c.Bits = "RSA", k.N.BitLen()
	case *ecdsa.PublicKey:
		c.Key, c.Bits = "ECDSA", k.Params().BitSize
	case ed25519.PublicKey:
		c.Key, c.Bits = "Ed25519", 256
	case *dsa.PublicKey:
		c.Key, c.Bits = "DSA", k.P.BitLen()
	default:
		parseSPKI(x.RawSubjectPublicKeyInfo, c)
	}
	return c
}

// tbsCertificate holds the first fields of a TBSCertificate, RFC 5280 section
// 4.1.
type tbsCertificate struct {
	Version  int `asn1:"optional,explicit,default:0,tag:0"`
	Serial   asn1.RawValue
	Sig      asn1.RawValue
	Issuer   asn1.RawValue
	Validity asn1.RawValue
	Subject  asn1.RawValue
	SPKI     asn1.RawValue
}

// parseTolerant parses as much as possible of a certificate that crypto/x509
// rejects, such as one with an unsupported curve or a negative serial number.
func parseTolerant(der []byte) *Certificate {
	c := &Certificate{Malformed: true}
	var outer struct {
		TBS asn1.RawValue
		Alg asn1.RawValue
		Sig asn1.RawValue
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return c
	}
	var tbs tbsCertificate
	if _, err := asn1.Unmarshal(outer.TBS.FullBytes, &tbs); err != nil {
		return c
	}
	c.Malformed = false
	c.Subject, c.Issuer = distinguished(tbs.Subject.FullBytes), distinguished(tbs.Issuer.FullBytes)
	c.SPKI = sha256.Sum256(tbs.SPKI.FullBytes)
	parseSPKI(tbs.SPKI.FullBytes, c)
	return c
}

func distinguished(der []byte) string {
	var seq pkix.RDNSequence
	if _, err := asn1.Unmarshal(der, &seq); err != nil {
		return ""
	}
	return seq.String()
}

// oidNames are the public key algorithms that crypto/x509 does not parse.
var oidNames = map[string]string{
	"1.2.840.113549.1.1.1": "RSA", "1.2.840.10045.2.1": "ECDSA", "1.3.101.110": "X25519", "1.3.101.111": "X448",
	"1.3.101.112": "Ed25519", "1.3.101.113": "Ed448", "1.2.840.10040.4.1": "DSA", "1.2.840.10046.2.1": "DH", "1.2.840.113549.1.3.1": "DH",
	"1.2.643.2.2.19": "GOST R 34.10-2001", "1.2.643.7.1.1.1.1": "GOST R 34.10-2012", "1.2.643.7.1.1.1.2": "GOST R 34.10-2012",
}

var curveBits = map[string]int{
	"1.3.132.0.10": 256, "1.3.132.0.34": 384, "1.3.132.0.35": 521, "1.2.840.10045.3.1.7": 256, "1.2.156.10197.1.301": 256,
	"1.3.36.3.3.2.8.1.1.7": 256, "1.3.36.3.3.2.8.1.1.11": 384, "1.3.36.3.3.2.8.1.1.13": 512,
}

// parseSPKI reads the algorithm and the size of a SubjectPublicKeyInfo, RFC 5280
// section 4.1.2.7.
func parseSPKI(der []byte, c *Certificate) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return
	}
	c.Key = info.Algorithm.Algorithm.String()
	if n, ok := oidNames[c.Key]; ok {
		c.Key = n
	}
	var curve asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &curve); err == nil {
		c.Bits = curveBits[curve.String()]
	}
	var key struct {
		N asn1.RawValue
		E int
	}
	if c.Key == "RSA" {
		if _, err := asn1.Unmarshal(info.Key.Bytes, &key); err == nil {
			for b := key.N.Bytes; len(b) > 0; b = b[1:] {
				if b[0] != 0 {
					c.Bits = len(b) * 8
					for m := b[0]; m < 0x80; m <<= 1 {
						c.Bits--
					}
					break
				}
			}
		}
	}
}
