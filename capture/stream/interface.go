package stream

// InterfaceStats are the kernel's counts for one interface since the start of
// a capture.
type InterfaceStats struct {
	Name    string
	Packets uint64 // that passed the kernel's filter, including Drops
	Drops   uint64 // of Packets, because a ring was full
	Freezes uint64 // how often a ring was full
	Up      bool
}
