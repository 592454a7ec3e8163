// Package sink delivers events, one JSON object or text a line, to the
// destinations of "live -o": files, standard output, sockets and the system log.
//
//	sink.go        the queue of a destination, retries, Close
//	open.go        destinations by name
//	file.go        files and their rotation
//	retention.go   which rotated files are kept
//	socket.go      TCP, TLS and Unix sockets
//	syslog.go      the system log
//
// A destination that is slow or away never blocks the capture: its queue is
// bounded, and what does not fit is lost and counted.
package sink
