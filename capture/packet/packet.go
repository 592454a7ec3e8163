package packet

// A Record is one captured frame. Data aliases a buffer of the source, which
// documents how long it is valid.
//
// A packet without a time (a Simple Packet Block, or a time stamp of 0) gets
// the time of the last packet before it that has one. At the beginning of a
// file it gets the time of the first packet after it that has one. Time is 0
// if no packet has a time, or none of the first packets of a pipe.
type Record struct {
	Time    int64  // nanoseconds since 1970 UTC; 0: undetermined
	Data    []byte // captured bytes
	WireLen int    // length on the wire
	Link    LinkType
	Input   uint16 // index into Batch.Inputs; 0 for a file
}

// A Batch is a run of records, of one file or of all interfaces of a live
// capture.
type Batch struct {
	Name    string   // the file, or the first interface
	Inputs  []string // names by Record.Input; nil: all Records are of Name
	First   uint64   // number of Records[0] in the input, from 1
	Records []Record

	// Ended names the files that ended since the last Batch.
	Ended []string

	// Now and Step are set by live captures only, in nanoseconds. Now is the
	// clock's time before Records; 0: undetermined. Step is how far the clock
	// was set forward before that.
	Now, Step int64
}

// A Block is a piece of the input that one worker reads while others read the
// next pieces. Its zero value is ready for Source.Claim.
type Block struct {
	Batch
	// Shared says that the next Walk overwrites the memory of Records. The next
	// Walk must wait until they are no longer used.
	Shared bool
	// Alone says that only one Block is in use at a time. The caller of Claim
	// sets it.
	Alone bool
	// Private holds the Source's own state of the Block.
	Private any
}
