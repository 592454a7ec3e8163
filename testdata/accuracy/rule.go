package main

import (
	"strconv"
	"strings"

	"pfsight/parse/iana"
)

// The compared fields.
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

// An answer holds the values of a connection by field, in the format of pfsight's
// records. "" is undetermined. Resumption is "true" or "false".
type answer [numFields]string

// judge returns the forward secrecy verdict for a connection from its version,
// suite, group and resumption, "" for undetermined. It makes the labels and the
// verdicts of all tools except pfsight, and does not use pfsight's code.
//
// If resumption is undetermined, judge assumes a full handshake, as a reader of
// the tool's output would. groupsReported means that the tool reports the groups
// of TLS 1.3, so that a resumption without a group had no key share.
func (a *answer) judge(groupsReported bool) string {
	name := strings.TrimPrefix(a[suite], "TLS_")
	switch {
	case name == "" || a[version] == "" && !tls13Suite(name):
		return ""
	case tls13Suite(name):
		// RFC 8446 section 2: a handshake without a PSK has a key share. With a
		// PSK, the group shows whether it has one.
		switch {
		case a[group] != "" || a[resumption] != "true":
			return "yes"
		case groupsReported:
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

// tls13Suite reports whether a suite name, without "TLS_", is one of TLS 1.3: such
// a name has no key exchange.
func tls13Suite(name string) bool {
	return name != "" && !strings.Contains(name, "_WITH_") && !strings.HasSuffix(name, "_SCSV") && (strings.HasPrefix(name, "AES_") ||
		strings.HasPrefix(name, "CHACHA20_") || strings.HasPrefix(name, "SM4_") || strings.HasPrefix(name, "AEGIS_"))
}

// suiteName returns the IANA name of a suite, given by number or name.
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

// number parses a number such as "0xc02f" or "49199".
func number(s string) (uint16, bool) {
	n, err := strconv.ParseUint(s, 0, 16)
	return uint16(n), err == nil
}

// versionName returns pfsight's name of a version, given by number ("0x0303") or
// in the spelling of another tool ("TLSv12", "TLSv1.2").
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

// equalName compares names, ignoring case, because tools use different cases.
func equalName(a, b string) bool { return strings.EqualFold(a, b) }
