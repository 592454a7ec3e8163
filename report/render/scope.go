package render

import (
	"fmt"

	"pfsight/report"
)

// Scoped is a Writer whose output describes the input if there are no rows.
type Scoped interface {
	// Scope sets the input. It must be called before Close.
	Scope(in *report.Input)
}

// scope describes which part of the input the report covers: what was not read,
// and what filters excluded. Each string is a sentence. quote is applied to the
// expressions.
func scope(in *report.Input, quote func(string) string) []string {
	out := whyPartial(in)
	if in.Filter != "" {
		out = append(out, "Only packets that match "+quote(in.Filter)+filterNote(in)+".")
	}
	if in.Where != "" {
		out = append(out, "Only connections where "+quote(in.Where)+whereNote(in)+".")
	}
	if in.Events != "" {
		out = append(out, eventsWhere+quote(in.Events)+".")
	}
	return out
}

// whyPartial describes why the input was not read to its end.
func whyPartial(in *report.Input) []string {
	var out []string
	if in.Interrupted {
		out = append(out, "Interrupted: the report covers what was read before.")
	}
	if in.Ongoing {
		out = append(out, "Still reading: the report covers what was read so far.")
	}
	if in.Limit > 0 {
		text := "Only the first " + plural(in.Limit, "packet")
		if in.Filter != "" {
			text += " that " + matches(in.Limit)
		}
		out = append(out, text+" were read, because of -c.")
	}
	return out
}

// filterNote returns how many packets match the filter, if not all do.
func filterNote(in *report.Input) string {
	if in.FilteredOut == 0 {
		return ""
	}
	return fmt.Sprintf(": %s of %s", Number(in.Packets-min(in.FilteredOut, in.Packets)), Number(in.Packets))
}

// whereNote returns how many connections do not match --where, if any.
func whereNote(in *report.Input) string {
	if in.Unwanted == 0 {
		return ""
	}
	return ": " + Number(in.Unwanted) + " others do not match"
}

func matches(n uint64) string {
	if n == 1 {
		return "matches"
	}
	return "match"
}

// partial reports whether the report may not cover the whole input.
func partial(in *report.Input) bool {
	return in.Interrupted || in.Ongoing || in.Limit > 0 || in.Filter != "" || in.Where != "" || len(in.Loss) > 0
}

// shareTitle names the base of the shares.
func shareTitle(in *report.Input) string {
	switch {
	case in.Where != "":
		return "Of the connections that match"
	case partial(in):
		return "Of what was read"
	}
	return "Of the whole capture"
}

// noConnections states that the report has no connections, and of which input.
func noConnections(in *report.Input) string {
	if in.Where != "" && in.Unwanted > 0 {
		return fmt.Sprintf("None of the %s with a TLS handshake matches.", plural(in.Unwanted, "connection"))
	}
	const none = "No TLS handshake was observed in "
	unread := in.FilteredOut
	for i := range in.Loss {
		if l := &in.Loss[i]; l.Reason == "unknown_link_type" {
			unread += l.Count
		}
	}
	switch read := in.Packets - min(unread, in.Packets); {
	case in.Saved && in.Packets == 0, unread == 0:
		return none + inputCount(in) + "."
	case in.Filter != "" && unread == in.FilteredOut:
		return none + fmt.Sprintf("the %s that %s, of %s.", plural(read, "packet"), matches(read), Number(in.Packets))
	case in.Filter != "":
		return none + fmt.Sprintf("the %s that could be read and %s, of %s.", plural(read, "packet"), matches(read), Number(in.Packets))
	default:
		return none + fmt.Sprintf("the %s that could be read, of %s.", plural(read, "packet"), Number(in.Packets))
	}
}

// unquoted is for documents, which quote what they write.
func unquoted(s string) string { return s }
