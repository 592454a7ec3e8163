// Package frametest makes frames and captures for tests.
//
//	frametest.go  Frames, a packet in the forms of each link type; Tunnels, a packet in each tunnel
//	pcap.go       Pcap, a capture file
package frametest
