// Package capture finds the handshakes in captured packets: it decodes frames,
// follows each connection until its opening is complete, and delivers the
// openings as values of package stream. It does not know TLS. The functions of
// a stream.Inspector, which package parse provides, tell it where a handshake
// may begin and when it is complete.
//
// # From a frame to an Event
//
//	packet.Source   a Block of frames, from files or interfaces
//	    |
//	decoder         frame -> segment: TCP segment, UDP datagram or EAPOL PDU
//	    |           (fragments are deferred and decoded in order)
//	tracker         segment -> flow: one table lookup
//	    |
//	opening         the first bytes of both directions, with gaps and marks
//	    |           SniffTCP and SniffUDP begin one, Ask ends it
//	Event           an opening, and later the end of its connection
//	    |
//	Sink            Take makes results, Emit publishes them
//
// Run has one worker per Sink. A worker takes a block through all stages.
// Workers find records, track and emit one at a time, in the order of the
// capture, and decode and parse in parallel. So the result is the same for any
// number of workers, and the tracker needs no locks.
//
// # Tables
//
// All tables of the tracker are bounded. What exceeds a limit is counted under
// a Reason.
//
//	half-open    connections of which only SYNs were seen, 32 bytes each. Data
//	             that is no handshake removes them.
//	flows        connections that showed a handshake. They remain until the
//	             connection ends, for its totals.
//	openings     the handshakes of flows in progress, with their bytes.
//	fragments    incomplete IP datagrams, and copies of completed ones.
//	sessions     conversations that share a pair of endpoints. A Splitter
//	             numbers them, and the number is a part of the key.
//	domains      a hash of the VLANs and tunnels of a segment. Connections with
//	             equal addresses in different domains are different.
//	connection   identify a client whose address changes during the
//	IDs          opening.
//
// A segment of a connection without an entry costs a lookup, and a call of a
// Sniffer if it has payload. It does not allocate. A handshake is found in the
// middle of a connection too, because its SYN may not have been captured.
//
// # Time
//
// The only clock is the time of the packets. Each input has its own, because
// inputs may be captured at different times. A single packet with a wrong time
// does not move it. A sweep ends idle connections step by step as time passes:
//
//	half-open          30 s after the first SYN
//	opening incomplete 60 s without a packet
//	closed or reset     5 s without a packet
//	others            300 s without a packet
//
// # Memory
//
// Options.Memory limits all tables, and Options.Open the openings. If a table
// is full, the entry that matters least makes room: any half-open connection
// but the newest, a flow whose opening was delivered, or the opening that was
// silent longest. An evicted opening is delivered as it is.
//
// # Files
//
//	capture.go             Options, Sink, Event, Stats
//	run.go, turn.go        Run and its workers
//	counters.go, losses.go Reason, and the counts of what was dropped
//
//	decode.go              frames: EtherTypes, IP, TCP, UDP
//	decode_common.go       the same for the most frequent frames, in one pass
//	link.go, eapol.go      link types, EAPOL
//	encap.go, tunnel.go    encapsulations, tunnels over UDP
//	fragment.go            IP reassembly
//	fragment_completed.go  copies of the fragments of completed datagrams
//	segment.go             segment, flowKey and its hash
//
//	tracker.go             the tracker: lookup, new connections
//	tcp.go, udp.go         segments and datagrams of flows
//	match.go               connections with equal addresses and ports
//	rebind.go              clients whose address changes
//	half_open.go           halfOpen
//	flow.go, table.go      flow, and the tables of entries
//	opening.go             opening, its delivery, the end of a connection
//	half.go, marks.go      reassembly of one direction of an opening
//	cut_table.go           endpoints whose packets were cut too short
//	pool.go                buffers of openings
//	clock.go, sweep.go     time and idle connections
//	evict.go               eviction
//
// Subpackages: packet has the values that all sources share, pcapfile and live
// are the sources, filter compiles filter expressions, stream has the values
// that capture passes to parse, and frametest makes frames for tests.
package capture
