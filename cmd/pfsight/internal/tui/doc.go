// Package tui shows a live capture on a terminal.
//
//	tui.go    the model: keys, lists, updates
//	view.go   what is drawn
package tui
