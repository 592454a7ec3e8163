package render

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"pfsight/report"
	"pfsight/report/secrecy"
)

// A column is a field of the record as text.
type column struct {
	name string
	text func(c *report.Connection) string
}

// columns are the fields of the record, flat, as CSV has them.
var columns = []column{
	{"time", func(c *report.Connection) string { return timeText(c.Time) }},
	{"client_ip", func(c *report.Connection) string { return ipOf(c.Client) }},
	{"client_port", func(c *report.Connection) string { return portOf(c.Client) }},
	{"client_mac", func(c *report.Connection) string { return macOf(c.Client) }},
	{"server_ip", func(c *report.Connection) string { return ipOf(c.Server) }},
	{"server_port", func(c *report.Connection) string { return portOf(c.Server) }},
	{"server_mac", func(c *report.Connection) string { return macOf(c.Server) }},
	{"transport", func(c *report.Connection) string { return c.Transport.String() }},
	{"protocol", func(c *report.Connection) string { return c.Protocol.String() }},
	{"upgrade", func(c *report.Connection) string { return c.Upgrade }},
	{"target", func(c *report.Connection) string { return c.Target }},
	{"encapsulation", func(c *report.Connection) string { return strings.Join(c.Encapsulation, ";") }},
	{"source", func(c *report.Connection) string { return c.Source }},
	{"server_name", func(c *report.Connection) string { return c.ServerName }},
	{"alpn", func(c *report.Connection) string { return c.ALPN }},
	{"version", func(c *report.Connection) string { return ifServer(c, func() string { return c.Version.String() }) }},
	{"version_id", func(c *report.Connection) string { return ifServer(c, func() string { return id(uint16(c.Version)) }) }},
	{"cipher_suite", func(c *report.Connection) string { name, _ := c.Suite(); return name }},
	{"cipher_suite_id", func(c *report.Connection) string {
		_, id := c.Suite()
		return id
	}},
	{"key_exchange", func(c *report.Connection) string { return c.KeyExchange }},
	{"authentication", func(c *report.Connection) string { return c.Authentication }},
	{"group", func(c *report.Connection) string {
		if !c.HasGroup {
			return ""
		}
		return c.Group.String()
	}},
	{"group_id", func(c *report.Connection) string {
		if !c.HasGroup {
			return ""
		}
		return id(uint16(c.Group))
	}},
	{"dh_bits", func(c *report.Connection) string { return nonzero(uint64(c.DHBits)) }},
	{"dh_prime", func(c *report.Connection) string { return c.DHPrime }},
	{"psk_mode", func(c *report.Connection) string { return c.PSKMode }},
	{"resumed", func(c *report.Connection) string { return tri(c.Resumed) }},
	{"resumption", func(c *report.Connection) string { return c.Resumption }},
	{"early_data", func(c *report.Connection) string { return c.EarlyData }},
	{"hello_retry_request", func(c *report.Connection) string { return tri(c.HelloRetryRequest) }},
	{"ech", func(c *report.Connection) string { return tri(c.ECH) }},
	{"extended_master_secret", func(c *report.Connection) string { return tri(c.ExtendedMaster) }},
	{"forward_secrecy", func(c *report.Connection) string { return c.ForwardSecrecy.String() }},
	{"reasons", func(c *report.Connection) string { return strings.Join(c.Reasons.Strings(), ";") }},
	{"post_quantum", func(c *report.Connection) string { return tri(c.PostQuantum) }},
	{"outcome", func(c *report.Connection) string { return c.Outcome.String() }},
	{"alert", func(c *report.Connection) string { return c.Alert }},
	{"alert_from", func(c *report.Connection) string { return c.AlertFrom }},
	{"one_direction", func(c *report.Connection) string { return c.OneWay }},
	{"certificate_subject", func(c *report.Connection) string {
		return ofCert(c, func(x *report.Certificate) string { return x.Subject })
	}},
	{"certificate_issuer", func(c *report.Connection) string {
		return ofCert(c, func(x *report.Certificate) string { return x.Issuer })
	}},
	{"certificate_key", func(c *report.Connection) string {
		return ofCert(c, func(x *report.Certificate) string { return x.Key })
	}},
	{"certificate_bits", func(c *report.Connection) string {
		return ofCert(c, func(x *report.Certificate) string { return nonzero(uint64(x.Bits)) })
	}},
	{"certificate_not_after", func(c *report.Connection) string {
		return ofCert(c, func(x *report.Certificate) string {
			if x.NotAfter == 0 {
				return ""
			}
			return time.Unix(x.NotAfter, 0).UTC().Format(time.RFC3339)
		})
	}},
	{"certificate_sha256", func(c *report.Connection) string {
		return ofCert(c, func(x *report.Certificate) string { return hex.EncodeToString(x.SHA256[:]) })
	}},
	{"ephemeral_key_id", func(c *report.Connection) string {
		if c.EphemeralKey == (report.KeyID{}) {
			return ""
		}
		return hex.EncodeToString(c.EphemeralKey[:])
	}},
	{"ticket_key_id", func(c *report.Connection) string { return c.TicketKey }},
	{"ja3", func(c *report.Connection) string { return c.JA3 }},
	{"ja3s", func(c *report.Connection) string { return c.JA3S }},
	{"ja4", func(c *report.Connection) string { return c.JA4 }},
	{"client_hello_packet", func(c *report.Connection) string { return nonzero(c.ClientHelloPacket) }},
	{"server_hello_packet", func(c *report.Connection) string { return nonzero(c.ServerHelloPacket) }},
	{"bytes_to_server", func(c *report.Connection) string { return strconv.FormatUint(c.Totals.Bytes[0], 10) }},
	{"bytes_to_client", func(c *report.Connection) string { return strconv.FormatUint(c.Totals.Bytes[1], 10) }},
	{"packets", func(c *report.Connection) string { return strconv.FormatUint(c.Totals.Packets, 10) }},
	{"last_time", func(c *report.Connection) string {
		return timeText(c.Totals.Last)
	}},
	{"client_hello_split", func(c *report.Connection) string { return ifTrue(c.FirstHelloSplit) }},
	{"gap", func(c *report.Connection) string { return ifTrue(c.Gap) }},
	{"problems", func(c *report.Connection) string { return strings.Join(c.Problems, ";") }},
}

func ifServer(c *report.Connection, f func() string) string {
	if c.Version == 0 {
		return ""
	}
	return f()
}

func ofCert(c *report.Connection, f func(*report.Certificate) string) string {
	if c.Certificate == nil {
		return ""
	}
	return f(c.Certificate)
}

func tri(t secrecy.Tri) string {
	switch t {
	case secrecy.True:
		return "true"
	case secrecy.False:
		return "false"
	}
	return ""
}

func ifTrue(v bool) string {
	if v {
		return "true"
	}
	return ""
}

func nonzero(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

func id(v uint16) string {
	return "0x" + string([]byte{hexDigit(v >> 12), hexDigit(v >> 8), hexDigit(v >> 4), hexDigit(v)})
}

func hexDigit(v uint16) byte { return "0123456789abcdef"[v&15] }

func ipOf(e report.Endpoint) string {
	if !e.IsValid() {
		return ""
	}
	return e.Addr().String()
}

func portOf(e report.Endpoint) string {
	if !e.IsValid() {
		return ""
	}
	return strconv.Itoa(int(e.Port()))
}

func macOf(e report.Endpoint) string {
	if !e.HasMAC() {
		return ""
	}
	return e.MAC.String()
}
