// Package stream defines the values that capture passes to parse: the first
// bytes of both endpoints of a transport connection, and what is known about
// missing bytes.
//
//	stream.go  Conversation, Half, Mark: the bytes and their packets
//	           Asker, Signer, Splitter, Linker: functions of parse that capture calls
//	           Totals, End: the connection at its end
//
// It imports the standard library only and knows neither frames nor TLS.
package stream
