// Command gen generates the tables of package iana from the package's CSV files.
// It needs no network. Run it with "go generate" in parse/iana.
package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"go/format"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	files, err := generate(".")
	if err != nil {
		log.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// generate returns the generated files of package iana by name, made from the
// CSV files in dir.
func generate(dir string) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, g := range []struct {
		file, csv string
		body      func([]map[string]string) (string, error)
	}{
		{"zsuites.go", "ciphersuites.csv", suites},
		{"zgroups.go", "groups.csv", groups},
		{"zsignatureschemes.go", "signatureschemes.csv", schemes},
		{"zalerts.go", "alerts.csv", alerts},
		{"zdhprimes.go", "dhprimes.csv", primes},
	} {
		rows, err := readCSV(filepath.Join(dir, g.csv))
		if err != nil {
			return nil, err
		}
		body, err := g.body(rows)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", g.csv, err)
		}
		text, err := format.Source([]byte("// Code generated from " + g.csv + " by gen. DO NOT EDIT.\n\npackage iana\n\n" + body))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", g.file, err)
		}
		out[g.file] = text
	}
	return out, nil
}

// readCSV returns the rows of a CSV file, each a map from column name to value.
func readCSV(file string) ([]map[string]string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	recs, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var out []map[string]string
	for _, r := range recs[1:] {
		m := map[string]string{}
		for i, h := range recs[0] {
			m[h] = r[i]
		}
		out = append(out, m)
	}
	return out, nil
}

// kexNames maps the key exchanges in the CSV file to constants of the package.
var kexNames = map[string]string{
	"NULL": "KexNULL", "RSA": "KexRSA", "RSA_EXPORT": "KexRSAExport", "DH": "KexDH", "DHE": "KexDHE",
	"DHE_EXPORT": "KexDHEExport", "DH_anon": "KexDHAnon", "DH_anon_EXPORT": "KexDHAnonExport", "ECDH": "KexECDH",
	"ECDHE": "KexECDHE", "ECDH_anon": "KexECDHAnon", "PSK": "KexPSK", "RSA_PSK": "KexRSAPSK", "DHE_PSK": "KexDHEPSK",
	"ECDHE_PSK": "KexECDHEPSK", "SRP": "KexSRP", "KRB5": "KexKRB5", "KRB5_EXPORT": "KexKRB5Export", "GOST_VKO": "KexGOST",
	"SM2ENC": "KexSM2Enc", "SM2DHE": "KexSM2DHE", "SM9ENC": "KexSM9Enc", "SM9DHE": "KexSM9DHE", "ECCPWD": "KexECCPWD",
	"ECJPAKE": "KexECJPAKE", "CECPQ1": "KexCECPQ1", "FORTEZZA_KEA": "KexFortezza", "TLS13": "KexTLS13", "-": "KexUnknown",
}

func suites(rows []map[string]string) (string, error) {
	var b strings.Builder
	b.WriteString("var suites = [...]Suite{\n")
	var v2 strings.Builder
	var fortezza string
	seen := map[string]bool{}
	for _, r := range rows {
		kex, ok := kexNames[r["key_exchange"]]
		if !ok {
			return "", fmt.Errorf("%s: key exchange %q has no constant", r["name"], r["key_exchange"])
		}
		auth := r["authentication"]
		if auth == "-" {
			auth = ""
		}
		enc, mac := encryptionAndMAC(r)
		text := fmt.Sprintf("Name: %q, Kind: %q, KeyExchange: %s, Authentication: %q, Encryption: %q, MAC: %q, Export: %t, NoEncryption: %t, Recommended: %q, RFC10015: %q, Reference: %q",
			r["name"], r["kind"], kex, auth, enc, mac, r["export"] == "Y", r["no_encryption"] == "Y", r["recommended"], r["rfc10015"], r["reference"])
		if r["kind"] == "sslv2" {
			fmt.Fprintf(&v2, "%s: {%s},\n", r["value"], text)
			continue
		}
		id, err := strconv.ParseUint(r["value"], 0, 16)
		if err != nil {
			return "", err
		}
		line := fmt.Sprintf("{ID: 0x%04x, %s},\n", id, text)
		if seen[r["value"]] { // 0x001e is KRB5 in the registry and FORTEZZA in SSL 3.0
			fortezza = line
			continue
		}
		seen[r["value"]] = true
		b.WriteString(line)
	}
	b.WriteString("}\n\nvar sslv3Fortezza = Suite" + strings.TrimSuffix(fortezza, ",\n") + "\n")
	b.WriteString("\nvar sslv2Kinds = map[SSLv2Kind]Suite{\n" + v2.String() + "}\n")
	return b.String(), nil
}

