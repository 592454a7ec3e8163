// Command pfsight reads packet captures or captures live, and reports which TLS
// connections used forward-secret key exchange, which did not and why, and what
// would happen to each client under a stricter policy.
//
// # One packet to its row
//
// "pfsight capture.pcap" runs newRead's command (read.go), which calls
// analyze.Run with the capture and a consumer.
//
//	packet     pcapfile reads a block of records       capture/pcapfile
//	segment    the decoder strips link, IP and tunnels capture
//	opening    the tracker collects the first bytes    capture
//	           of both directions
//	handshake  Parser.Parse reads the messages         parse
//	row        Builder.Connection makes a Connection   report
//	           with the verdict of Judge               report/secrecy
//	           rows.Worker keeps it until the          internal/rows
//	           connection ends, for its totals
//	consumer   the summary, or a writer of rows        report, report/render
//
// "pfsight live" is the same with an interface as the source: internal/sensor
// runs it, internal/livestate keeps the sums, and internal/sink, internal/web and
// internal/tui show them. Saved records enter as rows, by report/record.
//
// # One ClientHello to its impact line
//
// "pfsight impact" (impact.go) hands the rows to an impact.Sum, which reduces
// them to distinct ClientHellos with the clients that sent them. For each
// policy, Policy.Answer of report/policy computes what a server with the policy
// would answer to each of them. Package report/impact compares that with what
// was negotiated: a client keeps, changes or breaks. report/render writes the
// result.
//
// # Files
//
// Each command has a file: read.go, live.go (with live_options.go), impact.go,
// diff.go, policies.go, explain.go, interfaces.go, licenses.go, man.go, help.go
// and version.go. root.go joins them, app.go has what all of them use, flags.go
// the flags that several have. result.go writes results, progress.go shows
// progress, complete.go completes flags in a shell.
//
// The topics of "pfsight help" are in docs, the files of a release in dist, and
// the rooms of the program in internal; each has a doc.go. TestArrows holds the
// imports between all packages.
package main
