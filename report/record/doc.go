// Package record reads saved records: the JSON objects that package render
// writes, one for each connection. The input is JSON Lines or a JSON array, of
// this program or of another one. A field that a record does not have is left
// at its zero value, which says that it was not seen.
//
// [Read] reads an input with several workers. [Parser] reads one record.
// [Detect] distinguishes saved records from captures and other files.
//
// The fields and the way each is set come from package schema.
//
// # Map
//
//	read.go     Read: workers that parse chunks of an input, in its order
//	split.go    where an input is cut into chunks of whole records
//	detect.go   Detect
//	parser.go   Parser: one JSON object into a Connection
//	fields.go   how each kind of field is read
//	objects.go  offered and the certificates, which records share
//	values.go   times, addresses, shared strings
//	scan.go     the JSON scanner
package record
