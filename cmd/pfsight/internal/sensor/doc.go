// Package sensor is one live capture: from interfaces to rows, events, a summary,
// the page and the screen.
//
//	interfaces -- capture/live -- capture.Run -- rows -- livestate.State -- web, tui, summary
//	                                               \---- events -- sink.Sink ...
//
//	options.go    what a run does
//	run.go        Run: opening, confinement, the capture, the end
//	events.go     events for the sinks
//	summary.go    counts and summaries for people
//	memory.go     how --memory is divided; Go's garbage collector
//	messages.go   messages that never block the capture
//	signals.go    SIGHUP and SIGUSR1
//
// Everything that needs rights is opened first. Then the rights are given up, and
// the first packet is read. Nothing outside the program, such as a slow
// destination or a stopped terminal, blocks the capture.
package sensor
