// Package filter compiles tcpdump expressions to classic BPF and runs them.
//
// It supports a subset of the language of pcap-filter(7), with libpcap's
// semantics; see Syntax. Other expressions are errors.
//
//	lex.go       tokens, Error
//	parse.go     Compile, Syntax; primitives and their qualifiers
//	relation.go  comparisons such as tcp[13] & 2 != 0
//	address.go   IP addresses and networks
//	ast.go       conditions and values
//	link.go      the conditions for link types with a fixed header
//	located.go   link types with a variable header
//	gen.go       instructions of conditions
//	vm.go        Program: checks, Match
//
// Limits: an expression has at most 8,192 bytes and nests at most 64 deep, a
// program has at most 4,096 instructions.
package filter
