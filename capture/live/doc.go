// Package live captures from network interfaces.
//
// On Linux it maps AF_PACKET rings (TPACKET_V3) of the kernel. Frames are used
// where the kernel wrote them and are not copied. With the build tag pcap it reads
// through libpcap, on any system. On other systems without the tag, Open returns
// ErrUnsupported.
//
// A Source returns each block of a ring to the kernel as soon as its frames are
// no longer used, and counts the frames that the kernel dropped. It survives
// interfaces that go down, disappear and come back.
//
//	live.go       Options, limits, InterfaceStats
//	list*.go      Interfaces: the interfaces of the system
//	source_*.go   Source: the frames of all rings in the order of time
//	iface_*.go    an interface: its rings and its state
//	ring_*.go     one ring
//	link_*.go     the link types of interfaces
//	program_*.go  the filter in the kernel
//	bulk_*.go     the part of the filter that cuts the payload of bulk transfers
//	pcap.go       Source with libpcap
//	none.go       Source of a build that cannot capture
package live
