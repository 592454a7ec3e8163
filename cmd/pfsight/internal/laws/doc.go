// Package laws changes captures in ways that must not change the results, and
// in ways that lose something. Tests use it to check the whole program: a
// change without loss does not change the results, and a change with loss
// never leads to a different claim.
//
//	capture -> part -> changes -> files and arguments of one run
//	Load       Part    Change     Composition.Make
//
// A Composition is one line of text, so that a failure can be reproduced, and
// can be shrunk to the smallest one that still fails.
//
//	composition.go  Composition: parsing, printing and making
//	work.go         Work: the state of a composition being made
//	packet.go       packets and captures; layers.go decodes them
//	kinds.go        the kinds of changes, and the limits of order
//	segments.go, order.go, neighbours.go, tunnel.go, fragment.go, loss.go
//	                changes
//	kinds_files.go, file.go
//	                file formats and command lines
//	shrink.go       the search for the smallest failing composition
package laws
