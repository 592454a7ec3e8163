package secrecy

// A Verdict answers one question: would the long-term keys of both endpoints,
// obtained later, decrypt a recording of this connection?
type Verdict uint8

// The verdicts. Unknown is never a default and is never merged into another
// verdict.
const (
	Unknown     Verdict = iota // undetermined from what was seen
	Yes                        // forward secret
	No                         // not forward secret
	Conditional                // depends on a ticket key or a session cache
)

var verdictNames = [...]string{"unknown", "yes", "no", "conditional"}

func (v Verdict) String() string { return verdictNames[v&3] }

// A Tri is a claim with three states. The zero value is Undetermined.
type Tri uint8

// The three states of a claim.
const (
	Undetermined Tri = iota // not seen, or not known
	False
	True
)

// TriOf returns True or False.
func TriOf(b bool) Tri {
	if b {
		return True
	}
	return False
}
