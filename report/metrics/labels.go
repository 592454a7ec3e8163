package metrics

import (
	"strconv"

	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/secrecy"
)

// other is the label of unnamed values: unknown code points, rare values, and
// everything new after maxSeries was reached.
const other = "other"

// none is the group label of a key exchange without a group.
const none = "none"

// maxSeries limits the combinations of labels, so that a server that uses every
// suite and group does not exhaust the memory of the scraper. Beyond it the
// group, then the key exchange and the version, count as "other". The totals
// stay exact.
const maxSeries = 1000

// labels identify the series of a negotiated connection.
type labels struct {
	verdict                     secrecy.Verdict
	version, keyExchange, group string
}

func labelsOf(c *report.Connection) labels {
	return labels{c.ForwardSecrecy, versionLabel(c.Version), keyExchangeLabel(c.KeyExchange), groupLabel(c)}
}

// versionLabel returns the version's name. All drafts and experiments of TLS
// 1.3 share one label.
func versionLabel(v iana.Version) string {
	switch {
	case v.IsTLS13() && v != iana.TLS13 && v != iana.DTLS13:
		return "TLS 1.3 draft"
	case v.Known():
		return v.String()
	}
	return other
}

var keyExchanges = func() map[string]bool {
	names := map[string]bool{"hybrid": true, "KEM": true} // of TLS 1.3
	for _, k := range iana.KeyExchanges() {
		names[k.String()] = k != iana.KexUnknown
	}
	return names
}()

func keyExchangeLabel(name string) string {
	if keyExchanges[name] {
		return name
	}
	return other
}

// groupLabel returns the name of the group, or the size of a finite-field prime
// without a group name.
func groupLabel(c *report.Connection) string {
	switch {
	case c.HasGroup && c.Group.Known() && !c.Group.IsGREASE():
		return c.Group.String()
	case c.HasGroup:
		return other
	case c.DHBits > 0:
		switch c.DHBits {
		case 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192:
			return "DH " + strconv.Itoa(c.DHBits) + " bits"
		}
		return "DH " + other
	}
	return none
}
