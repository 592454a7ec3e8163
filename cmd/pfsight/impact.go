package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pfsight/report/impact"
	"pfsight/report/policy"
	"pfsight/report/render"
)

// impactFails are the values of impact's --fail-on.
var impactFails = []string{"breaks", "depends", "no-forward-secrecy", "loses-forward-secrecy", "loses-post-quantum", "round-trip"}

// impactFlags are the flags of impact, as typed.
type impactFlags struct {
	inputFlags
	policies    []string
	certificate []string
	advise      bool
	config      string
	fail        []string
	maxBreaking string
	software    softwareFlag
	allow       []string
}

// softwareFlag is --server, which may be repeated.
type softwareFlag struct{ policy.Software }

func (f *softwareFlag) String() string     { return "" }
func (f *softwareFlag) Type() string       { return "PROGRAM/VERSION" }
func (f *softwareFlag) Set(s string) error { return f.Software.Set(s) }

func newImpact(a *app) *cobra.Command {
	var f impactFlags
	cmd := &cobra.Command{
		Use:   "impact --policy NAME|FILE [flags] INPUT ...",
		Short: "Say what observed clients would get under another policy",
		Long: `impact tests every observed ClientHello against a server with another policy.
It shows which clients keep what they have, which change and to what, which gain
or lose forward secrecy or post-quantum key exchange, which need another round
trip, and which break and why. It reads captures and saved records, and sends
nothing.

A policy is a built-in one (see "pfsight policies"), a YAML file, or the
configuration of nginx, Apache or HAProxy. Several are compared side by side.

In a configuration with several servers, each connection is tested against the
server that would accept it, by address, port and server name. Results are shown
for each server and for all. If releases of the program differ and --server does
not name one, the result is in doubt.

With --advise it shows the strictest built-in policy that breaks no observed
client, what must be added to a policy so that the others succeed, ranked by
benefit and cost, and which few clients prevent the next stricter policy. Weak
algorithms (no encryption, no authentication, export strength, RC4, 3DES, SSL 3.0)
are never added unless --allow names them: clients that need them are listed as
"upgrade or isolate".`,
		Example: `  pfsight impact --policy mozilla-intermediate-6-0 captures/
  pfsight impact --policy rfc9325-bcp195 --policy tls13-only week.jsonl.zst
  pfsight impact --policy nginx.conf --advise --config nginx week.jsonl
  pfsight impact --policy tls13-only --fail-on breaks --max-breaking 0.1% in/`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.impact(cmd.Context(), &f, args) },
	}
	s := cmd.Flags()
	s.StringArrayVar(&f.policies, "policy", nil, "a policy: `NAME|FILE`; may be repeated")
	s.Var(&f.software, "server", "software that uses the configuration file: `PROGRAM/VERSION`, such as nginx/1.22.1, openssl/3.5 or crypto-policies/DEFAULT; may be repeated (default: what depends on it is in doubt)")
	s.BoolVar(&f.advise, "advise", false, "show the strictest policy that breaks nothing, and what prevents a stricter one")
	s.StringSliceVar(&f.allow, "allow", nil, "with --advise, allow weak algorithms: `KINDS` of "+strings.Join(impact.Weaknesses(), ", ")+" (default: none; clients that need them are listed)")
	s.StringSliceVar(&f.certificate, "certificate", nil, "`TYPES` of the servers' certificates, such as rsa,ecdsa (default: those that were observed)")
	s.StringVar(&f.config, "config", "", "show the policy, with --advise the one that all clients can use, as configuration for `KIND`: "+strings.Join(policy.ConfigKinds(), ", "))
	s.StringSliceVar(&f.fail, "fail-on", nil, "exit 1 if a policy has `WHAT`: "+strings.Join(impactFails, ", ")+"; may be repeated")
	s.StringVar(&f.maxBreaking, "max-breaking", "0", "with --fail-on, allow so many connections: a `NUMBER`, or a share such as 0.1%")
	f.register(s, render.ImpactFormats, "")
	s.SortFlags = false
	return cmd
}

// A threshold is how many connections --max-breaking allows.
type threshold struct {
	share float64
	n     uint64
}

func (f *impactFlags) threshold() (t threshold, err error) {
	if text, ok := strings.CutSuffix(strings.TrimSpace(f.maxBreaking), "%"); ok {
		x, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || !(x >= 0 && x <= 100) {
			return t, usagef("--max-breaking %q: write a share such as 0.1%%", f.maxBreaking)
		}
		t.share = x / 100
		return t, nil
	}
	if t.n, err = strconv.ParseUint(strings.TrimSpace(f.maxBreaking), 10, 64); err != nil {
		return t, usagef("--max-breaking %q: write a number of connections, or a share such as 0.1%%", f.maxBreaking)
	}
	return t, nil
}

func (t threshold) exceeded(n, of uint64) bool {
	return n > t.n && float64(n) > t.share*float64(of)
}

