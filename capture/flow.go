package capture

// A flow is the entry of a connection that showed a handshake. It contains no
// pointers, so the garbage collector does not scan the slab.
type flow struct {
	key     flowKey
	id      uint64
	last    int64     // time of the last packet
	bytes   [2]uint64 // by endpoint
	next    [2]uint32 // by endpoint: highest sequence number seen, plus one
	fin     [2]uint32 // by endpoint: sequence number of the FIN
	isn     [2]uint32 // by endpoint: first sequence number of the data
	packets uint64
	opening uint32 // reference of the opening in progress; 0 after its delivery
	tag     uint32
	hello   uint32    // identity of the hello, see stream.Identifier; 0: no hello was seen
	domain  [2]uint16 // by endpoint: segment.domain of its first packet
	bits    uint16
	client  uint8 // which endpoint is the client: 0 or 1
	clock   uint8 // index of the clock of the last packet's input
}

// delivered returns the time at which the opening of a UDP flow was delivered.
// It occupies the place of TCP's isn.
func (f *flow) delivered() int64 { return int64(f.isn[0])<<32 | int64(f.isn[1]) }

func (f *flow) setDelivered(time int64) { f.isn = [2]uint32{uint32(time >> 32), uint32(time)} }

// nextMove returns a reference in the list of the later addresses of a UDP
// flow's client, 0 at its end. Each address is an entry with the bit moved.
// The list occupies the place of TCP's sequence numbers.
func (f *flow) nextMove() *uint32 { return &f.next[0] }

// movedFrom returns the reference of the flow that an entry with the bit moved
// belongs to.
func (f *flow) movedFrom() *uint32 { return &f.next[1] }

// Bits of a flow. The bit of endpoint b is one to the left of that of endpoint
// a.
const (
	hasISN        = 1 << iota // isn was taken from a SYN
	hasISNB                   //
	hasNext                   // next is set
	hasNextB                  //
	hasFIN                    // fin is set
	hasFINB                   //
	sawRST                    //
	sawRSTB                   //
	clientSYN                 // a SYN shows which endpoint is the client
	inUse                     // the entry is allocated
	evicted                   // ended early to limit memory; kept so that late packets do not make a second connection
	moved                     // not a connection: a later address of another flow's client
	shared                    // several connections have this key, see match.go
	helloB                    // endpoint b sent the known hello
	countedClosed             // delivered and closed by both endpoints: counted in Tables.Closed
)
