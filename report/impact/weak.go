package impact

import (
	"fmt"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report/policy"
)

// A Weakness is a set of weaknesses that Advise does not add to a policy unless
// they are allowed.
type Weakness uint8

// The weaknesses.
const (
	WeakNull      Weakness = 1 << iota // no encryption
	WeakAnonymous                      // no authentication
	WeakExport                         // export grade, or a cipher below 112 bits
	WeakRC4
	Weak3DES
	WeakSSL3 // a version below TLS 1.0
	numWeak  = iota
)

var weakNames = [numWeak]string{"null", "anonymous", "export", "rc4", "3des", "sslv3"}

// Weaknesses returns the names that LookupWeakness accepts.
func Weaknesses() []string { return weakNames[:] }

// LookupWeakness finds a weakness by its name.
func LookupWeakness(name string) (Weakness, error) {
	for i, n := range weakNames {
		if strings.EqualFold(n, name) {
			return 1 << i, nil
		}
	}
	return 0, fmt.Errorf("%q: choose from %s", name, strings.Join(weakNames[:], ", "))
}

// Names returns the names of the weaknesses in w.
func (w Weakness) Names() []string {
	out := []string{}
	for i, n := range weakNames {
		if w>>i&1 != 0 {
			out = append(out, n)
		}
	}
	return out
}

// weakness returns the weaknesses of a suite.
func weakness(s iana.CipherSuite) (w Weakness) {
	i := s.Info()
	e := i.Encryption
	if i.NoEncryption {
		w |= WeakNull
	}
	if i.Authentication == "anon" {
		w |= WeakAnonymous
	}
	switch {
	case i.Export, strings.HasPrefix(e, "DES"), strings.HasPrefix(e, "RC2"), strings.HasPrefix(e, "RC4_40"):
		w |= WeakExport
	case strings.HasPrefix(e, "RC4"):
		w |= WeakRC4
	case strings.HasPrefix(e, "3DES"):
		w |= Weak3DES
	}
	return w
}

// weakness returns the weaknesses of an addition.
func (a Addition) weakness() Weakness {
	switch {
	case a.HasSuite:
		return weakness(a.Suite)
	case a.Version != 0 && a.Version < iana.TLS10:
		return WeakSSL3
	}
	return 0
}

// weakAnswer reports whether an answer is below TLS 1.2 or uses a cipher below
// 128 bits.
func weakAnswer(a *policy.Answer) bool {
	return a.Version < iana.TLS12 && !a.Version.IsDTLS() || a.Version == iana.DTLS10 || weakness(a.Suite)&(WeakNull|WeakExport|WeakRC4|Weak3DES) != 0
}
