package dtls

import (
	"slices"
	"testing"
)

// TestTURN holds that what is said through a TURN relay is read and ended as
// what is said without one.
func TestTURN(t *testing.T) {
	var r Reader
	n := 0
	for _, s := range scenes() {
		if slices.ContainsFunc(s.in, func(x said) bool { return len(x.b) == 0 || x.b[0] < 20 || x.b[0] > 63 }) {
			continue // CAPWAP, or what is not said to a peer
		}
		n++
		want := shape(r.Read(conversation(s.in)))
		wantVerdict, wantAt := ask(s.in)
		in := inTURN(s.in)
		o := r.Read(conversation(in))
		if got := shape(o); got != want {
			t.Errorf("%s: %s, without TURN %s", s.name, got, want)
		}
		if o != nil && !o.TURN {
			t.Errorf("%s: TURN is not seen", s.name)
		}
		if v, at := ask(in); v != wantVerdict || at != wantAt {
			t.Errorf("%s: verdict %d after %d, without TURN %d after %d", s.name, v, at, wantVerdict, wantAt)
		}
	}
	if n < 10 {
		t.Errorf("%d scenes", n)
	}
}

// shape is the summary of o without what the relay changes: the offsets of
// problems, and that there is one.
func shape(o *Opening) string {
	if o == nil {
		return summary(nil)
	}
	x := *o
	x.TURN, x.Problems = false, nil
	return summary(&x)
}
