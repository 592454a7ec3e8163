package fingerprint

import "testing"

// TestJA3 computes the example of JA3's specification.
func TestJA3(t *testing.T) {
	t.Parallel()
	var h Hasher
	got, _ := h.Client(&Client{
		LegacyVersion: 769,
		CipherSuites:  []uint16{47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4},
		Extensions:    []uint16{0, 10, 11},
		Groups:        []uint16{23, 24, 25},
		PointFormats:  []byte{0},
	})
	if want := "ada70206e40642a3e4461f35503241d5"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
