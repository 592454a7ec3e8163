// Package impact evaluates policies for the clients that were observed: which
// clients keep what they have, which change, which gain or lose forward
// secrecy, and which break, and why. Its answers cover observed clients only.
//
// A [Sum] reduces connections to parties: one client at one server with one
// offer and outcome. [Sum.Study] finishes it. A [Study] evaluates a policy once
// for each question, a distinct pair of an offer and server keys, and counts
// the parties by the answer. [Study.Ask] returns the [Outcome] of a policy,
// [Study.AskSite] that of a configuration with several servers, and
// [Study.Advise] the strictest policy that breaks no client, with the smallest
// change that lets all clients in.
//
//	sum.go       Sum: parties and their parts
//	simulate.go  Study, questions: offers and servers for package policy
//	result.go    Ask, Outcome: the effect of a policy
//	site.go      AskSite, Routed: configurations with several servers
//	advise.go    Advise, Step: candidates by strictness
//	addition.go  Addition: one thing added to a policy
//	open.go      Opening: the smallest change that lets clients in
//	search.go    the search for the smallest change
//	gain.go      Gain: the additions in the order of their effect
//	weak.go      Weakness: what is not added unless it is allowed
package impact
