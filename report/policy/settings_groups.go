package policy

import (
	"fmt"
	"slices"
	"strings"

	"pfsight/parse/iana"
)

// groups sets the groups from a list as an OpenSSL release reads it; "" and
// "auto" mean the default of the release.
func (p *Policy) groups(curves string, r Release) error {
	if curves == "" || strings.EqualFold(curves, "auto") {
		switch {
		case !r.Before(3, 5, 0):
			p.Groups, p.GroupTuples = slices.Clone(defaultGroups35), slices.Clone(defaultTuples35)
		case !r.Before(3, 0, 0):
			p.Groups = slices.Clone(defaultGroups30)
		default:
			p.Groups = slices.Clone(defaultGroups111)
		}
		return nil
	}
	groups, tuples, err := parseCurves(curves, r)
	if err != nil {
		return err
	}
	p.Groups = groups
	if !r.Before(3, 5, 0) {
		p.GroupTuples = tuples
	}
	return nil
}

// parseCurves reads a list of groups in OpenSSL's format, and the sizes of its
// tuples. The marks of OpenSSL 3.5 are: * (send a key share) is for clients, ?
// ignores an unknown name, / begins a tuple, - removes a group, and DEFAULT is
// the built-in list.
func parseCurves(text string, r Release) (out []iana.Group, tuples []int, err error) {
	if len(split(text)) > maxNames {
		return nil, nil, fmt.Errorf("groups: more than %d", maxNames)
	}
	// Post-quantum groups and DEFAULT exist since 3.5.
	since35 := !r.Before(3, 5, 0)
	var lists [][]iana.Group
	take := func(g iana.Group) {
		for _, l := range lists {
			if slices.Contains(l, g) {
				return
			}
		}
		lists[len(lists)-1] = append(lists[len(lists)-1], g)
	}
	for tuple := range strings.SplitSeq(text, "/") {
		lists = append(lists, nil)
		for _, w := range split(tuple) {
			optional := strings.Contains(w, "?")
			w = strings.TrimLeft(w, "*?")
			remove := strings.HasPrefix(w, "-")
			w = strings.TrimLeft(w, "-*?")
			if strings.EqualFold(w, "DEFAULT") || strings.EqualFold(w, "auto") {
				at := 0
				for i, size := range defaultTuples35 {
					if i > 0 {
						lists = append(lists, nil)
					}
					for _, g := range defaultGroups35[at : at+size] {
						take(g)
					}
					at += size
				}
				continue
			}
			g, ok := opensslGroup(w)
			ok = ok && (since35 || !g.Info().PostQuantum || !optional)
			switch {
			case !ok && (optional || remove):
			case !ok:
				return nil, nil, fmt.Errorf("groups: unknown group %q", w)
			case remove:
				for i := range lists {
					lists[i] = slices.DeleteFunc(lists[i], func(o iana.Group) bool { return o == g })
				}
			default:
				take(g)
			}
		}
	}
	for _, l := range lists {
		if len(l) > 0 {
			out, tuples = append(out, l...), append(tuples, len(l))
		}
	}
	if len(out) == 0 {
		return nil, nil, fmt.Errorf("groups: %q names no group", text)
	}
	return out, tuples, nil
}

// opensslGroup finds a group by OpenSSL's name.
func opensslGroup(name string) (iana.Group, bool) {
	if g, ok := iana.LookupGroup(name); ok && !g.IsGREASE() {
		return g, true
	}
	switch strings.ToLower(name) {
	case "p-521", "p521":
		return secp521r1, true
	case "p-224", "p224":
		return 0x0015, true
	case "prime192v1", "p-192":
		return 0x0013, true
	case "curve25519":
		return 0x001d, true
	}
	return 0, false
}

// parseSigalgs reads a list of signature algorithms in OpenSSL's format, such
// as ECDSA+SHA256:RSA-PSS+SHA256:rsa_pkcs1_sha256.
func parseSigalgs(text string) ([]iana.SignatureScheme, error) {
	words := split(text)
	if len(words) > maxNames {
		return nil, fmt.Errorf("signature algorithms: more than %d", maxNames)
	}
	var out []iana.SignatureScheme
	for _, w := range words {
		w = strings.TrimLeft(w, "?")
		if s, ok := iana.LookupSignatureScheme(w); ok {
			out = append(out, s)
			continue
		}
		key, hash, _ := strings.Cut(w, "+")
		h := map[string]iana.SignatureScheme{"SHA1": 2, "SHA224": 3, "SHA256": 4, "SHA384": 5, "SHA512": 6}[strings.ToUpper(hash)]
		if h == 0 {
			return nil, fmt.Errorf("signature algorithms: unknown name %q", w)
		}
		switch strings.ToUpper(key) {
		case "RSA":
			out = append(out, h<<8|1)
		case "DSA":
			out = append(out, h<<8|2)
		case "ECDSA":
			out = append(out, h<<8|3)
		case "RSA-PSS", "PSS":
			if h < 4 {
				return nil, fmt.Errorf("signature algorithms: unknown name %q", w)
			}
			out = append(out, 0x0800+h, 0x0805+h)
		default:
			return nil, fmt.Errorf("signature algorithms: unknown name %q", w)
		}
	}
	return out, nil
}
