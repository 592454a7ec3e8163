// Package analyze reads inputs once and hands their rows to a consumer.
//
//	captures ------ packets -- capture.Run -- openings -- parse -- report.Builder --\
//	                                                                                 rows -- --where -- consumer
//	saved records ---------------------------------- record.Read -------------------/
//
// A Consumer takes rows in the order of the input: the summary of "pfsight read",
// or a writer of rows. Sum is for results that do not depend on the order, such
// as those of impact and diff: the rows of saved records are then summed up in
// parallel.
//
//	analyze.go   Open, Run, Sum: from inputs to rows
//	records.go   saved records as inputs
//	result.go    what was read, what is missing, and what to say about it
//	budget.go    how --memory is divided
package analyze
