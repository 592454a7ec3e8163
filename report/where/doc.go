// Package where selects connections by an expression over the fields of their
// records, such as
//
//	forward_secrecy == no and server_port == 443
//
// [Compile] reads an expression and [Filter.Match] applies it. [Syntax] describes
// the expressions. A test has three results: true, false, and undetermined where
// the record has no value of a field. Only true selects a connection.
//
// The fields and their kinds come from package schema.
//
// # Map
//
//	where.go    Compile, Filter, and the logic of not, and, or
//	parse.go    tokens and grammar
//	compare.go  the operators, by kind of field
//	fields.go   the fields and their kinds
package where
