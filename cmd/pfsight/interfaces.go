package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pfsight/capture/live"
	"pfsight/report/render"
)

func newInterfaces(a *app) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "interfaces",
		Short: "List the interfaces that live can capture on",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			list, err := live.Interfaces()
			if err != nil {
				return err
			}
			switch format {
			case "table":
				return a.interfaceTable(list)
			case "json":
				return a.interfaceJSON(list)
			}
			return usagef("--format %q: choose table or json", format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "`FORMAT` of the output: table, json")
	return cmd
}

// interfaceTable writes the interfaces, one a line, each with its addresses.
func (a *app) interfaceTable(list []live.Interface) error {
	rows := [][]string{{live.Any, "all interfaces, including later ones"}}
	for i := range list {
		f := &list[i]
		parts := []string{state(f)}
		if f.Link != "" {
			parts = append(parts, f.Link)
		}
		if f.Speed > 0 {
			parts = append(parts, speed(f.Speed))
		}
		if f.MTU > 0 {
			parts = append(parts, fmt.Sprintf("MTU %d", f.MTU))
		}
		rows = append(rows, []string{render.Quote(f.Name), strings.Join(parts, ", ")})
		for _, p := range f.Addresses {
			rows = append(rows, []string{"", "  " + p.String()})
		}
	}
	return render.Columns(&a.results, rows, 0)
}

func state(f *live.Interface) string {
	switch {
	case !f.Up:
		return "down"
	case !f.Running:
		return "up, no carrier"
	}
	return "up"
}

func speed(mbit int) string {
	if mbit >= 1000 {
		return fmt.Sprintf("%g Gbit/s", float64(mbit)/1000)
	}
	return fmt.Sprintf("%d Mbit/s", mbit)
}

// interfaceJSON writes the interfaces as a JSON array.
func (a *app) interfaceJSON(list []live.Interface) error {
	type object struct {
		Name      string   `json:"name"`
		Up        bool     `json:"up"`
		Running   bool     `json:"running"`
		Loopback  bool     `json:"loopback"`
		Addresses []string `json:"addresses"`
		MAC       string   `json:"mac,omitempty"`
		Link      string   `json:"link_type,omitempty"`
		Mbit      int      `json:"speed_mbit,omitempty"`
		MTU       int      `json:"mtu,omitempty"`
	}
	out := []object{}
	for i := range list {
		f := &list[i]
		o := object{Name: f.Name, Up: f.Up, Running: f.Running, Loopback: f.Loopback, MAC: f.MAC, Link: f.Link, Mbit: f.Speed, MTU: f.MTU, Addresses: []string{}}
		for _, p := range f.Addresses {
			o.Addresses = append(o.Addresses, p.String())
		}
		out = append(out, o)
	}
	e := json.NewEncoder(&a.results)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
