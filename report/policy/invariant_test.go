package policy_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pfsight/parse/iana"
	. "pfsight/report/policy"
	"pfsight/report/secrecy"
)

// sane checks what must be true of any answer: what was chosen is offered and
// allowed, a failure has a reason and chooses nothing, and the verdict matches
// the suite.
func sane(t *testing.T, p *Policy, h *Hello, s *Server, a Answer) {
	t.Helper()
	bad := func(what string) { t.Errorf("%s: %s\n%+v\n%+v", p.Name, what, a, *h) }
	if a.OK != (a.Failure == NoFailure) || a.OK && a.Alert != 0 || !a.OK && a.Alert == 0 {
		bad("neither an answer nor a failure")
	}
	if (a.Doubt == 0) != (a.Cause == 0) {
		bad("a doubt without a cause, or the reverse")
	}
	if !a.OK {
		if a.ForwardSecrecy != secrecy.Unknown {
			bad("a failure with a verdict")
		}
		return
	}
	if !slices.Contains(h.Suites, a.Suite) || a.Suite.IsGREASE() || a.Suite.IsSCSV() {
		bad("the suite is not offered")
	}
	if !p.Has(a.Version) {
		bad("the version is not allowed")
	}
	v13 := a.Version.IsTLS13()
	if v13 != (a.Suite.Info().KeyExchange == iana.KexTLS13) {
		bad("the suite is of another version")
	}
	if list := p.Suites; v13 && len(p.Suites13) > 0 && !slices.Contains(p.Suites13, a.Suite) || !v13 && !slices.Contains(list, a.Suite) {
		bad("the suite is not allowed")
	}
	if a.HasGroup && h.HasGroups && !slices.Contains(h.Groups, a.Group) {
		bad("the group is not offered")
	}
	if a.HasGroup && !p.GroupsOpen && !slices.Contains(p.Groups, a.Group) && p.SuiteGroups == nil {
		bad("the group is not allowed")
	}
	if a.HelloRetryRequest && (!v13 || slices.Contains(h.KeyShares, a.Group)) {
		bad("a HelloRetryRequest for nothing")
	}
	if a.Signature != 0 && h.HasSignatures && !slices.Contains(h.Signatures, a.Signature) {
		bad("the signature is not offered")
	}
	if a.Key != KeyUnknown && len(s.Keys) > 0 && !slices.Contains(s.Keys, a.Key) {
		bad("the key is not there")
	}
	if a.PostQuantum == secrecy.True && !a.Group.Info().PostQuantum && a.Suite.Info().KeyExchange != iana.KexCECPQ1 {
		bad("post-quantum without such a group")
	}
	if a.ForwardSecrecy == secrecy.Conditional {
		bad("a full handshake depends on no ticket")
	}
}

var servers = []*Server{{}, {Keys: []KeyType{KeyRSA}}, {Keys: []KeyType{KeyECDSAP256, KeyRSA}}, {Keys: []KeyType{KeyEd25519}}, {Keys: []KeyType{KeyRSA}, PSK: true}}

// TestSane checks the answers of every policy to every real ClientHello.
func TestSane(t *testing.T) {
	folders := []string{"../../testdata/captures"}
	if more := os.Getenv("PFSIGHT_HELLOS"); more != "" {
		folders = append(folders, filepath.SplitList(more)...)
	}
	hellos := corpus(t, folders...)
	answered := 0
	for _, r := range hellos {
		for _, p := range Builtin() {
			for _, s := range servers {
				a := p.Answer(r.hello, s)
				sane(t, p, r.hello, s, a)
				if a.OK {
					answered++
				}
			}
		}
	}
	if answered < len(hellos)*len(Builtin()) {
		t.Errorf("only %d answers of %d ClientHellos", answered, len(hellos))
	}
}

// FuzzAnswer builds a ClientHello from bytes: lists of 16-bit values, each with
// its length first.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{2, 3, 4, 3, 3, 3, 0x13, 1, 0xc0, 0x2f, 0, 0x2f, 2, 0, 0x1d, 0, 0x17, 1, 0, 0x1d, 2, 8, 4, 4, 3, 0xff, 0})
	f.Add([]byte{1, 3, 3, 2, 0xc0, 0x13, 0x56, 0, 0, 0, 0, 0, 1})
	f.Add([]byte{1, 3, 1, 1, 0, 5, 0, 0, 0, 0, 7})
	f.Fuzz(func(t *testing.T, b []byte) {
		h := &Hello{}
		h.Versions = take[iana.Version](&b)
		h.Suites = take[iana.CipherSuite](&b)
		h.Groups = take[iana.Group](&b)
		h.KeyShares = take[iana.Group](&b)
		h.Signatures = take[iana.SignatureScheme](&b)
		if len(b) > 1 {
			h.HasVersions, h.HasGroups, h.HasSignatures, h.NoPointFormat = b[0]&1 != 0, b[0]&2 != 0, b[0]&4 != 0, b[0]&8 != 0
			h.ExtendedMaster = secrecy.Tri(b[1] % 3)
		}
		if !h.HasGroups {
			h.Groups = nil
		}
		for _, p := range Builtin() {
			for _, s := range servers {
				sane(t, p, h, s, p.Answer(h, s))
			}
		}
	})
}

func take[T ~uint16](b *[]byte) []T {
	if len(*b) == 0 {
		return nil
	}
	n := int((*b)[0])
	*b = (*b)[1:]
	var out []T
	for ; n > 0 && len(*b) >= 2; n-- {
		out = append(out, T(binary.BigEndian.Uint16(*b)))
		*b = (*b)[2:]
	}
	return out
}
