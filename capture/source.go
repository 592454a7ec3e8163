package capture

import "pfsight/capture/pcapfile"

// A Source is where a Run takes its packets from, files or interfaces, in
// blocks:
//
//	Claim in order -> Load in parallel -> Walk in order -> use in parallel -> Release
type Source interface {
	// Claim reserves the next piece for b; on an interface it waits for one.
	// Calls are made one at a time, and Walk of the same Blocks in the same
	// order.
	Claim(b *pcapfile.Block)
	// Load reads the piece that was claimed. It may run beside other calls.
	Load(b *pcapfile.Block)
	// Walk finds the records of b, which are valid until Release. It returns
	// io.EOF at the end of all input; a piece without records is no end.
	Walk(b *pcapfile.Block) error
	// Release says that the records are done with. It may run beside other
	// calls.
	Release(b *pcapfile.Block)
	// Lost returns how many packets were lost before the capture so far, as
	// far as is known. It may be called beside all else.
	Lost() uint64
}
