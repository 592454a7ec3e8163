package capture

// A Reason says why something was not read. Everything that is dropped is
// counted under one.
type Reason uint8

// The reasons, in the order in which they are shown.
const (
	KernelDrops    Reason = iota // the kernel or the interface lost packets before the capture
	FilteredOut                  // the filter did not want the packet
	UnknownLink                  // a link type that is not read
	NotFiltered                  // a link type that the filter cannot be applied to
	NotIP                        // neither IPv4 nor IPv6 inside
	OtherTransport               // another transport
	BadHeader                    // a header that contradicts itself
	CutHeader                    // the capture's snaplen ended inside the headers
	CutShort                     // a packet cut so short that it cannot be told what is in it
	CutPayload                   // the capture's snaplen ended inside a segment of an opening
	FragmentLost                 // a fragment of a datagram that never became whole
	FragmentLimit                // a fragment beyond the limits of reassembly
	GapLimit                     // a segment too far ahead, or with too many gaps before it
	PrefixLimit                  // more was wanted of a half than the limit of its prefix
	HalfOpenEvict                // a half-open connection forgotten for lack of room
	FlowEvict                    // a connection ended early for lack of room
	Conflict                     // a retransmission with other bytes
	SessionLimit                 // a session among several of one pair of endpoints, forgotten for lack of room
	ConnIDLimit                  // a name of a connection beyond those by which its datagrams are known at another address
	TooDeep                      // more headers inside each other than are followed
	numReasons
)

var reasonTexts = [numReasons]struct{ code, what string }{
	KernelDrops:    {"kernel_drops", "packets dropped before the capture"},
	FilteredOut:    {"filtered", "packets the filter did not want"},
	UnknownLink:    {"unknown_link_type", "packets of a link type that is not read"},
	NotFiltered:    {"not_filtered", "packets of a link type that the filter cannot be applied to"},
	NotIP:          {"not_ip", "packets that are not IP"},
	OtherTransport: {"other_transport", "packets of other transports than TCP and UDP"},
	BadHeader:      {"bad_header", "packets with a header that contradicts itself"},
	CutHeader:      {"cut_header", "packets cut inside a header"},
	CutShort:       {"cut_short", "packets cut so short that a handshake in them would not be seen"},
	CutPayload:     {"snaplen_cut", "handshake packets cut by the capture's snaplen or a mirror"},
	FragmentLost:   {"fragment_lost", "IP datagrams of which a fragment is missing"},
	FragmentLimit:  {"fragment_limit", "IP fragments beyond the limits of reassembly"},
	GapLimit:       {"gap_limit", "segments too far ahead of a gap"},
	PrefixLimit:    {"prefix_limit", "connections whose opening is longer than the limit"},
	HalfOpenEvict:  {"syn_evicted", "half-open connections forgotten for lack of room"},
	FlowEvict:      {"flow_evicted", "connections ended early for lack of room"},
	Conflict:       {"conflicting_retransmission", "connections with a retransmission of other bytes"},
	SessionLimit:   {"session_limit", "sessions inside UDP or EAPOL forgotten for lack of room"},
	ConnIDLimit:    {"name_limit", "names of connections beyond those kept to follow a change of address"},
	TooDeep:        {"too_deep", "packets with more headers than are followed"},
}

// String returns the stable code of r.
func (r Reason) String() string { return reasonTexts[r].code }

// What says r for people, in the plural.
func (r Reason) What() string { return reasonTexts[r].what }

// Loss reports whether r means that something which belongs to a handshake
// may be missing from the results; the others are traffic that holds none.
func (r Reason) Loss() bool {
	switch r {
	case FilteredOut, NotIP, OtherTransport, HalfOpenEvict, ConnIDLimit:
		return false
	}
	return true
}

// Incomplete reports whether r means that the input was not complete, or not
// read completely, as far as it may hold handshakes. Of the other losses the
// packets themselves are to blame: nothing was missing, and an endpoint would
// not have read them either.
func (r Reason) Incomplete() bool {
	switch r {
	case BadHeader, TooDeep, Conflict:
		return false
	}
	return r.Loss()
}

// ofPacket reports whether r is counted for a packet when it is read, so that it
// belongs to the file of that packet.
func (r Reason) ofPacket() bool {
	switch r {
	case UnknownLink, NotFiltered, BadHeader, CutHeader, CutShort, CutPayload, FragmentLimit, GapLimit, TooDeep:
		return true
	}
	return false
}

// Counters hold how often each Reason was met.
type Counters [numReasons]uint64

// A Drop is one Reason and its count.
type Drop struct {
	Reason Reason
	Count  uint64
}

// List returns the reasons that were met, in their order.
func (c *Counters) List() []Drop {
	var out []Drop
	for r, n := range c {
		if n > 0 {
			out = append(out, Drop{Reason(r), n})
		}
	}
	return out
}
