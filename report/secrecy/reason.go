package secrecy

import "math/bits"

// A Reason is a stable code that explains or qualifies a verdict.
type Reason uint8

// The reasons, in the order of the output.
const (
	// For no, independent of the key exchange.
	NullEncryption Reason = iota
	// For yes.
	EphemeralKeyExchange
	TLS13KeyShare
	PSKWithKeyShare
	// For no.
	RSAKeyTransport
	StaticDH
	PSKOnly
	RSAPSK
	PSKKE
	KerberosTicket
	GOSTKeyTransport
	SM2KeyTransport
	FortezzaKEA
	NullKeyExchange
	ResumedNotForwardSecret
	// For conditional.
	TicketResumption
	SessionIDResumption
	SessionResumption
	// For unknown.
	NoServerHello
	OneDirection
	UnknownSuite
	Damaged
	UnknownResumption
	// Qualifications of any verdict.
	TicketIssued
	ExternalPSK
	EarlyData
	WeakDH
	KnownDHPrime
	ExportGrade
	Anonymous
	ReusedEphemeralKey
	TicketKeyUnrotated
	DeprecatedKeyExchange
	NumReasons
)

// Reasons is a set of reasons.
type Reasons uint64

// Add adds r to the set.
func (s *Reasons) Add(r Reason) { *s |= 1 << r }

// Has reports whether r is in the set.
func (s Reasons) Has(r Reason) bool { return s&(1<<r) != 0 }

// All calls f for each reason in the set, in order.
func (s Reasons) All(f func(Reason)) {
	for s != 0 {
		f(Reason(bits.TrailingZeros64(uint64(s))))
		s &= s - 1
	}
}

// First returns the most important reason: that of the verdict.
func (s Reasons) First() (Reason, bool) {
	return Reason(bits.TrailingZeros64(uint64(s))), s != 0
}

// Strings returns the codes of the set, in order.
func (s Reasons) Strings() []string {
	var out []string
	s.All(func(r Reason) { out = append(out, r.String()) })
	return out
}

func (r Reason) String() string {
	if r < NumReasons {
		return docs[r].Code
	}
	return "unknown"
}

// A Doc documents a reason: its meaning, the remedy, and the references.
type Doc struct {
	Code       string
	Title      string
	Meaning    string
	Advice     string
	References []string
}

// Doc returns the documentation of r.
func (r Reason) Doc() Doc { return docs[r%NumReasons] }

// LookupReason finds a reason by its code.
func LookupReason(code string) (Reason, bool) {
	for i := range docs {
		if docs[i].Code == code {
			return Reason(i), true
		}
	}
	return 0, false
}
