package capture

// A flow is the entry of a connection that showed a handshake. It holds no
// pointers, so the garbage collector does not look at the slab.
type flow struct {
	key     flowKey
	id      uint64
	last    int64     // time of the last packet
	bytes   [2]uint64 // by endpoint
	next    [2]uint32 // by endpoint: highest sequence number seen, plus one
	fin     [2]uint32 // by endpoint: sequence number of the FIN
	isn     [2]uint32 // by endpoint: first sequence number of the data
	packets uint64
	opening uint32 // reference of the open handshake; 0 when it was handed over
	tag     uint32
	hello   uint32    // identity of the hello, see stream.Identifier; 0: none was seen
	domain  [2]uint16 // by endpoint: segment.domain of its first packet
	bits    uint16
	client  uint8 // endpoint that is the client
	clock   uint8 // of the input that brought the last packet, see clocks
}

// delivered returns when the opening of a flow over UDP was handed over; TCP
// has another use for the place where that is kept.
func (f *flow) delivered() int64 { return int64(f.isn[0])<<32 | int64(f.isn[1]) }

func (f *flow) setDelivered(time int64) { f.isn = [2]uint32{uint32(time >> 32), uint32(time)} }

// A flow over UDP has the list of its client's later addresses where TCP keeps
// sequence numbers: each is an entry too, with the bit moved, that refers to the
// next one and to the flow.
func (f *flow) nextMove() *uint32 { return &f.next[0] }

func (f *flow) movedFrom() *uint32 { return &f.next[1] }

// Bits of a flow. Those of endpoint b are one to the left.
const (
	hasISN        = 1 << iota // isn comes from a SYN
	hasISNb                   //
	hasNext                   // next is set
	hasNextB                  //
	hasFIN                    // fin is set
	hasFINb                   //
	sawRST                    //
	sawRSTb                   //
	clientSYN                 // the client is known by its SYN
	inUse                     // the slab's entry is taken
	evicted                   // ended early for lack of room; kept so that what comes late makes no second connection
	moved                     // no connection of its own: an address that the client of another has moved to
	shared                    // other connections have the same key, see match.go
	helloB                    // endpoint b said the hello that is known
	countedClosed             // handed over, and closed by both ends: counted in Tables.Closed
)
