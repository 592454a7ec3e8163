package capture

// A Reason is the reason why something was dropped or not read. Every drop is
// counted under one Reason.
type Reason uint8

// The reasons, in the order of display.
const (
	KernelDrops    Reason = iota // the kernel or the interface lost packets before the capture
	FilteredOut                  // the filter rejected the packet
	UnknownLink                  // an unsupported link type
	NotFiltered                  // a link type that the filter does not support
	NotIP                        // neither IPv4 nor IPv6
	OtherTransport               // neither TCP nor UDP
	BadHeader                    // an inconsistent header
	CutHeader                    // the snaplen cut a header
	CutShort                     // the snaplen cut a packet so short that its content is undetermined
	CutPayload                   // the snaplen cut a segment of an opening
	FragmentLost                 // an IP datagram that was never completed
	FragmentLimit                // a fragment beyond the limits of reassembly
	GapLimit                     // a segment too far ahead of a gap, or behind too many gaps
	PrefixLimit                  // an opening that reached the limit of its length
	HalfOpenEvict                // a half-open connection evicted to limit memory
	FlowEvict                    // a connection ended early to limit memory
	Conflict                     // a retransmission with different bytes
	SessionLimit                 // a session inside UDP or EAPOL evicted to limit memory
	ConnIDLimit                  // a connection ID beyond those kept to follow a change of address
	TooDeep                      // more nested headers than the limit
	numReasons
)

var reasonTexts = [numReasons]struct{ code, what string }{
	KernelDrops:    {"kernel_drops", "packets dropped before the capture"},
	FilteredOut:    {"filtered", "packets rejected by the filter"},
	UnknownLink:    {"unknown_link_type", "packets of an unsupported link type"},
	NotFiltered:    {"not_filtered", "packets of a link type that the filter does not support"},
	NotIP:          {"not_ip", "packets without IP"},
	OtherTransport: {"other_transport", "IP packets with a transport other than TCP and UDP"},
	BadHeader:      {"bad_header", "packets with an inconsistent header"},
	CutHeader:      {"cut_header", "packets cut inside a header"},
	CutShort:       {"cut_short", "packets cut too short to show a handshake"},
	CutPayload:     {"snaplen_cut", "handshake packets cut by the capture's snaplen or a mirror"},
	FragmentLost:   {"fragment_lost", "IP datagrams with a missing fragment"},
	FragmentLimit:  {"fragment_limit", "IP fragments beyond the limits of reassembly"},
	GapLimit:       {"gap_limit", "segments too far ahead of a gap"},
	PrefixLimit:    {"prefix_limit", "connections whose handshake exceeds the length limit"},
	HalfOpenEvict:  {"syn_evicted", "half-open connections dropped to limit memory"},
	FlowEvict:      {"flow_evicted", "connections ended early to limit memory"},
	Conflict:       {"conflicting_retransmission", "connections with a conflicting retransmission"},
	SessionLimit:   {"session_limit", "sessions inside UDP or EAPOL dropped to limit memory"},
	ConnIDLimit:    {"name_limit", "connection IDs beyond the limit per connection"},
	TooDeep:        {"too_deep", "packets with too many nested headers"},
}

// String returns the stable code of r.
func (r Reason) String() string { return reasonTexts[r].code }

// What describes r for users, in the plural.
func (r Reason) What() string { return reasonTexts[r].what }

// Loss reports whether r means that a part of a handshake may be missing in
// the results. The other reasons concern traffic without handshakes.
func (r Reason) Loss() bool {
	switch r {
	case FilteredOut, NotIP, OtherTransport, HalfOpenEvict, ConnIDLimit:
		return false
	}
	return true
}

// Incomplete reports whether r means that the input was incomplete, or was not
// read completely, where it may contain handshakes. The remaining losses are
// faults of the packets themselves: an endpoint would not have accepted them
// either.
func (r Reason) Incomplete() bool {
	switch r {
	case BadHeader, TooDeep, Conflict:
		return false
	}
	return r.Loss()
}

// ofPacket reports whether r is counted when a packet is read, so that it can
// be attributed to the file of that packet.
func (r Reason) ofPacket() bool {
	switch r {
	case UnknownLink, NotFiltered, BadHeader, CutHeader, CutShort, CutPayload, FragmentLimit, GapLimit, TooDeep:
		return true
	}
	return false
}

// Counters are the numbers of drops by Reason.
type Counters [numReasons]uint64

// A Drop is one Reason and its count.
type Drop struct {
	Reason Reason
	Count  uint64
}

// List returns the reasons with a count above zero, in order.
func (c *Counters) List() []Drop {
	var out []Drop
	for r, n := range c {
		if n > 0 {
			out = append(out, Drop{Reason(r), n})
		}
	}
	return out
}
