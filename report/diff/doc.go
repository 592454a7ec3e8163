// Package diff compares the connections seen before a change with those seen
// after it: shares with a significance test, and the servers and clients that
// gained or lost forward secrecy.
//
// Each input is summed up in a [Side]. [Compare] returns a [Diff]. Connections
// of one client are not independent, so the tests use the effective number of
// connections. The p-values are corrected for the number of tests.
//
//	side.go          Side: the sums of one input
//	diff.go          Compare, Diff: the comparison
//	significance.go  design effect, two-proportion test, Fisher, Holm
package diff
