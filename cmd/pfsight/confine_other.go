//go:build !linux

package main

// giveUpReading knows no way here.
func giveUpReading(reach) {}
