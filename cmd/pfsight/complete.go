package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pfsight/report/policy"
	"pfsight/report/schema"
	"pfsight/report/secrecy"
)

// complete makes the shell complete the values of flags that have few, and the names
// of policies and of what explain knows, for cmd and its commands.
func complete(cmd *cobra.Command) {
	policies := func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		var out []string
		for _, p := range policy.Builtin() {
			out = append(out, p.Name+"\t"+p.Title)
		}
		return begin(out, begun), cobra.ShellCompDirectiveDefault // or a file
	}
	values := map[string][]string{
		"color":       {"auto", "always", "never"},
		"events":      {"handshake", "end", "all"},
		"config":      policy.ConfigKinds(),
		"certificate": append([]string{"ecdsa"}, policy.KeyTypes()...),
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for name, list := range values {
			if c.Flags().Lookup(name) != nil {
				_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp))
			}
		}
		if f := c.Flags().Lookup("format"); f != nil {
			// Its help ends with the values: each command has its own.
			_, list, _ := strings.Cut(f.Usage, ": ")
			list, _, _ = strings.Cut(list, ";")
			_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(strings.Split(list, ", "), cobra.ShellCompDirectiveNoFileComp))
		}
		if c.Flags().Lookup("policy") != nil {
			_ = c.RegisterFlagCompletionFunc("policy", policies)
		}
		switch c.CommandPath() {
		case "pfsight policies show":
			c.ValidArgsFunction = policies
		case "pfsight explain":
			c.ValidArgsFunction = func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
				out := []string{"reasons", "fields", "filter", "where"}
				for r := range secrecy.NumReasons {
					out = append(out, r.Doc().Code+"\t"+r.Doc().Title)
				}
				for _, f := range schema.Entries() {
					out = append(out, f.Name+"\t"+f.Meaning)
				}
				return begin(out, begun), cobra.ShellCompDirectiveNoFileComp
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(cmd)
}

// begin returns the elements of list that begin with s.
func begin(list []string, s string) []string {
	return slices.DeleteFunc(list, func(x string) bool { return !strings.HasPrefix(x, s) })
}
