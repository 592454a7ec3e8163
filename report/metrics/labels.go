package metrics

import (
	"strconv"

	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/secrecy"
)

// other is the label of what has no name of its own: unknown code points,
// values of a list that is too long to be labels, and all that came when
// maxSeries was reached.
const other = "other"

// none is the label of a group where the key exchange has none.
const none = "none"

// maxSeries is how many combinations of labels connections are counted under:
// a server that answers with every suite and group there is must not fill the
// memory of whoever scrapes. Beyond it the group, and then the key exchange
// and the version, are counted as "other"; the sums stay right.
const maxSeries = 1000

// labels tell the series of a negotiated connection.
type labels struct {
	verdict                     secrecy.Verdict
	version, keyExchange, group string
}

func labelsOf(c *report.Connection) labels {
	return labels{c.ForwardSecrecy, versionLabel(c.Version), keyExchangeLabel(c.KeyExchange), groupLabel(c)}
}

// versionLabel is the version's name; drafts and experiments of TLS 1.3 are
// many and counted as one.
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

// groupLabel is the name of the group, or the size of a finite-field prime
// that is none of a named group.
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
