// Package secrecy judges a handshake: whether its keys came from an ephemeral
// exchange of this very connection, and why. It is a pure function of what
// was said and keeps four questions apart: forward secrecy, authentication,
// strength and post-quantum.
package secrecy

// A Verdict answers one question: would the long-term keys of both endpoints,
// obtained later, open a recording of this connection?
type Verdict uint8

// The verdicts. Unknown is never a default for anything else and never
// folded into one of the others.
const (
	Unknown     Verdict = iota // it cannot be told from what was seen
	Yes                        // forward secret
	No                         // not forward secret
	Conditional                // it depends on a ticket key or a session cache
)

var verdictNames = [...]string{"unknown", "yes", "no", "conditional"}

func (v Verdict) String() string { return verdictNames[v&3] }

// A Tri is a claim with three states. The zero value is unknown.
type Tri uint8

// The three states of a claim.
const (
	Untold Tri = iota // not seen, or cannot be told
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
