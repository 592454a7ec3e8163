// Package report holds the rows, the sums over rows, and the questions that
// both answer.
//
// # From a handshake to a row
//
// A [Builder] turns a parse.Handshake and its Conversation into a [Connection],
// the row. The verdict of the row comes from package secrecy, a pure function
// of the handshake. A [History] then links the row to earlier rows: to the
// connection that created a resumed session, and to earlier uses of an
// ephemeral value or a ticket key. Rows are JSON, CSV or Parquet records for the
// world outside; package record reads saved records back as rows, and package
// where selects rows by an expression.
//
// # From rows to sums and answers
//
//   - A [Report] sums up rows in bounded memory. [Report.Summary] returns a
//     [Summary]: "which connections are forward secret, and why not?"
//   - Package impact sums up the distinct ClientHellos and evaluates policies,
//     package policy, for them: "which clients break under this policy?"
//   - Package diff sums up two inputs and compares them: "what did a change do?"
//   - Package metrics counts rows for Prometheus.
//   - Package render writes rows, summaries and answers in every format.
//
// Each worker has a Builder, and an impact.Sum or diff.Side; the latter two can
// be merged. A History and a Report get all rows in the order of the capture,
// so the result does not depend on the number of workers.
//
// # Files
//
//	connection.go   Connection, Offer, Certificate: the row
//	builder.go      Builder: from a handshake to a row
//	certificate.go  certificates, parsed once for each distinct one
//	fingerprint.go  JA3, JA3S, JA4
//	outcome.go      how the handshake ended
//	history.go      History: links between rows
//	endpoint.go     Endpoint, Host
//	report.go       Report: the sums
//	ended.go        late totals for a live Report
//	bounded.go      heavy, reuses: tables in bounded memory
//	clients.go      sets of client addresses
//	memory.go       how the limits scale with a memory budget
//	summary.go      Summary, Input, Loss: the results
//	text.go         bytes that are not UTF-8 in JSON strings
package report
