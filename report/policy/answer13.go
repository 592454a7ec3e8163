package policy

import (
	"math"
	"slices"

	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// suites13 stands for the suites of TLS 1.3 where a source does not state
// them: what RFC 8446 section 9.1 demands and recommends.
var suites13 = []iana.CipherSuite{0x1301, 0x1302, 0x1303}

// answer13 is answer in TLS 1.3, RFC 8446 section 4.1.1.
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
	chacha := p.chachaFirst(h, p.ChaChaFirst13 == secrecy.True || p.ChaChaFirst13 == secrecy.Untold && p.ChaChaFirst)
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

// order13 says whose order of suites counts in TLS 1.3.
func (p *Policy) order13() Order {
	if p.Order13 != OrderUnknown {
		return p.Order13
	}
	return p.Order
}

// fits13 reports whether g may be used in TLS 1.3, RFC 8446 section 4.2.7 and
// RFC 8734.
func fits13(g iana.Group) bool {
	return g >= secp256r1 && g <= secp521r1 || g == 0x001d || g == 0x001e || g >= 0x001f && g != 0xff01 && g != 0xff02
}

// group13 chooses the group, and tells whether it costs a HelloRetryRequest.
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
			a.PostQuantum = secrecy.Untold
		}
	}
}

// A choice is a group chosen.
type choice struct {
	group iana.Group
	ok    bool
	doubt bool // another one may be, for all that the policy's source says
	// quantum: with a doubt, the other one may be post-quantum where group is
	// not, or the reverse
	quantum bool
}

// choose chooses a group among those that fit and that both name.
func (p *Policy) choose(h *Hello, by GroupChoice, shares bool, fits func(iana.Group) bool) choice {
	if by == GroupByTuple && shares {
		return p.chooseTuple(h, fits)
	}
	// The rank of a group: those with a share go before the others, unless
	// the server's order is above that. No list is longer than this.
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
		// The one group that every server must have, RFC 8446 section 9.1 and
		// RFC 8422 section 5.1.1's practice, is taken for there; of the others
		// nothing is known.
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

// chooseTuple chooses as OpenSSL 3.5 does: of the first tuple that has a group
// of the client's, one with a key share, or else one to ask for.
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

// signature13 chooses what signs CertificateVerify, RFC 8446 section 4.4.3.
func (p *Policy) signature13(h *Hello, keys []KeyType) (iana.SignatureScheme, KeyType, bool) {
	return p.pick(h, keys, func(s iana.SignatureScheme, k KeyType) bool { return signs13(k, s) })
}

// pick chooses a scheme that the client names, the policy allows and one of
// the keys can make.
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

// signs13 reports whether a key of type k makes s in TLS 1.3.
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
