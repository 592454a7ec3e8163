package main

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"pfsight/report/diff"
	"pfsight/report/render"
)

// diffFails are the values of diff's --fail-on.
var diffFails = []string{"less-forward-secrecy", "less-post-quantum", "more-rejected", "lost-server", "lost-client", "refused-server", "refused-client"}

func newDiff(a *app) *cobra.Command {
	var f inputFlags
	var fail []string
	cmd := &cobra.Command{
		Use:   "diff [flags] BEFORE AFTER",
		Short: "Say what a change did, from captures before and after it",
		Long: `diff compares what was seen before a change with what was seen after it: the
shares of forward secrecy, key exchanges, versions, groups and suites, each with
the counts that it rests on; the servers and clients that gained or lost forward
secrecy, the new ones and those that are gone. Differences that are not
significant are marked.

BEFORE and AFTER are each a capture, saved records, or a folder of them.`,
		Example: `  pfsight diff monday.pcap tuesday.pcap
  pfsight diff --fail-on lost-server before/ after.jsonl.gz`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("compare two: pfsight diff BEFORE AFTER")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFailOn(fail, diffFails); err != nil {
				return err
			}
			if args[0] == "-" && args[1] == "-" {
				return usagef("standard input (-) can be read once")
			}
			return a.diff(cmd.Context(), &f, args, fail)
		},
	}
	f.register(cmd.Flags(), render.DiffFormats, "")
	cmd.Flags().StringSliceVar(&fail, "fail-on", nil, "exit 1 if `WHAT` was found: less-forward-secrecy, less-post-quantum, more-rejected (significant differences), lost-server, lost-client (that lost forward secrecy), refused-server, refused-client; may be repeated")
	cmd.Flags().SortFlags = false
	return cmd
}

func (a *app) diff(ctx context.Context, f *inputFlags, args, fail []string) error {
	a.confineReading(f.output, f.noSandbox)
	var sides [2]*diff.Side
	var o *inputOptions
	for i, path := range args {
		var err error
		if o, err = f.options(a, []string{path}); err != nil {
			return err
		}
		side, in, err := sum(ctx, a, o, diff.NewSide)
		if err != nil {
			return err
		}
		side.Input = in
		sides[i] = side
	}
	d := diff.Compare(sides[0], sides[1])
	if err := a.show(o, func(w io.Writer) error { return render.Diff(w, d, f.format, o.render) }); err != nil {
		return err
	}
	if len(fail) > 0 && (d.Before.Connections == 0 || d.After.Connections == 0) {
		return errors.New("--fail-on: no connection was observed on one side, so there is nothing to judge")
	}
	moved := func(what string, k diff.Kind, label string, c diff.Change) {
		if s, ok := d.Find(k, label); slices.Contains(fail, what) && ok && s.Change == c {
			a.fails(o.quiet, "%s: %s of %s before, %s of %s after", what, render.Number(s.Before.N), render.Number(s.Before.Of), render.Number(s.After.N), render.Number(s.After.Of))
		}
	}
	moved("less-forward-secrecy", diff.KindVerdict, "yes", diff.Less)
	moved("less-post-quantum", diff.KindQuality, "post-quantum", diff.Less)
	moved("more-rejected", diff.KindHandshake, "rejected", diff.More)
	for _, p := range []struct {
		what string
		list []diff.Moved
	}{{"lost-server", d.Servers.Lost}, {"lost-client", d.Clients.Lost}, {"refused-server", d.Servers.Refused}, {"refused-client", d.Clients.Refused}} {
		if slices.Contains(fail, p.what) && len(p.list) > 0 {
			a.fails(o.quiet, "%s: %d, such as %s", p.what, len(p.list), render.Quote(p.list[0].Name))
		}
	}
	return nil
}
