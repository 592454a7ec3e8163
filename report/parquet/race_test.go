//go:build race

package parquet_test

// racing says that the race detector is on, which makes the program slower.
const racing = true
