package policy_test

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"pfsight/parse/iana"
	. "pfsight/report/policy"
	"pfsight/report/secrecy"
)

func builtin(t testing.TB, name string) *Policy {
	t.Helper()
	p, ok := Lookup(name)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	return p
}

// TestBuiltin checks the invariants of every built-in policy.
func TestBuiltin(t *testing.T) {
	names := map[string]bool{}
	for _, p := range Builtin() {
		if names[p.Name] {
			t.Errorf("%s is there twice", p.Name)
		}
		names[p.Name] = true
		if p.Title == "" {
			t.Errorf("%s has no title", p.Name)
		}
		if p.Target && (len(p.Versions) == 0 || p.Confidence < Medium || p.VersionsOpen) {
			t.Errorf("%s is offered as a target", p.Name)
		}
		if p.Target && p.MinVersion() < iana.TLS13 && len(p.Suites) == 0 || !p.Target && p.Note == "" {
			t.Errorf("%s is incomplete, or does not say why it is no target", p.Name)
		}
		if !slices.IsSorted(p.Versions) {
			t.Errorf("%s: versions %v", p.Name, p.Versions)
		}
		if p.SuiteGroups != nil && len(p.SuiteGroups) != len(p.Suites) {
			t.Errorf("%s: %d suites, %d bound", p.Name, len(p.Suites), len(p.SuiteGroups))
		}
		for _, s := range slices.Concat(p.Suites, p.Suites13) {
			if !s.Known() {
				t.Errorf("%s: %s", p.Name, s)
			}
		}
		// A written policy can be read, and is equal.
		text, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		q, err := ReadYAML(bytes.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
		} else if !reflect.DeepEqual(p, q) {
			t.Errorf("%s was written and read:\n%+v\n%+v", p.Name, p, q)
		}
	}
	if len(names) < 70 {
		t.Errorf("only %d policies", len(names))
	}
}

func TestForwardSecret(t *testing.T) {
	for name, want := range map[string]secrecy.Verdict{
		"mozilla-modern-6-0": secrecy.Yes, "mozilla-old-5-7": secrecy.Conditional, "azure-guestos-2016-05": secrecy.Conditional,
		"forward-secrecy-only": secrecy.Yes, "tls13-only": secrecy.Yes, "pci-dss-4-0-1": secrecy.Unknown, "windows-server-2025": secrecy.Conditional,
		"aws-elb-fs-2018-06": secrecy.Yes, "nist-sp800-52r2": secrecy.Yes,
	} {
		if got := builtin(t, name).ForwardSecret(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestGuestOS evaluates the Azure Guest OS of 2016, whose suites are bound to
// curves, and which has no ECDHE suite with RSA and GCM.
func TestGuestOS(t *testing.T) {
	p := builtin(t, "azure-guestos-2016-05")
	rsa := &Server{Keys: []KeyType{KeyRSA}}
	h := client12()
	if a := p.Answer(h, rsa); !a.OK || a.Suite != cbcRSA+1 && a.Suite != cbcRSA || a.Group != p256 || a.ForwardSecrecy != secrecy.Yes {
		t.Errorf("%+v", a)
	}
	h.Suites = suites(gcmRSA, gcm256RSA, keyTransG)
	if a := p.Answer(h, rsa); !a.OK || a.Suite != keyTransG || a.ForwardSecrecy != secrecy.No {
		t.Errorf("a client with GCM alone: %+v", a)
	}
	h.Suites = suites(gcmRSA)
	if a := p.Answer(h, rsa); a.OK || a.Failure != NoCommonSuite {
		t.Errorf("a client with ECDHE and GCM alone: %+v", a)
	}
	// The only suite with P-384, for a client without other groups.
	h.Suites, h.Groups = suites(0xc02c, gcmECDSA), groups(p384)
	if a := p.Answer(h, &Server{Keys: []KeyType{KeyECDSAP384}}); !a.OK || a.Suite != 0xc02c || a.Group != p384 {
		t.Errorf("a client with P-384 alone: %+v", a)
	}
	h.Suites = suites(gcmECDSA)
	if a := p.Answer(h, &Server{Keys: []KeyType{KeyECDSAP384}}); a.OK || a.Failure != NoCommonGroup {
		t.Errorf("a client whose one suite is bound to a curve it does not have: %+v", a)
	}
}

// TestAllocs checks that Answer does not allocate.
func TestAllocs(t *testing.T) {
	h, old := client(), client12()
	for _, s := range []*Server{{Keys: []KeyType{KeyECDSAP256, KeyRSA}}, {}} {
		for _, p := range Builtin() {
			if n := testing.AllocsPerRun(10, func() { p.Answer(h, s); p.Answer(old, s) }); n > 0 {
				t.Errorf("%s: %v allocations", p.Name, n)
			}
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	for _, c := range []struct {
		policy string
		h      *Hello
	}{{"mozilla-intermediate-6-0", client()}, {"mozilla-intermediate-6-0", client12()}, {"mozilla-old-5-7", client12()}, {"azure-guestos-2016-05", client12()}} {
		p := builtin(b, c.policy)
		name := c.policy + "/TLS1.2"
		if c.h.HasVersions {
			name = c.policy + "/TLS1.3"
		}
		for _, s := range []*Server{{Keys: []KeyType{KeyRSA}}, {}} {
			n := name
			if len(s.Keys) == 0 {
				n += "/unknown-key"
			}
			b.Run(n, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.Answer(c.h, s)
				}
			})
		}
	}
}
