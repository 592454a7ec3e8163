package policy

import (
	"math"
	"slices"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// suites13 is used if the source does not state the TLS 1.3 suites: those that
// RFC 8446 section 9.1 requires and recommends.
var suites13 = []iana.CipherSuite{0x1301, 0x1302, 0x1303}

// answer13 is answer for TLS 1.3, RFC 8446 section 4.1.1.
func (p *Policy) answer13(h *Hello, keys []KeyType, psk bool, a *Answer) Answer {
	list := p.Suites13
	if len(list) == 0 {
		list = suites13
		a.doubt(DoubtSuite, CauseSuites)
	}
	if a.Suite = p.suite13(h, list, a); a.Suite == 0 {
		return a.fail(NoCommonSuite)
	}
	// RFC 8446 section 9.2.
	if !h.HasGroups || !psk && !h.HasSignatures {
		return a.fail(MissingExtension)
	}
	p.group13(h, a)
	if !a.HasGroup {
		return a.fail(NoCommonGroup)
	}
	if !psk {
		var ok bool
		if a.Signature, a.Key, ok = p.signature13(h, keys); !ok {
			return a.fail(NoCommonSignature)
		}
	}
	a.OK = true
	a.ForwardSecrecy = secrecy.Yes
	if a.Suite.Info().NoEncryption {
		a.ForwardSecrecy = secrecy.No
	}
	return *a
}

// suite13 chooses a suite; 0 for none.
func (p *Policy) suite13(h *Hello, list []iana.CipherSuite, a *Answer) iana.CipherSuite {
	order := p.order13()
	if order == ClientOrder {
		for _, s := range h.Suites {
			if slices.Contains(list, s) {
				return s
			}
		}
		return 0
	}
	var first iana.CipherSuite
	n := 0
	chacha := p.chachaFirst(h, p.ChaChaFirst13 == secrecy.True || p.ChaChaFirst13 == secrecy.Undetermined && p.ChaChaFirst)
	for _, s := range list {
		if !hasSuite(h, s) {
			continue
		}
		if n++; n == 1 || chacha && isChaCha(s) && !isChaCha(first) {
			first = s
		}
	}
	if n > 1 && order == OrderUnknown {
		a.doubt(DoubtSuite, CauseOrder)
	}
	return first
}

// order13 returns whose suite order counts in TLS 1.3.
func (p *Policy) order13() Order {
	if p.Order13 != OrderUnknown {
		return p.Order13
	}
	return p.Order
}

// fits13 reports whether TLS 1.3 allows g, RFC 8446 section 4.2.7 and RFC 8734.
func fits13(g iana.Group) bool {
	return g >= secp256r1 && g <= secp521r1 || g == 0x001d || g == 0x001e || g >= 0x001f && g != 0xff01 && g != 0xff02
}

// group13 chooses the group, and whether it needs a HelloRetryRequest.
func (p *Policy) group13(h *Hello, a *Answer) {
	choice := p.choose(h, p.Group13, true, func(g iana.Group) bool { return fits13(g) })
	a.Group, a.HasGroup = choice.group, choice.ok
	if choice.ok {
		a.HelloRetryRequest = !slices.Contains(h.KeyShares, a.Group)
		a.PostQuantum = secrecy.TriOf(a.Group.Info().PostQuantum)
	}
	if choice.doubt {
		a.doubt(DoubtGroup, CauseGroups)
		if !choice.ok {
			a.doubt(DoubtOutcome, CauseGroups)
		}
		if choice.quantum {
			a.PostQuantum = secrecy.Undetermined
		}
	}
}

// A choice is a chosen group.
type choice struct {
	group iana.Group
	ok    bool
	doubt bool // another group is possible, because the policy's source is incomplete
	// quantum: if doubt is set, the other group may differ in being
	// post-quantum.
	quantum bool
}

// choose chooses a group among the common ones that fit.
func (p *Policy) choose(h *Hello, by GroupChoice, shares bool, fits func(iana.Group) bool) choice {
	if by == GroupByTuple && shares {
		return p.chooseTuple(h, fits)
	}
	// Groups with a key share rank before others, unless the server's order
	// takes precedence. No list is longer than unshared.
	const unshared = 1 << 18
	var c choice
	best := math.MaxInt
	common := 0
	var classical, quantum bool
	take := func(g iana.Group, rank int) {
		if !fits(g) {
			return
		}
		common++
		pq := g.Info().PostQuantum
		quantum, classical = quantum || pq, classical || !pq
		if p.PostQuantumFirst && shares && pq {
			rank -= 2 * unshared
		}
		if rank < best {
			best, c.group, c.ok = rank, g, true
		}
	}
	if (by == GroupByClient || by == GroupFirstShare) && shares {
		for i, g := range h.KeyShares {
			if h.offersGroup(g) && p.allows(g) {
				take(g, i)
			}
		}
	}
	if by == GroupByClient || by == GroupFirstShare && !shares {
		for i, g := range h.Groups {
			if p.allows(g) && !(shares && slices.Contains(h.KeyShares, g)) {
				take(g, i+unshared)
			}
		}
	} else {
		for i, g := range p.Groups {
			if !h.offersGroup(g) {
				continue
			}
			if !shares || by == GroupByServer {
				take(g, i)
			} else if !slices.Contains(h.KeyShares, g) {
				take(g, i+unshared)
			} else if by == GroupShared {
				take(g, i)
			}
		}
	}
	if p.GroupsUnordered && common > 1 && by != GroupByClient && by != GroupFirstShare {
		c.doubt = true
	}
	if p.GroupsOpen {
		// secp256r1 is mandatory in RFC 8446 section 9.1, and universal in
		// practice, so the server is assumed to have it. Other groups are
		// undetermined.
		if !slices.Contains(p.Groups, secp256r1) && h.offersGroup(secp256r1) {
			take(secp256r1, unshared-1)
		}
		for _, g := range h.Groups {
			if g.IsGREASE() || !fits(g) || isFF(g) && !shares || g == c.group || slices.Contains(p.Groups, g) && !p.GroupsUnordered {
				continue
			}
			c.doubt = true
			pq := g.Info().PostQuantum
			quantum, classical = quantum || pq, classical || !pq
		}
	}
	c.quantum = c.doubt && quantum && classical
	return c
}

// chooseTuple follows OpenSSL 3.5: in the first tuple with a common group, it
// prefers a group with a key share.
func (p *Policy) chooseTuple(h *Hello, fits func(iana.Group) bool) choice {
	at := 0
	for _, size := range p.GroupTuples {
		tuple := p.Groups[at:min(at+size, len(p.Groups))]
		at = min(at+size, len(p.Groups))
		for _, offered := range [...][]iana.Group{h.KeyShares, h.Groups} {
			first, second := tuple, offered
			if p.order13() == ClientOrder {
				first, second = offered, tuple
			}
			for _, g := range first {
				if slices.Contains(second, g) && h.offersGroup(g) && fits(g) {
					return choice{group: g, ok: true}
				}
			}
		}
	}
	return choice{}
}

// allows reports whether the policy is known to have g.
func (p *Policy) allows(g iana.Group) bool { return slices.Contains(p.Groups, g) }

// signature13 chooses the scheme of CertificateVerify, RFC 8446 section 4.4.3.
func (p *Policy) signature13(h *Hello, keys []KeyType) (iana.SignatureScheme, KeyType, bool) {
	return p.pick(h, keys, func(s iana.SignatureScheme, k KeyType) bool { return signs13(k, s) })
}

// pick chooses a scheme that the client names, the policy allows and one of the
// keys supports.
func (p *Policy) pick(h *Hello, keys []KeyType, can func(iana.SignatureScheme, KeyType) bool) (iana.SignatureScheme, KeyType, bool) {
	first, second := h.Signatures, p.Signatures
	if p.SignatureByServer && p.Signatures != nil {
		first, second = second, first
	}
	for _, s := range first {
		if second != nil && !slices.Contains(second, s) {
			continue
		}
		for _, k := range keys {
			if can(s, k) {
				return s, k, true
			}
		}
	}
	return 0, 0, false
}

// signs13 reports whether a key of type k supports s in TLS 1.3.
func signs13(k KeyType, s iana.SignatureScheme) bool {
	switch k {
	case KeyRSA:
		return s >= 0x0804 && s <= 0x0806
	case KeyRSAPSS:
		return s >= 0x0809 && s <= 0x080b
	case KeyECDSAP256:
		return s == 0x0403
	case KeyECDSAP384:
		return s == 0x0503
	case KeyECDSAP521:
		return s == 0x0603
	case KeyEd25519:
		return s == 0x0807
	case KeyEd448:
		return s == 0x0808
	case KeyMLDSA44:
		return s == 0x0904
	case KeyMLDSA65:
		return s == 0x0905
	case KeyMLDSA87:
		return s == 0x0906
	}
	return false
}
