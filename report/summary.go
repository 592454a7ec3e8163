package report

// A Summary answers "what was seen" over many connections. Every share is a
// Count of Negotiated unless a field says otherwise.
type Summary struct {
	Input       Input
	Connections uint64 // every row
	Negotiated  uint64 // with a ServerHello: the base of every share

	Verdicts    [4]uint64 // by secrecy.Verdict, over Negotiated
	TicketKey   uint64    // of the yes: a TLS <= 1.2 ticket was issued, so the secret also rests on the ticket key
	PostQuantum uint64    // of Negotiated
	Resumed     uint64    // of Negotiated

	HelloRetryRequests uint64 // of Negotiated: each cost a round trip

	ClientHellos       uint64 // connections of which the offer was seen
	PostQuantumOffered uint64 // of ClientHellos
	HellosSplit        uint64 // of ClientHellos: came in more than one packet
	ClientOnly         uint64 // of Connections: only the client's direction was seen
	ServerOnly         uint64
	Gaps               uint64 // of Connections: bytes of the handshake are missing, but not for the capture's snaplen

	Outcomes [3]uint64 // by Outcome, over Connections

	// The same ephemeral value of a server in several connections.
	ReusedKeys           uint64 // values
	ReusedKeyConnections uint64
	ReusedKeySpan        int64 // the longest time between the first and the last use, nanoseconds
	// Session tickets of TLS <= 1.2, by the name of the key that protects them.
	TicketKeys    uint64
	TicketKeySpan int64  // the longest time a name was seen, nanoseconds: a lower bound of the key's life
	KeysLost      uint64 // values and connections that made room for newer ones: what comes of them later is taken for new

	// Exposure says what each long-term server key opens, most connections
	// first.
	Exposure []Exposure

	Versions     []Count // over Negotiated, most first
	KeyExchanges []Count // label is family; with the verdict it leads to in Note
	Groups       []Count
	Suites       []Count
	Reasons      []Count // by stable code, over Connections
	// Untold says why connections have no verdict: label is a stable reason code.
	Untold []Count

	// Servers without forward secrecy first: most connections that are "no", then "conditional".
	Servers      []Server
	ServersTotal uint64 // distinct, as far as they were kept
	ServersLost  uint64 // connections of servers that made room for others; 0 means that all servers and counts are exact
}

// An Input is what was read, and what of it was lost.
type Input struct {
	Files       []string
	Packets     uint64
	Bytes       uint64
	First, Last int64  // capture time, nanoseconds since 1970 UTC; 0, 0 where no packet has one
	Loss        []Loss // everything dropped, by reason; only counts above zero

	Saved   bool   // saved records were read, which do not say what their captures lost
	Records uint64 // of them
	Filter  string // the expression that chose the packets, "" for all
	Where   string // the expression that chose the connections, "" for all

	Interrupted bool   // reading was ended before the end of the input
	Ongoing     bool   // reading goes on
	Limit       uint64 // reading ended after so many packets that Filter wanted, 0 for no limit
	FilteredOut uint64 // of Packets: those that Filter did not want, or could not be applied to
	Unwanted    uint64 // connections that were read and that Where did not want
	Events      string // the expression that chose of which connections events were written, "" for all; the sums are of all
}

// Timed reports whether First and Last are known.
func (in *Input) Timed() bool { return in.First != 0 || in.Last != 0 }

// A Loss is one reason for which something was not read.
type Loss struct {
	Reason string // stable code, such as "kernel_drops", "tcp_gaps", "snaplen_cut", "one_direction"
	What   string // for people, such as "packets dropped by the kernel"
	Count  uint64
	// Incomplete says that the input was not complete or not read completely,
	// which the exit code tells.
	Incomplete bool
	Kinds      []Count // what Count consists of, such as the link types of packets; most first; nil where that is not told
	// Files are the inputs that the loss is of, at most MaxLossFiles, most
	// first; N is 0 where it is the input itself. Nil for one input, and for
	// what belongs to none.
	Files     []Count
	MoreFiles int // inputs beyond those
}

// MaxLossFiles is how many inputs a Loss names.
const MaxLossFiles = 8

// A Count is a labelled number.
type Count struct {
	Label string // may hold any byte
	Note  string
	N     uint64
}

// MaxClients is how many distinct clients are counted of a server or a key:
// where there are so many, there may be more.
const MaxClients = 1 << 10

// A Server is an address, port and name, and how its connections fared.
type Server struct {
	Addr     Endpoint
	Name     string // server_name; may hold any byte
	N        uint64 // connections negotiated
	Verdicts [4]uint64
	Bytes    uint64
	Clients  uint64 // distinct client addresses, as far as they were kept
	Why      string // the commonest reason code against it
}

// An Exposure is a server key whose holder can read recorded connections.
type Exposure struct {
	SPKI        [32]byte // SHA-256 of the SubjectPublicKeyInfo
	Subject     string   // of a certificate with it; may hold any byte
	Key         string
	Bits        int
	Server      Endpoint // one that used it
	Name        string   // may hold any byte
	N           uint64   // connections
	Bytes       uint64
	Clients     uint64 // distinct, as far as they were kept
	First, Last int64  // nanoseconds since 1970 UTC
}
