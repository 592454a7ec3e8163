package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"pfsight/cmd/pfsight/internal/laws"
)

// lossless compares the records with those of the unchanged captures. They
// must be equal except for the exceptions of the changes.
func lossless(x laws.Composition, w *laws.Work, want, got answer) []violation {
	var out []violation
	if got.code != want.code {
		out = append(out, violation{"exit code", fmt.Sprintf("%d, want %d: %s", got.code, want.code, got.stderr)})
	}
	midstream := w.Midstream()
	a, b := canonical(x, midstream, want.records), canonical(x, midstream, got.records)
	if slices.Equal(texts(a), texts(b)) {
		return out
	}
	// Keep only the differences.
	a, b = without(a, b), without(b, a)
	if len(a) != len(b) {
		out = append(out, violation{"records", fmt.Sprintf("%d, want %d; missing %s; unexpected %s", len(got.records), len(want.records), brief(a), brief(b))})
	}
	for _, g := range b {
		best, least := -1, 1<<30
		for i, w := range a {
			d := len(differences(w, g))
			if !sameEnds(w, g) {
				d += 100
			}
			if d < least {
				best, least = i, d
			}
		}
		if best < 0 {
			break
		}
		for _, f := range differences(a[best], g) {
			out = append(out, violation{f, fmt.Sprintf("%v, want %v", short(g[f]), short(a[best][f]))})
		}
		a = slices.Delete(a, best, best+1)
	}
	return out
}

// canonical returns the records without the fields that the changes may
// change.
func canonical(x laws.Composition, midstream map[[2]string]bool, list []record) []record {
	var out []record
	for _, r := range list {
		c := record{}
		for f, v := range r {
			c[f] = v
		}
		for _, change := range x.Changes {
			for _, e := range change.Differs {
				switch {
				case e.Only == "datagrams" && r["transport"] == "tcp", e.Only == "midstream" && !midstream[ends(r)]:
					continue
				}
				for _, f := range strings.Fields(e.Fields) {
					delete(c, f)
				}
			}
		}
		out = append(out, c)
	}
	return out
}

// texts returns records as sorted text.
func texts(list []record) []string {
	var out []string
	for _, r := range list {
		out = append(out, line(r))
	}
	slices.Sort(out)
	return out
}

func line(r record) string {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// without returns the records of a that are not in b.
func without(a, b []record) []record {
	have := map[string]int{}
	for _, r := range b {
		have[line(r)]++
	}
	var out []record
	for _, r := range a {
		if l := line(r); have[l] > 0 {
			have[l]--
		} else {
			out = append(out, r)
		}
	}
	return out
}

func differences(a, b record) []string {
	var out []string
	for f := range merge(a, b) {
		if !reflect.DeepEqual(a[f], b[f]) {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}

func sameEnds(a, b record) bool {
	return endpoints(a) == endpoints(b) && a["client_mac"] == b["client_mac"]
}

// ends returns the endpoints of a record in the form of laws.Work.Midstream.
func ends(r record) (e [2]string) {
	for i, side := range []string{"client", "server"} {
		a, _ := netip.ParseAddr(fmt.Sprint(r[side+"_ip"]))
		port, _ := r[side+"_port"].(float64)
		e[i] = netip.AddrPortFrom(a, uint16(port)).String()
	}
	slices.Sort(e[:])
	return e
}

func brief(list []record) string {
	var out []string
	for _, r := range list {
		out = append(out, fmt.Sprintf("[%v:%v %v:%v %v %v %v %v]", r["client_ip"], r["client_port"], r["server_ip"], r["server_port"], r["version"], r["cipher_suite"], r["forward_secrecy"], r["outcome"]))
	}
	return strings.Join(out, " ")
}

func short(v any) string {
	s := fmt.Sprint(v)
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}