// find resolves the policies and the types of certificates.
func (f *impactFlags) find() (list []*policy.Policy, keys []policy.KeyType, err error) {
	for _, word := range f.policies {
		found, err := f.software.Find(word)
		if err != nil {
			return nil, nil, usagef("--policy: %w", err)
		}
		list = append(list, found...)
	}
	if len(list) == 0 && !f.advise {
		return nil, nil, usagef("no policy named: --policy NAME or FILE; see \"pfsight policies\"")
	}
	for _, name := range f.certificate {
		k, ok := policy.LookupKeyType(strings.TrimSpace(name))
		if !ok {
			return nil, nil, usagef("--certificate %q: choose from ecdsa, %s", name, strings.Join(policy.KeyTypes(), ", "))
		}
		keys = append(keys, k)
	}
	if f.config != "" {
		if !slices.Contains(policy.ConfigKinds(), f.config) {
			return nil, nil, usagef("--config %q: choose one of %s", f.config, strings.Join(policy.ConfigKinds(), ", "))
		}
		if len(list) != 1 && !(f.advise && len(list) == 0) {
			return nil, nil, usagef("--config needs one policy, not %d", len(list))
		}
	}
	if err := checkFailOn(f.fail, impactFails); err != nil {
		return nil, nil, err
	}
	if len(f.fail) > 0 && len(list) == 0 {
		return nil, nil, usagef("--fail-on needs a --policy")
	}
	return list, keys, nil
}

func (a *app) impact(ctx context.Context, f *impactFlags, args []string) error {
	a.confineReading(f.output, f.noSandbox) // a policy may be a file
	list, keys, err := f.find()
	if err != nil {
		return err
	}
	var allow impact.Weakness
	for _, name := range f.allow {
		w, err := impact.LookupWeakness(strings.TrimSpace(name))
		if err != nil {
			return usagef("--allow %w", err)
		}
		allow |= w
	}
	if allow != 0 && !f.advise {
		return usagef("--allow is for --advise")
	}
	limit, err := f.threshold()
	if err != nil {
		return err
	}
	if len(f.fail) == 0 && f.maxBreaking != "0" {
		return usagef("--max-breaking is a limit for --fail-on: add --fail-on")
	}
	o, err := f.options(a, args)
	if err != nil {
		return err
	}
	clients, in, err := sum(ctx, a, o, impact.NewSum)
	if err != nil {
		return err
	}
	study := clients.Study(keys)
	r := &render.ImpactReport{Input: in, Now: study.Now(), Keys: strings.Join(f.certificate, ", "), Kind: f.config}
	for _, p := range candidates(list) {
		if p.site == nil {
			r.Outcomes = append(r.Outcomes, study.Ask(p.policy))
			continue
		}
		routed := study.AskSite(p.site)
		r.Outcomes = append(append(r.Outcomes, routed.Sum), routed.Hosts...)
	}
	shown := list
	if f.advise {
		r.Advice = study.Advise(targets(), list, allow)
		for _, o := range r.Advice.Openings {
			if o.Opened != nil {
				shown = []*policy.Policy{o.Opened}
			}
		}
		if len(list) == 0 && r.Advice.Strictest != nil {
			shown = []*policy.Policy{r.Advice.Strictest.Policy}
		}
	}
	if f.config != "" && len(shown) > 0 {
		if r.Config, err = shown[0].Config(f.config); err != nil {
			return err
		}
	}
	if err := a.show(o, func(w io.Writer) error { return render.Impact(w, r, f.format, o.render) }); err != nil {
		return err
	}
	if len(f.fail) > 0 && r.Now.Complete.Connections == 0 {
		return errors.New("--fail-on: no ClientHello was observed, so there is nothing to judge")
	}
	a.impactFails(f, o, r, limit)
	return nil
}

// A candidate is a policy, or the servers of a configuration.
type candidate struct {
	policy *policy.Policy
	site   *policy.Site
}

// candidates returns the policies and configurations of list, in its order.
func candidates(list []*policy.Policy) (out []candidate) {
	sites, _ := policy.Sites(list)
	for _, p := range list {
		if p.Host == nil {
			out = append(out, candidate{policy: p})
			continue
		}
		if len(sites) > 0 && sites[0].Hosts[0] == p {
			out = append(out, candidate{site: sites[0]})
			sites = sites[1:]
		}
	}
	return out
}

// targets returns the built-in policies that are recommended as targets.
func targets() []*policy.Policy {
	var out []*policy.Policy
	for _, p := range policy.Builtin() {
		if p.Target {
			out = append(out, p)
		}
	}
	return out
}

// impactFails applies --fail-on.
func (a *app) impactFails(f *impactFlags, o *inputOptions, r *render.ImpactReport, limit threshold) {
	for _, x := range r.Outcomes {
		for _, c := range []struct {
			what string
			t    impact.Tally
		}{
			{"breaks", x.Breaks}, {"depends", x.Depends}, {"no-forward-secrecy", x.NoForwardSecrecy}, {"loses-forward-secrecy", x.LosesForwardSecrecy},
			{"loses-post-quantum", x.LosesPostQuantum}, {"round-trip", x.RoundTrip},
		} {
			if slices.Contains(f.fail, c.what) && limit.exceeded(c.t.Connections, r.Now.Complete.Connections) {
				a.fails(o.quiet, "%s: %s of %s observed connections, of %s clients: %s", x.Name, render.Number(c.t.Connections), render.Number(r.Now.Complete.Connections), render.Number(c.t.Clients), c.what)
			}
		}
	}
}