// encryptionAndMAC returns the encryption and the MAC that a suite's name
// contains. For AEAD suites and in TLS 1.3 the MAC is the hash of the PRF.
func encryptionAndMAC(r map[string]string) (enc, mac string) {
	name := r["name"]
	switch r["kind"] {
	case "grease", "scsv":
		return "", ""
	}
	if r["kind"] == "sslv2" { // SSL_CK_RC4_128_WITH_MD5
		enc, mac, _ = strings.Cut(strings.TrimPrefix(name, "SSL_CK_"), "_WITH_")
		return enc, mac
	}
	for _, s := range []string{"_DRAFT", "_PRIVATE", "_OLD", "_draft", "_1"} {
		name = strings.TrimSuffix(name, s)
	}
	rest := name
	if i := strings.Index(name, "_WITH_"); i >= 0 {
		rest = name[i+6:]
	} else {
		rest = strings.TrimPrefix(rest, "TLS_")
		for _, p := range []string{"ECDHE_", "ECC_", "IBSDH_", "IBC_", "RSA_"} {
			rest = strings.TrimPrefix(rest, p)
		}
	}
	if rest == "SHA256_SHA256" || rest == "SHA384_SHA384" { // RFC 9150: integrity only
		return "NULL", rest[:6]
	}
	for _, m := range []string{"SHA256", "SHA384", "SHA512", "SHA1", "SHA", "MD5", "SM3", "GOSTR3411", "OMAC", "IMIT", "NULL", "28147_IMIT"} {
		if strings.HasSuffix(rest, "_"+m) {
			return strings.TrimSuffix(rest, "_"+m), m
		}
	}
	return rest, "AEAD"
}

func groups(rows []map[string]string) (string, error) {
	var b strings.Builder
	b.WriteString("var groups = [...]NamedGroup{\n")
	seen := map[string]bool{}
	for _, r := range rows {
		id, err := strconv.ParseUint(r["value"], 0, 16)
		if err != nil {
			return "", err
		}
		if seen[r["value"]] {
			continue // a code point with two claimants: the first row wins
		}
		seen[r["value"]] = true
		bits := r["security_bits"]
		if _, err := strconv.Atoi(bits); err != nil {
			bits = "0"
		}
		fmt.Fprintf(&b, "{ID: 0x%04x, Name: %q, Kind: %q, PostQuantum: %t, SecurityBits: %s, Reference: %q},\n", id, r["name"], r["kind"], r["post_quantum"] == "true", bits, r["reference"])
	}
	b.WriteString("}\n")
	return b.String(), nil
}

func schemes(rows []map[string]string) (string, error) {
	return nameTable("signatureSchemes", "SignatureScheme", rows)
}

func alerts(rows []map[string]string) (string, error) {
	return nameTable("alerts", "Alert", rows)
}

// nameTable returns a map literal from code points of this type to names.
func nameTable(table, typ string, rows []map[string]string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "var %s = map[%s]string{\n", table, typ)
	for _, r := range rows {
		if _, err := strconv.ParseUint(r["value"], 0, 16); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s: %q,\n", r["value"], r["name"])
	}
	b.WriteString("}\n")
	return b.String(), nil
}

func primes(rows []map[string]string) (string, error) {
	var b strings.Builder
	b.WriteString("var dhPrimes = map[string]DHPrime{\n")
	for _, r := range rows {
		if len(r["sha256"]) != 64 {
			return "", fmt.Errorf("%s: invalid SHA-256", r["name"])
		}
		bits, err := strconv.Atoi(r["bits"])
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%q: {Name: %q, Bits: %d, Prime: %q, Safe: %q},\n", r["sha256"], r["name"], bits, r["prime"], r["safe_prime"])
	}
	b.WriteString("}\n")
	return b.String(), nil
}
