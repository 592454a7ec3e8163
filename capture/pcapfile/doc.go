// Package pcapfile reads capture files: pcap and pcapng of every byte order and
// time resolution, compressed or not, one file or many in the order of time.
//
// A Reader reads one capture, a Source many. Records are not copied: a batch
// points into a reused buffer or a mapped file.
//
//	reader.go    Reader: buffering, detection of the format
//	pcap.go      the records of pcap
//	pcapng.go    the blocks of pcapng
//	foreign.go   names of other capture formats, for the error
//	compress.go  gzip, zstd, lz4 and xz in a goroutine
//	xz.go        the container of xz
//	source.go    Source: inputs merged in the order of time
//	inputs.go    Options; the search for files and folders
//	follow.go    growing files
//	waiting.go   pipes, which may block
//	memory.go    the memory limit of all open inputs
//	lane.go      large files in blocks, for several workers
//	mapped.go    large files in the page cache, mapped
//
// Limits: a frame has at most 16 MiB, a pcapng file at most 65,536 interfaces,
// a compressed file at most a window of 128 MiB, and all open inputs together
// take at most Options.Memory.
//
// Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.
package pcapfile
