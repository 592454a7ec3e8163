package iana

import (
	"crypto/sha256"
	"encoding/hex"
)

// A DHPrime is a well-known Diffie-Hellman prime.
type DHPrime struct {
	Name  string
	Bits  int
	Prime string // whether p is prime: yes, no, or "" if not tested
	Safe  string // whether (p-1)/2 is prime too: yes, no, or "" if not tested
}

// LookupDHPrime returns the well-known prime with the value p, big endian.
func LookupDHPrime(p []byte) (DHPrime, bool) {
	for len(p) > 0 && p[0] == 0 {
		p = p[1:]
	}
	sum := sha256.Sum256(p)
	var text [64]byte
	hex.Encode(text[:], sum[:])
	d, ok := dhPrimes[string(text[:])]
	return d, ok
}
