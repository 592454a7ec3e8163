// Package metrics counts connections for Prometheus and exposes the state of a
// live capture. Names follow the conventions of Prometheus: base units, _total
// for counters, and labels with few, known values. Addresses and names from
// the wire are never labels.
//
//	metrics.go  Set, Capture: what is counted
//	labels.go   bounded label values
//	collect.go  the exposed metrics
package metrics
