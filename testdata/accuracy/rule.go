package main

import (
	"strconv"
	"strings"

	"pfsight/parse/iana"
)

// The fields that are compared.
const (
	verdict = iota
	suite
	group
	version
	sni
	resumption
	numFields
)

var fieldNames = [numFields]string{"verdict", "suite", "group", "version", "SNI", "resumption"}

// An answer is what is said of a connection, a string a field, in the words of
// the record; "" is undetermined. Resumption is "true" or "false".
type answer [numFields]string

// judge gives the verdict on a connection whose version, suite, group and
// resumption are known. The labels and the verdicts of all tools but pfsight
// come from here; pfsight's own code is not used. "" is undetermined.
//
// An answer that does not tell of resumption is taken as a full handshake:
// that is what a reader of the tool's output does. tellsGroups says that the
// tool names the group of TLS 1.3, so that a resumption without one had no key
// share.
func (a *answer) judge(tellsGroups bool) string {
	name := strings.TrimPrefix(a[suite], "TLS_")
	switch {
	case name == "" || a[version] == "" && !tls13Suite(name):
		return ""
	case tls13Suite(name):
		// RFC 8446 section 2: without a PSK there is a key share. With one,
		// the group tells whether there is.
		switch {
		case a[group] != "" || a[resumption] != "true":
			return "yes"
		case tellsGroups:
			return "no"
		}
		return ""
	}
	exchange, cipher, found := strings.Cut(strings.ToUpper(name), "_WITH_")
	if !found {
		return ""
	}
	if strings.HasPrefix(cipher, "NULL") {
		return "no"
	}
	ephemeral := false
	for _, x := range []string{"DHE_", "ECDHE_", "DH_ANON", "ECDH_ANON", "SRP_", "ECCPWD"} {
		ephemeral = ephemeral || strings.HasPrefix(exchange+"_", x)
	}
	switch {
	case !ephemeral:
		return "no"
	case a[resumption] == "true":
		return "conditional"
	}
	return "yes"
}

// tls13Suite reports whether a suite, without its "TLS_", is one of TLS 1.3:
// their names have no key exchange.
func tls13Suite(name string) bool {
	return name != "" && !strings.Contains(name, "_WITH_") && !strings.HasSuffix(name, "_SCSV") && (strings.HasPrefix(name, "AES_") ||
		strings.HasPrefix(name, "CHACHA20_") || strings.HasPrefix(name, "SM4_") || strings.HasPrefix(name, "AEGIS_"))
}

// suiteName returns the IANA name of a suite that is given as a number or by
// name.
func suiteName(s string) string {
	if n, ok := number(s); ok {
		return iana.CipherSuite(n).String()
	}
	if name, ok := strings.CutPrefix(s, "SSL_"); ok {
		return "TLS_" + name
	}
	return s
}

func groupName(s string) string {
	if n, ok := number(s); ok {
		return iana.Group(n).String()
	}
	return s
}

// number reads "0xc02f" and "49199".
func number(s string) (uint16, bool) {
	n, err := strconv.ParseUint(s, 0, 16)
	return uint16(n), err == nil
}

// versionName returns the record's name of a version that is given as a
// number ("0x0303") or in another tool's spelling ("TLSv12", "TLSv1.2").
func versionName(s string) string {
	if n, ok := number(s); ok {
		return iana.Version(n).String()
	}
	s = strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), "v", "")
	for _, p := range []string{"DTLS", "TLS", "SSL"} {
		digits, found := strings.CutPrefix(s, p)
		if !found {
			continue
		}
		digits = strings.ReplaceAll(digits, ".", "")
		if p == "SSL" {
			return "SSLv" + digits[:min(1, len(digits))]
		}
		if len(digits) == 1 {
			digits += "0"
		}
		if len(digits) != 2 {
			return ""
		}
		return p + " " + digits[:1] + "." + digits[1:]
	}
	return ""
}

// equalName compares names of which tools write some in other case.
func equalName(a, b string) bool { return strings.EqualFold(a, b) }
