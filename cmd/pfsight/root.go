package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"
)

func newRoot(a *app) *cobra.Command {
	read := newRead(a)
	root := &cobra.Command{
		Use:   "pfsight [flags] FILE|DIR|- ...",
		Short: "Which TLS connections were forward secret, which were not, and why",
		Long: `pfsight reads packet captures, follows the TLS handshakes in them, and says
which connections used forward-secret key exchange, which did not, and why.

It reads pcap and pcapng, plain or compressed (gzip, zstd, xz, lz4), from
files, folders and standard input (-), in capture-time order. Records that it
saved with --format jsonl or json are an input like a capture.

"pfsight FILE" is the same as "pfsight read FILE".`,
		Example: `  pfsight capture.pcap
  pfsight --connections capture.pcap.gz
  pfsight --format jsonl -f 'tcp port 443' captures/ > connections.jsonl
  pfsight connections.jsonl
  pfsight explain rsa_key_transport`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := read.RunE(cmd, args)
			if len(args) > 0 && errors.Is(err, fs.ErrNotExist) { // a mistyped command looks like a file
				if names := cmd.SuggestionsFor(args[0]); len(names) > 0 {
					err = errors.Join(err, fmt.Errorf("did you mean pfsight %s?", names[0]))
				}
			}
			return err
		},
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),

		SuggestionsMinimumDistance: 2,
	}
	root.SetIn(a.Stdin)
	root.SetOut(&a.results)
	root.SetErr(messageLines{a.Stderr})
	root.SetFlagErrorFunc(flagError)
	root.Flags().AddFlagSet(read.Flags())
	root.Flags().SortFlags, read.Flags().SortFlags = false, false
	root.AddCommand(read, newLive(a), newImpact(a), newDiff(a), newPolicies(a), newExplain(a), newInterfaces(a), newLicenses(a), newMan())
	complete(root)
	root.SetVersionTemplate("pfsight {{.Version}}\n")
	setHelp(a, root)
	return root
}
