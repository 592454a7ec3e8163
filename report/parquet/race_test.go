//go:build race

package parquet_test

// racing says that the race detector is in the program, which takes several
// times the memory.
const racing = true
