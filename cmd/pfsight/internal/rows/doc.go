// Package rows turns the events of package capture into rows of package report.
// Commands that read files and the live sensor share it.
//
//	rows.go     capture options, workers, the table of connections that are open
//	filter.go   the expression of -f, compiled for each link type
//	losses.go   what is missing of the input, for a report
package rows
