package impact

import (
	"cmp"
	"slices"

	"pfsight/parse/iana"
	"pfsight/report/policy"
	"pfsight/report/secrecy"
)

// An Addition is one thing added to a policy. Exactly one field is set.
type Addition struct {
	Version   iana.Version
	Suite     iana.CipherSuite
	HasSuite  bool
	Group     iana.Group
	Signature iana.SignatureScheme
	// Dropped is a requirement that is removed: extended_master_secret or
	// renegotiation_info.
	Dropped string
}

func (a Addition) String() string {
	switch {
	case a.Version != 0:
		return a.Version.String()
	case a.HasSuite:
		return a.Suite.String()
	case a.Group != 0:
		return a.Group.String()
	case a.Signature != 0:
		return a.Signature.String()
	}
	return "no demand for " + a.Dropped
}

// Kind returns the kind of the addition, as the output names it.
func (a Addition) Kind() string {
	switch {
	case a.Version != 0:
		return "version"
	case a.HasSuite:
		return "cipher_suite"
	case a.Group != 0:
		return "group"
	case a.Signature != 0:
		return "signature_algorithm"
	}
	return "demand"
}

// price orders changes of the same size: additions without forward secrecy cost
// most, then old versions, then weak algorithms.
func (a Addition) price() int {
	switch {
	case a.Version != 0 && a.Version < iana.TLS12:
		return 20 + 10*int(iana.TLS12-a.Version)
	case a.HasSuite:
		i := a.Suite.Info()
		n := 0
		if _, v, _ := secrecy.Family(i.KeyExchange); v == secrecy.No || i.NoEncryption {
			n += 100
		}
		if i.NoEncryption || i.Export {
			n += 1000
		}
		if !isAEAD(i) && i.KeyExchange != iana.KexTLS13 {
			n += 5
		}
		return n
	case a.Group != 0 && !a.Group.Info().PostQuantum && a.Group.Info().SecurityBits < 112:
		return 30
	case a.Signature>>8 == 2: // SHA-1
		return 10
	case a.Dropped != "":
		return 15
	}
	return 0
}

// extend returns p with additions at the ends of its lists. Post-quantum groups
// stay before other groups.
func extend(p *policy.Policy, add []Addition) *policy.Policy {
	q := *p
	q.Variants = nil
	for _, v := range p.Variants {
		q.Variants = append(q.Variants, extend(v, add))
	}
	q.GroupTuples = slices.Clone(p.GroupTuples)
	q.Versions, q.Suites, q.Suites13, q.Groups, q.SuiteGroups = slices.Clone(p.Versions), slices.Clone(p.Suites), slices.Clone(p.Suites13), slices.Clone(p.Groups), slices.Clone(p.SuiteGroups)
	q.Signatures = slices.Clone(p.Signatures)
	// Stronger suites go before weaker ones.
	add = slices.SortedStableFunc(slices.Values(add), func(a, b Addition) int {
		return cmp.Or(cmp.Compare(a.price(), b.price()), cmp.Compare(a.String(), b.String()))
	})
	for _, a := range add {
		switch {
		case a.Version != 0:
			q.Versions = append(q.Versions, a.Version)
		case a.HasSuite && a.Suite>>8 == 0x13:
			q.Suites13 = append(q.Suites13, a.Suite)
		case a.HasSuite:
			q.Suites = append(q.Suites, a.Suite)
			if q.SuiteGroups != nil {
				q.SuiteGroups = append(q.SuiteGroups, 0)
			}
		case a.Group != 0 && slices.Contains(q.Groups, a.Group): // in a variant only
		case a.Group != 0 && a.Group.Info().PostQuantum:
			at := 0
			for at < len(q.Groups) && q.Groups[at].Info().PostQuantum {
				at++
			}
			if q.GroupTuples != nil {
				at = 0
				q.GroupTuples = slices.Insert(q.GroupTuples, 0, 1)
			}
			q.Groups = slices.Insert(q.Groups, at, a.Group)
		case a.Group != 0:
			q.Groups = append(q.Groups, a.Group)
			if q.GroupTuples != nil {
				q.GroupTuples = append(q.GroupTuples, 1)
			}
		case a.Signature != 0:
			q.Signatures = append(q.Signatures, a.Signature)
		case a.Dropped == "extended_master_secret":
			q.RequireExtendedMaster = false
		case a.Dropped == "renegotiation_info":
			q.RequireRenegotiationInfo = false
		}
	}
	slices.Sort(q.Versions)
	return &q
}
