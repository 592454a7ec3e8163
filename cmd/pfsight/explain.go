package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pfsight/capture/filter"
	"pfsight/parse/iana"
	"pfsight/report/policy"
	"pfsight/report/render"
	"pfsight/report/schema"
	"pfsight/report/secrecy"
	"pfsight/report/suggest"
	"pfsight/report/where"
	"pfsight/report/wrap"
)

func newExplain(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "explain CODE ...",
		Short: "Say what a code point, a reason or a field means, and why",
		Long: `explain says what a code means and why, with its reference. A code is

  a cipher suite    TLS_RSA_WITH_AES_128_CBC_SHA, 0xc02f
  a group           x25519, P-256, X25519MLKEM768, 0x11ec
  a reason          rsa_key_transport, weak_dh, ticket_issued
  an alert          handshake_failure
  a refusal         no_common_group: why a policy would break a client
  reasons           all reasons, one a line
  filter            what -f understands
  where             what --where understands
  a field           forward_secrecy, outcome: of the JSON record
  fields            all fields of the JSON record`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("explain what? For example: pfsight explain rsa_key_transport")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			for i, code := range args {
				if i > 0 {
					fmt.Fprintln(&a.results)
				}
				if err := explain(&a.results, code); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// explain writes what code means, whatever kind of code it is.
func explain(w io.Writer, code string) error {
	switch code {
	case "reasons":
		var rows [][]string
		for r := range secrecy.NumReasons {
			d := r.Doc()
			rows = append(rows, []string{d.Code, d.Title})
		}
		return render.Columns(w, rows, 0)
	case "filter":
		fmt.Fprintln(w, filter.Syntax)
		return nil
	case "where":
		fmt.Fprintln(w, where.Syntax)
		return nil
	case "fields":
		for _, f := range schema.Entries() {
			explainField(w, f)
		}
		fmt.Fprintln(w)
		para(w, `In a string, a byte that is not UTF-8 is written \xNN, two hex digits in lower case, and a backslash before xNN is written \x5c. CSV writes the fields of an object as columns such as certificate_bits, and separates the elements of a list by semicolons.`)
		return nil
	}
	found := false
	if r, ok := secrecy.LookupReason(strings.ToLower(code)); ok {
		explainReason(w, r)
		found = true
	}
	n, numErr := strconv.ParseUint(code, 0, 16)
	if s, ok := iana.LookupSuite(code); ok || numErr == nil && iana.CipherSuite(n).Known() {
		if !ok {
			s = iana.CipherSuite(n)
		}
		if err := explainSuite(w, s); err != nil {
			return err
		}
		found = true
	}
	if g, ok := iana.LookupGroup(code); ok || numErr == nil && iana.Group(n).Known() {
		if !ok {
			g = iana.Group(n)
		}
		if found {
			fmt.Fprintln(w)
		}
		if err := explainGroup(w, g); err != nil {
			return err
		}
		found = true
	}
	if al, ok := iana.LookupAlert(code); ok {
		fmt.Fprintf(w, "%s: alert %d of the TLS Alerts registry\n", al, uint8(al))
		found = true
	}
	for _, f := range policy.Failures() {
		if strings.EqualFold(f.String(), code) {
			fmt.Fprintf(w, "%s: why a server with a policy refuses a client\n", f)
			para(w, f.Text())
			fmt.Fprintf(w, "  alert: %s\n", f.Alert())
			found = true
		}
	}
	for _, f := range schema.Entries() {
		if strings.EqualFold(f.Name, code) || strings.EqualFold(f.Of, code) {
			explainField(w, f)
			found = true
		}
	}
	for _, k := range iana.KeyExchanges() {
		if !found && strings.EqualFold(k.String(), code) {
			text, v, why := secrecy.Family(k)
			fmt.Fprintf(w, "%s: a key exchange\n", k)
			para(w, text)
			fmt.Fprintf(w, "  forward secrecy: %s (%s)\n", v, why)
			found = true
		}
	}
	if found {
		return nil
	}
	if numErr == nil {
		fmt.Fprintf(w, "0x%04x: no cipher suite and no group is registered with this number\n", n)
		return nil
	}
	if near := suggestions(code); len(near) > 0 {
		return fmt.Errorf("explain %q: not known; did you mean %s?", code, strings.Join(near, ", "))
	}
	return fmt.Errorf("explain %q: not known; see 'pfsight explain --help'", code)
}

func explainField(w io.Writer, f schema.Entry) {
	fmt.Fprintf(w, "%s (%s)\n", f.Name, f.Type)
	para(w, f.Meaning)
	para(w, "absent: "+f.Absent)
}

func explainReason(w io.Writer, r secrecy.Reason) {
	d := r.Doc()
	fmt.Fprintf(w, "%s: %s\n", d.Code, d.Title)
	para(w, d.Meaning)
	if d.Advice != "" {
		para(w, "What to do: "+d.Advice)
	}
	if len(d.References) > 0 {
		para(w, "Reference: "+strings.Join(d.References, "; "))
	}
}

func explainSuite(w io.Writer, s iana.CipherSuite) error {
	i := s.Info()
	fmt.Fprintf(w, "%s (0x%04x): cipher suite\n", s, uint16(s))
	text, v, why := secrecy.Family(i.KeyExchange)
	var rows [][]string
	row := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{"  " + name, value})
		}
	}
	switch {
	case i.KeyExchange == iana.KexTLS13 && i.NoEncryption:
		row("forward secrecy", "no (null_encryption)")
		row("key exchange", "TLS 1.3: the key_share decides; but nothing is encrypted")
	case i.KeyExchange == iana.KexTLS13:
		row("forward secrecy", "yes with a key_share, no without (psk_ke)")
		row("key exchange", "TLS 1.3: not part of the suite")
	case i.Kind == "grease" || i.Kind == "scsv":
		row("meaning", "a signal in a ClientHello; it cannot be selected")
	case i.NoEncryption:
		row("forward secrecy", "no (null_encryption)")
		row("key exchange", i.KeyExchange.String()+": "+text)
	default:
		verdict := v.String() + " (" + why.String() + ")"
		if v == secrecy.Yes {
			verdict += "; conditional when resumed"
		}
		row("forward secrecy", verdict)
		row("key exchange", i.KeyExchange.String()+": "+text)
	}
	row("authentication", i.Authentication)
	row("encryption", i.Encryption)
	row("MAC or hash", i.MAC)
	if i.Export {
		row("export grade", "yes")
	}
	row("in TLS 1.2", i.RFC10015Text())
	row("recommended", map[string]string{"Y": "yes", "N": "no", "D": "discouraged"}[i.Recommended])
	row("reference", references(i.Reference))
	return render.Columns(w, rows, 0)
}

