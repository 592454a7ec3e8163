// Package stream defines the values that capture passes to parse: the first
// bytes of both endpoints of a transport connection, and what is known about
// missing bytes.
//
//	stream.go     Conversation, Half, Mark: the bytes and their packets
//	              Totals, End: the connection at its end
//	inspector.go  Inspector: the functions of parse that capture calls
//
// It imports the standard library only and knows neither frames nor TLS.
package stream
