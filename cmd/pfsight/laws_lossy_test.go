package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"pfsight/cmd/pfsight/internal/laws"
)

// A lossRule says which values a field may have after a loss.
type lossRule struct {
	fields string
	why    string
	may    func(want, got any) bool // accepts further values than the same and an absent one; nil: any value
}

// lossRules are the exceptions from the rule that a field is the same or
// absent.
var lossRules = []lossRule{
	{"time last_time", "the first or the last packet may be lost", nil},
	{"packets bytes_to_server bytes_to_client", "packets that were not seen do not count", nil},
	{"client_hello_packet server_hello_packet session_packet session_time session_source session_forward_secrecy source", "packet numbers change, and another connection may have established the session", nil},
	{"client_hello_split", "it concerns the first ClientHello, which may be lost", nil},
	{"problems gap one_direction", "they report the loss", nil},
	{"forward_secrecy", "unknown means undetermined", isWord("unknown")},
	{"outcome", "incomplete means undetermined", isWord("incomplete")},
	{"reasons", "reasons that say what was not seen", onlyUnknown},
	{"offered", "lists may be cut, and are marked as cut", lessOffered},
	{"upgrade_chain", "the first part may be lost", partOf},
	{"upgrade target", "the dialog before TLS may be lost without a trace", isNothing},
	{"early_data", "sent and rejected are seen later than offered", lessEarly},
	{"alert", "an alert may be recognized without its code", isWord("encrypted")},
	{"ticket_key_id ticket_lifetime", "without the server's new ticket it is that of the client's ticket", nil},
	{"quic_version", "RFC 9368: the client begins in one version and the server may choose another, which its packets show", nil},
	{"migrated_to", "the packets that show it may be lost", nil},
}

// isNothing accepts no further values, but the field may be absent without a
// reason.
func isNothing(_, _ any) bool { return false }

// silent are the fields that may be absent without a reason in the record.
var silent = strings.Fields("upgrade upgrade_chain target migrated_to client_hello_split encapsulation ticket_key_id ticket_lifetime hello_retry_request hello_retry_group early_data")

func isWord(w string) func(want, got any) bool {
	return func(_, got any) bool { return got == w }
}

// unknownReasons are the reasons that say what was not seen.
var unknownReasons = []any{"no_server_hello", "one_direction", "damaged", "unknown_resumption"}

func onlyUnknown(want, got any) bool {
	w, _ := want.([]any)
	g, _ := got.([]any)
	for _, r := range g {
		if !slices.Contains(w, r) && !slices.Contains(unknownReasons, r) && !slices.ContainsFunc(w, func(x any) bool { return slices.Contains(weaker[x], r) }) {
			return false
		}
	}
	return true
}

// weaker maps a reason to those that say a part of it.
var weaker = map[any][]any{
	"psk_dhe_ke":            {"tls13_key_share"},
	"ticket_resumption":     {"session_resumption"},
	"session_id_resumption": {"session_resumption"},
}

func partOf(want, got any) bool {
	w, _ := want.([]any)
	g, _ := got.([]any)
	for _, r := range g {
		if !slices.Contains(w, r) {
			return false
		}
	}
	return true
}

func lessEarly(want, got any) bool {
	order := []any{nil, "offered", "sent", "rejected"}
	return slices.Index(order, got) <= slices.Index(order, want)
}

// lessOffered reports whether got may be the rest of an offer: its lists are
// prefixes of those that were sent.
func lessOffered(want, got any) bool {
	w, _ := want.(map[string]any)
	g, _ := got.(map[string]any)
	if w == nil || g == nil {
		return false
	}
	if g["incomplete"] != true {
		// If only the second of two hellos is left, it follows a
		// HelloRetryRequest and offers another key share.
		for f, v := range g {
			if f != "key_shares" && !reflect.DeepEqual(v, w[f]) {
				return false
			}
		}
		return true
	}
	for f, v := range g {
		if f == "incomplete" {
			continue
		}
		a, isList := v.([]any)
		b, _ := w[f].([]any)
		if isList && len(a) <= len(b) && reflect.DeepEqual(a, b[:len(a)]) || reflect.DeepEqual(v, w[f]) {
			continue
		}
		if f == "versions" || v == false { // from the header; later parts are missing
			continue
		}
		return false
	}
	return true
}