func explainGroup(w io.Writer, g iana.Group) error {
	i := g.Info()
	kind := map[string]string{
		"ec": "elliptic curve", "ff": "finite field", "pq": "post-quantum KEM", "hybrid": "classical and post-quantum together", "grease": "GREASE: reserved, never real",
	}[i.Kind]
	fmt.Fprintf(w, "%s (0x%04x): group, %s\n", g, uint16(g), kind)
	var rows [][]string
	if i.Kind != "grease" {
		pq := "no: a recording can be opened by a quantum computer later"
		if i.PostQuantum {
			pq = "yes"
		}
		rows = append(rows, []string{"  forward secrecy", "yes: the values are made for each connection"}, []string{"  post-quantum", pq})
	}
	if i.SecurityBits > 0 {
		rows = append(rows, []string{"  strength", fmt.Sprintf("about %d bits, classical", i.SecurityBits)})
	}
	if i.Reference != "" {
		rows = append(rows, []string{"  reference", references(i.Reference)})
	}
	return render.Columns(w, rows, 0)
}

// references takes the brackets off those of the registries: "[RFC5246][RFC8996]".
func references(s string) string {
	return strings.NewReplacer("][", ", ", "[", "", "]", "").Replace(s)
}

// para writes text in lines of at most 80 columns.
func para(w io.Writer, text string) {
	for _, line := range wrap.Words(text, helpWidth-len("  ")) {
		fmt.Fprintf(w, "  %s\n", line)
	}
}

// suggestions returns known codes that are like code.
func suggestions(code string) []string {
	code = strings.ToLower(code)
	var list suggest.Ranking
	add := func(name string) {
		l := strings.ToLower(name)
		switch d := suggest.Distance(code, l); {
		case len(code) >= 4 && strings.Contains(l, code):
			list.Add(name, 0)
		case d <= max(1, len(code)/4):
			list.Add(name, d)
		}
	}
	for r := range secrecy.NumReasons {
		add(r.String())
	}
	for _, f := range schema.Entries() {
		add(f.Name)
	}
	for i := range iana.Groups() {
		add(iana.Groups()[i].Name)
	}
	for i := range iana.Suites() {
		add(iana.Suites()[i].Name)
	}
	return list.Best(3)
}
