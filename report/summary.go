package report

// A Summary is the sums over many connections. The base of every share is
// Negotiated unless a field says otherwise.
type Summary struct {
	Input       Input
	Connections uint64 // all rows
	Negotiated  uint64 // with a ServerHello: the base of every share

	Verdicts    [4]uint64 // by secrecy.Verdict, over Negotiated
	TicketKey   uint64    // of the yes: a TLS <= 1.2 ticket was issued, so the secret also depends on the ticket key
	PostQuantum uint64    // of Negotiated
	Resumed     uint64    // of Negotiated

	HelloRetryRequests uint64 // of Negotiated: each cost one round trip

	ClientHellos       uint64 // connections with a ClientHello
	PostQuantumOffered uint64 // of ClientHellos
	HellosSplit        uint64 // of ClientHellos: sent in more than one packet
	ClientOnly         uint64 // of Connections: only the client's direction was seen
	ServerOnly         uint64
	Gaps               uint64 // of Connections: handshake bytes are missing, for another reason than the snaplen

	Outcomes [3]uint64 // by Outcome, over Connections

	// Ephemeral values of a server used in several connections.
	ReusedKeys           uint64 // values
	ReusedKeyConnections uint64
	ReusedKeySpan        int64 // the longest time between the first and the last use of a value, nanoseconds
	// Session tickets of TLS <= 1.2, by the name of the key that protects them.
	TicketKeys    uint64
	TicketKeySpan int64  // the longest time a name was seen, nanoseconds: a lower bound of the key's lifetime
	KeysLost      uint64 // values and connections evicted by newer ones; a later use of them counts as new

	// Exposure lists the long-term server keys that decrypt recorded
	// connections, most connections first.
	Exposure []Exposure

	Versions     []Count // over Negotiated, most first
	KeyExchanges []Count // Label is the family, Note its verdict
	Groups       []Count
	Suites       []Count
	Reasons      []Count // by reason code, over Connections
	// Undetermined says why connections have no verdict. Label is a reason
	// code.
	Undetermined []Count

	// Servers without forward secrecy first: most "no" connections, then most
	// "conditional" ones.
	Servers      []Server
	ServersTotal uint64 // distinct servers kept
	ServersLost  uint64 // connections of evicted servers; 0 means that all servers and counts are exact
}

// An Input describes what was read and what was lost.
type Input struct {
	Files       []string
	Packets     uint64
	Bytes       uint64
	First, Last int64  // capture time, nanoseconds since 1970 UTC; both 0 if no packet has a time
	Loss        []Loss // all losses by reason; only counts above zero

	Saved   bool   // saved records were read; they do not state what their captures lost
	Records uint64 // saved records
	Filter  string // packet filter expression, "" for none
	Where   string // connection filter expression, "" for none

	Interrupted bool   // reading stopped before the end of the input
	Ongoing     bool   // the input is still being read
	Limit       uint64 // reading stopped after this many packets that match Filter; 0 for no limit
	FilteredOut uint64 // of Packets: those that do not match Filter or cannot be tested
	Unwanted    uint64 // connections that do not match Where
	Events      string // filter expression of the written events, "" for none; it does not affect the sums
}

// Timed reports whether First and Last are known.
func (in *Input) Timed() bool { return in.First != 0 || in.Last != 0 }

// A Loss is a reason why something was not read, and how often it occurred.
type Loss struct {
	Reason string // stable code, such as "kernel_drops", "tcp_gaps", "snaplen_cut", "one_direction"
	What   string // description, such as "packets dropped by the kernel"; its first noun is in the plural
	Count  uint64
	// Incomplete reports whether the input was incomplete or not read
	// completely. The exit code depends on it.
	Incomplete bool
	Kinds      []Count // parts of Count, such as the link types of packets, most first; nil if undetermined
	// Files are the inputs with the loss, at most MaxLossFiles, most first. N
	// is 0 if the whole input was lost. Nil if there is one input, or if no
	// input can be named.
	Files     []Count
	MoreFiles int // number of further inputs
}

// MaxLossFiles is the limit of Files in a Loss.
const MaxLossFiles = 8

// A Count is a labelled number.
type Count struct {
	Label string // may hold any byte
	Note  string
	N     uint64
}

// MaxClients is the limit of the distinct clients counted for a server or a
// key. A count that reaches it is a lower bound.
const MaxClients = 1 << 10

// A Server is an address, port and name, and the sums of its connections.
type Server struct {
	Addr     Endpoint
	Name     string // server_name; may hold any byte
	N        uint64 // negotiated connections
	Verdicts [4]uint64
	Bytes    uint64
	Clients  uint64 // distinct client addresses that were kept
	Why      string // the most frequent reason code against it
}

// An Exposure is a server key that decrypts recorded connections.
type Exposure struct {
	SPKI        [32]byte // SHA-256 of the SubjectPublicKeyInfo
	Subject     string   // of a certificate with the key; may hold any byte
	Key         string
	Bits        int
	Server      Endpoint // one that used the key
	Name        string   // may hold any byte
	N           uint64   // connections
	Bytes       uint64
	Clients     uint64 // distinct clients that were kept
	First, Last int64  // nanoseconds since 1970 UTC
}