var lossRuleOf = func() map[string]lossRule {
	m := map[string]lossRule{}
	for _, r := range lossRules {
		for _, f := range strings.Fields(r.fields) {
			m[f] = r
		}
	}
	return m
}()

// lies returns the fields of got that contradict want.
func lies(want, got record) []violation {
	var out []violation
	for f, v := range got {
		if reflect.DeepEqual(v, want[f]) {
			continue
		}
		if f == "reasons" && want["early_data"] == "rejected" {
			// Early data is a reason until the answer rejects it.
			list, _ := v.([]any)
			v = slices.DeleteFunc(slices.Clone(list), func(r any) bool { return r == "early_data" })
		}
		if rule, ok := lossRuleOf[f]; ok && (rule.may == nil || rule.may(want[f], v)) {
			continue
		}
		out = append(out, violation{f, fmt.Sprintf("got %v, want %v (%v; reasons %v, problems %v)", short(v), short(want[f]), got["forward_secrecy"], got["reasons"], got["problems"])})
	}
	slices.SortFunc(out, func(a, b violation) int { return strings.Compare(a.field, b.field) })
	return out
}

// lossy compares records after a loss with the complete ones.
func lossy(x laws.Composition, want, got answer) []violation {
	var out []violation
	exempt := map[string]bool{}
	for _, c := range x.Changes {
		for _, e := range c.Differs {
			for _, f := range strings.Fields(e.Fields) {
				exempt[f] = true
			}
		}
	}
	compare := func(w, g record) []violation {
		return slices.DeleteFunc(lies(w, g), func(v violation) bool {
			return exempt[v.field] || v.field == "client_port" && w["migrated_to"] != nil ||
				strings.HasPrefix(v.field, "ja") && w["hello_retry_request"] == true // of the second hello, or of the first
		})
	}
	used := map[int]int{}
	for i, at := range pairs(want.records, got.records, func(w, g record) int {
		return len(compare(w, g)) + len(unexplained(w, g, cutOnly(x)))
	}) {
		g := got.records[i]
		if at < 0 {
			out = append(out, violation{"records", "unexpected endpoints: " + brief([]record{g})})
			continue
		}
		if used[at]++; used[at] > 1 {
			out = append(out, violation{"records", fmt.Sprintf("more records than connections: %s", brief(got.records))})
		}
		out = append(out, compare(want.records[at], g)...)
		out = append(out, unexplained(want.records[at], g, cutOnly(x))...)
	}
	if len(out) == 0 {
		out = exitCode(got)
	}
	return out
}

// pairs returns for each record of got the index of its record in want, or -1.
// If there are several connections between the same endpoints, a poor record
// may fit more than one. So the assignment with the least sum of costs is
// searched. Each record of want is used once, as long as there are enough, and
// then by cost and by distance in time.
func pairs(want, got []record, cost func(w, g record) int) []int {
	const once = 1 << 40 // more than the sum of all costs
	type choice struct{ at, cost int }
	choices := make([][]choice, len(got))
	for i, g := range got {
		for k, w := range want {
			if maybeSame(w, g) {
				choices[i] = append(choices[i], choice{k, cost(w, g)<<20 + apart(w, g)})
			}
		}
		slices.SortStableFunc(choices[i], func(a, b choice) int { return a.cost - b.cost })
	}
	used := make([]int, len(want))
	at := make([]int, len(got))
	price := make([]int, len(got))
	for i := range got {
		at[i] = -1
		for _, c := range choices[i] {
			if c := (choice{c.at, c.cost + once*used[c.at]}); at[i] < 0 || c.cost < price[i] {
				at[i], price[i] = c.at, c.cost
			}
		}
		if at[i] >= 0 {
			used[at[i]]++
		}
	}
	// Move one record, or exchange two, until nothing improves.
	costOf := func(i, k int) int {
		for _, c := range choices[i] {
			if c.at == k {
				return c.cost
			}
		}
		return -1
	}
	for again := true; again; {
		again = false
		for i := range got {
			for _, c := range choices[i] {
				if c.at != at[i] && c.cost+once*used[c.at] < costOf(i, at[i])+once*(used[at[i]]-1) {
					used[at[i]]--
					used[c.at]++
					at[i], again = c.at, true
				}
			}
			for j := range i {
				if at[i] < 0 || at[j] < 0 || at[i] == at[j] {
					continue
				}
				a, b := costOf(i, at[j]), costOf(j, at[i])
				if a >= 0 && b >= 0 && a+b < costOf(i, at[i])+costOf(j, at[j]) {
					at[i], at[j], again = at[j], at[i], true
				}
			}
		}
	}
	return at
}

