package iana

import "strings"

// A Group is a code point of the TLS Supported Groups registry, RFC 8422
// section 5.1.1 and RFC 8446 section 4.2.7.
type Group uint16

// Code points of curves whose parameters are sent explicitly, RFC 8422 section
// 5.1.1.
const (
	ExplicitPrimeCurve Group = 0xff01
	ExplicitChar2Curve Group = 0xff02
)

// A NamedGroup holds the attributes of a group.
type NamedGroup struct {
	ID           Group
	Name         string
	Kind         string // ec, ff, pq, hybrid or grease; "" for an unknown group
	PostQuantum  bool
	SecurityBits int // against classical attacks; 0 if not stated
	Reference    string
}

// Info returns the attributes of g. It is never nil: an unknown group has the
// zero NamedGroup.
func (g Group) Info() *NamedGroup {
	if i := groupTable.get(uint16(g)); i != nil {
		return i
	}
	return &unknownGroup
}

// Known reports whether g is in the table.
func (g Group) Known() bool { return groupTable.get(uint16(g)) != nil }

func (g Group) String() string {
	if i := groupTable.get(uint16(g)); i != nil {
		return i.Name
	}
	return "0x" + hexDigits(uint32(g), 4)
}

// IsGREASE reports whether g is one of the reserved values of RFC 8701.
func (g Group) IsGREASE() bool { return isGREASE(uint16(g)) }

// Groups returns the table of the known groups. Do not modify it.
func Groups() []NamedGroup { return groups[:] }

// LookupGroup returns the group with this name, in any case. It also accepts the
// names that NIST and OpenSSL give the prime curves.
func LookupGroup(name string) (Group, bool) {
	switch strings.ToLower(name) {
	case "p-256", "p256", "prime256v1":
		return 0x0017, true
	case "p-384", "p384":
		return 0x0018, true
	case "p-521", "p521":
		return 0x0019, true
	}
	for i := range groups {
		if strings.EqualFold(groups[i].Name, name) {
			return groups[i].ID, true
		}
	}
	return 0, false
}

var (
	groupTable   = indexGroups()
	unknownGroup NamedGroup
)

func indexGroups() *codeTable[NamedGroup] {
	t := new(codeTable[NamedGroup])
	for i := range groups {
		t.set(uint16(groups[i].ID), &groups[i])
	}
	return t
}
