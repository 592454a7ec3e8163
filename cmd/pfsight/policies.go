package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pfsight/cmd/pfsight/internal/terminal"
	"pfsight/report/policy"
	"pfsight/report/render"
)

// policiesFlags are the flags of policies and its commands, as typed.
type policiesFlags struct {
	targets, markdown bool
	width             int
	config            string
	yaml              bool
	software          softwareFlag
	noSandbox         bool
}

func newPolicies(a *app) *cobra.Command {
	var f policiesFlags
	cmd := &cobra.Command{
		Use:        "policies",
		SuggestFor: []string{"policy"},
		Short:      "Show the built-in TLS policies, or one of a file",
		Long: `policies lists the TLS server policies that are built in: of cloud providers,
Windows Server, guides of browsers and governments, and generic ones. Each has a
source, a date and a confidence. Incomplete or doubtful ones are listed, but are
not recommended as targets.

"pfsight policies show" shows one in full, or the configuration of a server for
it. Instead of a name it takes a file: a policy in YAML (see "pfsight policies
format") or a configuration of nginx, Apache or HAProxy.`,
		Example: `  pfsight policies --targets
  pfsight policies show mozilla-intermediate-6-0
  pfsight policies show mozilla-intermediate-6-0 --config nginx
  pfsight policies show /etc/nginx/nginx.conf`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("policies takes no name; did you mean: pfsight policies show %s?", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			list := policy.Builtin()
			if f.targets {
				list = slices.DeleteFunc(slices.Clone(list), func(p *policy.Policy) bool { return !p.Target })
			}
			opt, err := f.render(a)
			if err != nil {
				return err
			}
			return render.Policies(&a.results, list, opt, f.markdown)
		},
	}
	s := cmd.Flags()
	s.SortFlags = false
	s.BoolVar(&f.targets, "targets", false, "show only those that are recommended as targets")
	s.BoolVar(&f.markdown, "markdown", false, "write the table in Markdown")
	s.IntVar(&f.width, "width", 0, "`COLUMNS` of the output (default: the terminal's, else 80)")
	cmd.AddCommand(newPoliciesShow(a), &cobra.Command{
		Use:   "format",
		Short: "Describe the YAML form of a policy",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(&a.results, policy.Format)
			return err
		},
	})
	return cmd
}

func newPoliciesShow(a *app) *cobra.Command {
	var f policiesFlags
	cmd := &cobra.Command{
		Use:   "show NAME|FILE ...",
		Short: "Show a policy in full, or as configuration of a server",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("show which policy? See 'pfsight policies'")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			a.confineReading("", f.noSandbox)
			opt, err := f.render(a)
			if err != nil {
				return err
			}
			if f.config != "" && f.yaml {
				return usagef("choose one of --config and --yaml")
			}
			if f.config != "" && !slices.Contains(policy.ConfigKinds(), f.config) {
				return usagef("--config %q: choose one of %s", f.config, strings.Join(policy.ConfigKinds(), ", "))
			}
			var list []*policy.Policy
			for _, word := range args {
				found, err := f.software.Find(word)
				if err != nil {
					return err
				}
				list = append(list, found...)
			}
			for i, p := range list {
				if err := f.show(a, p, opt, i); err != nil {
					return err
				}
			}
			return nil
		},
	}
	s := cmd.Flags()
	s.SortFlags = false
	s.StringVar(&f.config, "config", "", "show the configuration for `SERVER`: "+strings.Join(policy.ConfigKinds(), ", "))
	s.Var(&f.software, "server", "software that uses the configuration file: `PROGRAM/VERSION`, such as nginx/1.22.1 or openssl/3.5; may be repeated")
	s.BoolVar(&f.noSandbox, "no-sandbox", false, "keep all rights of the process")
	s.BoolVar(&f.yaml, "yaml", false, "show the policy in YAML, for editing")
	s.IntVar(&f.width, "width", 0, "`COLUMNS` of the output (default: the terminal's, else 80)")
	return cmd
}

// show writes one policy, the i-th.
func (f *policiesFlags) show(a *app, p *policy.Policy, opt render.Options, i int) error {
	switch {
	case f.config != "":
		text, err := p.Config(f.config)
		if err != nil {
			return err
		}
		if i > 0 {
			text = "\n" + text
		}
		_, err = fmt.Fprint(&a.results, text)
		return err
	case f.yaml:
		text, err := p.YAML()
		if err != nil {
			return err
		}
		if i > 0 {
			text = append([]byte("---\n"), text...)
		}
		_, err = a.results.Write(text)
		return err
	}
	if i > 0 {
		fmt.Fprintln(&a.results)
	}
	return render.Policy(&a.results, p, opt)
}

// render resolves the options of the output.
func (f *policiesFlags) render(a *app) (render.Options, error) {
	opt := render.Options{Width: f.width}
	if err := checkWidth(f.width); err != nil {
		return opt, err
	}
	if terminal.Is(a.Stdout) {
		if f.width == 0 {
			opt.Width = terminal.Width(a.Stdout)
		}
		opt.Color = terminal.Color()
	}
	return opt, nil
}
