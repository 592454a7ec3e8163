package policy

// Builtin returns the built-in policies, sorted by name. They are read only.
func Builtin() []*Policy { return builtin }

// Lookup finds a built-in policy by its name.
func Lookup(name string) (*Policy, bool) {
	for _, p := range builtin {
		if p.Name == name {
			return p, true
		}
	}
	return nil, false
}