// apart returns the distance of g from the time of w, in milliseconds, up to
// 2^19.
func apart(w, g record) int {
	var t [4]int64
	for i, v := range []any{w["time"], w["last_time"], g["time"], g["last_time"]} {
		n, ok := v.(int64)
		if !ok {
			return 0
		}
		t[i] = n / 1e6
	}
	return int(min(max(t[0]-t[2], 0)+max(t[3]-t[1], 0), 1<<19))
}

// maybeSame reports whether the records have the same endpoints.
func maybeSame(w, g record) bool {
	a, b := endpoints(w), endpoints(g)
	if a == b || a == [4]any{b[2], b[3], b[0], b[1]} {
		return w["client_mac"] == nil || w["client_mac"] == g["client_mac"] || w["server_mac"] == g["server_mac"] || w["client_mac"] == g["server_mac"]
	}
	moved := fmt.Sprintf("%v:%v", g["client_ip"], g["client_port"])
	if strings.Contains(fmt.Sprint(g["client_ip"]), ":") {
		moved = fmt.Sprintf("[%v]:%v", g["client_ip"], g["client_port"])
	}
	return w["migrated_to"] == moved || w["migrated_to"] != nil && g["client_ip"] == w["client_ip"] && g["server_port"] == w["server_port"]
}

// saysLoss reports whether a record says that a part was not seen.
func saysLoss(r record) bool {
	if offered, ok := r["offered"].(map[string]any); ok && offered["incomplete"] == true {
		return true
	}
	return r["gap"] == true || r["one_direction"] != nil || r["problems"] != nil || r["outcome"] == "incomplete"
}

// unexplained returns the fields that a record lacks without saying that
// something was lost.
func unexplained(w, g record, cutOnly bool) []violation {
	var out []violation
	if !saysLoss(g) {
		for f := range w {
			rule, special := lossRuleOf[f]
			if g[f] == nil && !(special && rule.may == nil) && !slices.Contains(silent, f) {
				out = append(out, violation{f, fmt.Sprintf("absent, want %v, and the record reports no loss", short(w[f]))})
			}
		}
		if g["forward_secrecy"] == "unknown" && w["forward_secrecy"] != "unknown" {
			out = append(out, violation{"forward_secrecy", "unknown, and the record reports no loss"})
		}
	}
	if cutOnly && g["gap"] == true && w["gap"] != true {
		out = append(out, violation{"gap", "got true, want false: packets were only cut"})
	}
	return out
}

// cutOnly reports whether a composition cuts packets and loses nothing else.
// In a small fragment the cut may be inside the TCP header, which loses the
// segment.
func cutOnly(x laws.Composition) bool {
	return !slices.ContainsFunc(x.Changes, func(c laws.Change) bool { return c.Loss && c.Name != "snaplen" })
}

// exitCode returns a violation if the exit code contradicts the records.
func exitCode(got answer) []violation {
	for _, r := range got.records {
		lost := r["gap"] == true
		if list, ok := r["problems"].([]any); ok {
			lost = lost || slices.ContainsFunc(list, func(p any) bool { return strings.Contains(fmt.Sprint(p), "cut by") })
		}
		if lost && (got.code != exitIncomplete || got.stderr == "") {
			return []violation{{"exit code", fmt.Sprintf("%d, and standard error has %q, where a record has gap %v and problems %v", got.code, got.stderr, r["gap"], r["problems"])}}
		}
	}
	return nil
}
