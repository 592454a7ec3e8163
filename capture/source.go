package capture

import "pfsight/capture/pcapfile"

// A Source is where a Run takes its packets from: files or interfaces.
type Source interface {
	// Block returns a place for packets; each worker of a Run has its own.
	Block() Block
	// Lost returns how many packets were lost before the capture so far, as
	// far as is known. It may be called beside all else.
	Lost() uint64
}

// A Block takes pieces of a Source, one after the other. The Blocks of a
// Source are used by as many goroutines:
//
//	Claim in order -> Load in parallel -> Walk in order -> use in parallel -> Release
type Block interface {
	// Claim reserves the next piece; on an interface it waits for one. Calls
	// are made one at a time, and Walk of the same Blocks in the same order.
	Claim()
	// Load reads the piece that was claimed. It may run beside other calls.
	Load()
	// Walk finds the packets of the piece. They are valid until Release. It
	// returns io.EOF at the end of all input; a piece without packets is no
	// end. shared says that the packets alias memory that the next Walk
	// writes, so the turn may be passed on only when they are done with.
	Walk(b *pcapfile.Batch) (shared bool, err error)
	// Release says that the packets are done with. It may run beside other
	// calls.
	Release()
}

// Files makes a Source of files.
func Files(src *pcapfile.Source) Source { return files{src} }

type files struct{ *pcapfile.Source }

func (f files) Block() Block { return &fileBlock{src: f.Source} }

type fileBlock struct {
	src   *pcapfile.Source
	block pcapfile.Block
}

func (b *fileBlock) Claim()   { b.src.Claim(&b.block) }
func (b *fileBlock) Load()    { b.block.Load() }
func (b *fileBlock) Release() {}

func (b *fileBlock) Walk(to *pcapfile.Batch) (shared bool, err error) {
	err = b.src.Walk(&b.block)
	*to = b.block.Batch
	return b.block.Shared, err
}
