package packet

// A Source yields packets in Blocks, from files or interfaces. A Block passes
// through these calls:
//
//	Claim in order -> Load in parallel -> Walk in order -> use under Guard in parallel -> Release
type Source interface {
	// Claim reserves the next piece of the input for b. A live capture waits
	// for packets. Calls are made one at a time.
	Claim(b *Block)
	// Load reads the claimed piece. It may run concurrently with other calls.
	Load(b *Block)
	// Walk finds the records of b, which are valid until Release. Calls are
	// made one at a time, in the order of Claim. At the end of all input it
	// returns io.EOF. A Block without records is not the end.
	Walk(b *Block) error
	// Guard runs f, which reads the records of b, and reports whether f could
	// read all of them. If not, f was interrupted or its result is void, and b
	// has fewer records now. The goroutine must have set
	// debug.SetPanicOnFault. It may run concurrently with other calls.
	Guard(b *Block, f func()) bool
	// Release ends the use of the records. It may run concurrently with other
	// calls.
	Release(b *Block)
	// Lost returns the number of packets known to be lost before the capture
	// so far. It may run concurrently with other calls.
	Lost() uint64
}
