package schema

import (
	"math"

	"pfsight/report"
)

type cert = report.Certificate

// CertificateFields are the fields of certificate and client_certificate.
var CertificateFields = []Field[cert]{
	{Name: "subject", Meaning: "subject, RFC 4514", Absent: "empty or not readable",
		Value: Text[cert]{At: func(x *cert) *string { return &x.Subject }}},
	{Name: "issuer", Meaning: "issuer, RFC 4514", Absent: "empty or not readable",
		Value: Text[cert]{At: func(x *cert) *string { return &x.Issuer }}},
	{Name: "key", Meaning: "algorithm of the public key: RSA, ECDSA, Ed25519, …, or its OID", Absent: "not readable",
		Value: Text[cert]{At: func(x *cert) *string { return &x.Key }}},
	{Name: "bits", Meaning: "size of the public key, bits", Absent: "not known",
		Value: Number[cert]{func(x *cert) (uint64, bool) { return uint64(x.Bits), x.Bits > 0 }, func(x *cert, n uint64) { x.Bits = int(n) }, math.MaxInt32}},
	{Name: "not_before", Column: 1, Meaning: "start of the validity", Absent: "not readable",
		Value: Date[cert]{func(x *cert) (int64, bool) { return x.NotBefore, dated(x) }, func(x *cert, s int64) { x.NotBefore = s }}},
	{Name: "not_after", Meaning: "end of the validity", Absent: "not readable",
		Value: Date[cert]{func(x *cert) (int64, bool) { return x.NotAfter, dated(x) }, func(x *cert, s int64) { x.NotAfter = s }}},
	{Name: "sha256", Meaning: "SHA-256 of the certificate", Absent: "not known",
		Value: Hex[cert]{func(x *cert) []byte { return x.SHA256[:] }}},
	{Name: "spki_sha256", Column: 1, Meaning: "SHA-256 of its SubjectPublicKeyInfo", Absent: "not readable",
		Value: Hex[cert]{func(x *cert) []byte { return x.SPKI[:] }}},
}

// dated reports whether the validity is known. One of its ends may be 1970.
func dated(x *cert) bool { return x.NotBefore != 0 || x.NotAfter != 0 }
