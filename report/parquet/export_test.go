package parquet

// IgnoreSums turns the check of checksums off until stop is called.
func IgnoreSums() (stop func()) {
	checkSums = false
	return func() { checkSums = true }
}
