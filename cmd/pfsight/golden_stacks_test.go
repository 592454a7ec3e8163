package main

import "maps"

// stackVerdicts are the verdicts of the captures of servers and clients other
// than the test programs of the TLS stacks: those behind a dialog that
// switches to TLS, behind proxies, and of the web.
var stackVerdicts = map[string][]string{}

// merged makes one table of several.
func merged(tables ...map[string][]string) map[string][]string {
	all := map[string][]string{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}
