// Package packet defines the values that all sources of packets share, whether
// they read files or capture from interfaces.
//
//	packet.go  Record, one captured frame; Batch and Block, runs of Records
//	source.go  Source, the interface of everything that yields Blocks
//	link.go    LinkType, the kind of frame, and the names of the registry
//	header.go  Header, where the network layer of a frame begins
//
// It imports nothing of this project.
package packet
