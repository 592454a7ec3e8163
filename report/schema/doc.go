// Package schema describes the record: the JSON object that this program
// writes for each connection. One table, Fields, lists its fields. JSON, JSON
// Lines, CSV, Parquet, the parser of saved records, the expressions of --where
// and the texts of "pfsight explain" are made from that table, so no other
// place lists the fields.
//
// # Map
//
//	schema.go       Field and Value, and what is derived from them
//	values.go       the kinds of values: Text, Number, Time, …
//	lists.go        the kinds of values that are lists or objects
//	codes.go        Points: the registries of code points and their names
//	connection.go   Fields, the table
//	certificate.go  the fields of certificate and client_certificate
//	offer.go        the fields of offered
//
// # How to add a field
//
// Add the member to [pfsight/report.Connection] and one entry to Fields, at the
// place where JSON writes the field. Name, Meaning and Absent are what explain
// shows. Value is the kind of value with functions that get it from a
// Connection and set it in one. Column is the number after the highest one in
// use, so that the new CSV column is the last one and no existing column moves.
// The test of this package then asks for a value of the field in its sample
// connection; with it, the test holds that the value comes out of every format
// and back in.
//
// A new kind of value implements [Value] and gets a case in report/render for JSON
// and Parquet, in report/record and in report/where. They panic for a kind that
// they do not have.
//
// A new format ranges over Fields. [Value] gives every value as text; formats
// that distinguish numbers, times or lists switch on the kind, as
// report/render/record.go does.
//
// # Rules of the record
//
// An absent value is omitted, and a reader leaves what is absent at its zero
// value: not seen. A claim with three states is omitted while it is
// undetermined; false is written only where it is known to be false. Names and
// meanings are interface: fields are only ever added.
package schema
