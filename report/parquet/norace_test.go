//go:build !race

package parquet_test

const racing = false
