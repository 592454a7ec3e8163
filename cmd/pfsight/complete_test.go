package main

import (
	"slices"
	"strings"
	"testing"

	"pfsight/report/render"
)

// TestComplete checks the completions that a shell gets.
func TestComplete(t *testing.T) {
	ask := func(args ...string) []string {
		t.Helper()
		code, out, _ := pfsight(t, "", append([]string{"__complete"}, args...)...)
		list := strings.Split(strings.TrimSpace(out), "\n")
		if code != 0 || !strings.HasPrefix(list[len(list)-1], ":") {
			t.Fatalf("%v: exit %d\n%s", args, code, out)
		}
		for i, s := range list {
			list[i], _, _ = strings.Cut(s, "\t")
		}
		return list[:len(list)-1]
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--format", ""}, formats},
		{[]string{"read", "--format", ""}, formats},
		{[]string{"impact", "--format", ""}, render.ImpactFormats},
		{[]string{"diff", "--format", ""}, render.DiffFormats},
		{[]string{"interfaces", "--format", ""}, []string{"table", "json"}},
		{[]string{"impact", "--policy", "tls13-o"}, []string{"tls13-only"}},
		{[]string{"policies", "show", "mozilla-modern-5"}, []string{"mozilla-modern-5-7"}},
		{[]string{"explain", "outc"}, []string{"outcome"}},
	} {
		if got := ask(c.args...); !slices.Equal(got, c.want) {
			t.Errorf("%v: %q, want %q", c.args, got, c.want)
		}
	}
}
