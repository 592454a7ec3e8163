package main

import (
	_ "embed"

	"github.com/spf13/cobra"
)

// notices are the licenses of the linked packages. dist/notices generates them.
//
//go:generate sh -c "cd ../.. && go run ./cmd/pfsight/dist/notices > cmd/pfsight/dist/NOTICES.txt"
//go:embed dist/NOTICES.txt
var notices string

func newLicenses(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "licenses",
		Short: "Show the licenses of the third-party packages in this program",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.Stdout.Write([]byte(notices))
			return err
		},
	}
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { _ = cmd.RunE(cmd, nil) }) // "pfsight help licenses" too
	return cmd
}
