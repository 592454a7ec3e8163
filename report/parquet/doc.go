// Package parquet reads the rows of a Parquet file as JSON Lines, which package
// record reads. It accepts the files of every writer, and it treats them as
// hostile: it allocates nothing because a file announces it, and it limits what
// a file can expand to.
//
// The format is https://github.com/apache/parquet-format, version 2. Package
// render writes Parquet files.
//
// # Map
//
//	parquet.go  NewReader, Reader and the limits
//	footer.go   the metadata at the end of a file
//	thrift.go   the encoding of the metadata
//	schema.go   the columns: which are read, and how they are nested
//	rows.go     from columns to JSON objects
//	leaf.go     one column: its pages and levels
//	values.go   the values of a page, by encoding
//	hybrid.go   runs of levels and indexes, and delta encoding
//	unpack.go   decompression
package parquet
