package where

import (
	"encoding/hex"
	"net/netip"
	"strings"

	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/near"
	"pfsight/report/secrecy"
)

// A kind says what the values of a field are.
type kind uint8

const (
	text    kind = iota
	boolean      // three states
	number
	when    // a time
	version // a code point that has an order
	code    // a code point
	address
	list  // of texts
	codes // a list of code points
	object
)

// A field of the record. Which function is set follows from the kind.
type field struct {
	name    string
	kind    kind
	values  []string // all there are, nil for any
	text    func(c *report.Connection) string
	num     func(c *report.Connection) (int64, bool)
	tri     node
	addr    func(c *report.Connection) netip.Addr
	each    func(c *report.Connection, f func(s string, code uint16) bool)
	has     func(c *report.Connection) bool
	example string // of an object: a field in it
	what    string // of a code point: what it is
	code    func(s string) (uint16, bool)
	offered bool // of a ClientHello
	seconds bool // the time is in seconds, not nanoseconds
}

// known reports whether c has a value of the field.
func (f *field) known(c *report.Connection) bool {
	switch {
	case f.has != nil:
		return f.has(c)
	case f.text != nil && f.num == nil:
		s := f.text(c)
		return s != "" && !(s == "unknown" && f.takes(s))
	case f.num != nil:
		_, ok := f.num(c)
		return ok
	case f.tri != nil:
		return f.tri(c) != secrecy.Untold
	case f.addr != nil:
		return f.addr(c).IsValid()
	}
	some := false
	f.each(c, func(string, uint16) bool {
		some = true
		return false
	})
	return some
}

func lookup(name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

type conn = report.Connection

var fields = makeFields()

func makeFields() []field {
	var out []field
	add := func(name string, f field) {
		f.name = name
		out = append(out, f)
	}
	str := func(name string, get func(c *conn) string, values ...string) {
		add(name, field{kind: text, text: get, values: values})
	}
	num := func(name string, get func(c *conn) (int64, bool)) { add(name, field{kind: number, num: get}) }
	flag := func(name string, get node) { add(name, field{kind: boolean, tri: get}) }
	strs := func(name string, get func(c *conn) []string) { add(name, field{kind: list, each: eachString(get)}) }

	add("time", field{kind: when, num: func(c *conn) (int64, bool) { return c.Time, c.Time != 0 }})
	add("last_time", field{kind: when, num: func(c *conn) (int64, bool) { return c.Totals.Last, c.Totals.Last != 0 }})
	add("client_ip", field{kind: address, addr: func(c *conn) netip.Addr { return c.Client.Addr() }})
	add("server_ip", field{kind: address, addr: func(c *conn) netip.Addr { return c.Server.Addr() }})
	num("client_port", func(c *conn) (int64, bool) { return int64(c.Client.Port()), c.Client.IsValid() })
	num("server_port", func(c *conn) (int64, bool) { return int64(c.Server.Port()), c.Server.IsValid() })
	str("client_mac", func(c *conn) string { return ifTrue(c.Client.HasMAC(), c.Client.MAC.String) })
	str("server_mac", func(c *conn) string { return ifTrue(c.Server.HasMAC(), c.Server.MAC.String) })
	str("migrated_to", func(c *conn) string { return ifTrue(c.MigratedTo.IsValid(), c.MigratedTo.String) })
	str("transport", func(c *conn) string { return c.Transport.String() }, "tcp", "udp", "eapol")
	str("protocol", func(c *conn) string { return c.Protocol.String() }, "tls", "dtls", "quic")
	str("quic_version", func(c *conn) string { return c.QUICVersion })
	strs("upgrade_chain", func(c *conn) []string { return c.UpgradeChain })
	str("target", func(c *conn) string { return c.Target })
	str("upgrade", func(c *conn) string { return c.Upgrade })
	strs("encapsulation", func(c *conn) []string { return c.Encapsulation })
	str("source", func(c *conn) string { return c.Source })
	str("server_name", func(c *conn) string { return c.ServerName })
	str("alpn", func(c *conn) string { return c.ALPN })
	for _, n := range []string{"version", "version_id"} {
		add(n, field{kind: version, what: "version", code: versionCode, num: func(c *conn) (int64, bool) { return int64(c.Version), c.Version != 0 },
			text: func(c *conn) string { return ifTrue(c.Version != 0, c.Version.String) }})
	}
	for _, n := range []string{"cipher_suite", "cipher_suite_id"} {
		add(n, field{kind: code, what: "cipher suite", code: suiteCode, num: func(c *conn) (int64, bool) { return int64(c.CipherSuite), c.Version != 0 && c.Version != iana.SSL20 },
			text: func(c *conn) string { name, _ := c.Suite(); return name }})
	}
	for _, n := range []string{"group", "group_id"} {
		add(n, field{kind: code, what: "group", code: groupCode, num: func(c *conn) (int64, bool) { return int64(c.Group), c.HasGroup },
			text: func(c *conn) string { return ifTrue(c.HasGroup, c.Group.String) }})
	}
	str("key_exchange", func(c *conn) string { return c.KeyExchange })
	str("authentication", func(c *conn) string { return c.Authentication })
	num("dh_bits", func(c *conn) (int64, bool) { return int64(c.DHBits), c.DHBits > 0 })
	str("dh_prime", func(c *conn) string { return c.DHPrime })
	num("curve_bits", func(c *conn) (int64, bool) { return int64(c.CurveBits), c.CurveBits > 0 })
	str("psk_mode", func(c *conn) string { return c.PSKMode }, "psk_ke", "psk_dhe_ke")
	flag("resumed", func(c *conn) secrecy.Tri { return c.Resumed })
	str("resumption", func(c *conn) string { return c.Resumption }, "ticket", "session_id", "psk")
	add("session_time", field{kind: when, num: func(c *conn) (int64, bool) { return c.Session.Time, c.HasSession && c.Session.Time != 0 }})
	num("session_packet", func(c *conn) (int64, bool) { return int64(c.Session.Packet), c.HasSession })
	str("session_source", func(c *conn) string { return c.Session.Source })
	str("session_forward_secrecy", func(c *conn) string { return ifTrue(c.HasSession, c.Session.ForwardSecrecy.String) }, "yes", "no", "conditional", "unknown")
	str("early_data", func(c *conn) string { return c.EarlyData }, "offered", "sent", "rejected")
	flag("hello_retry_request", func(c *conn) secrecy.Tri { return c.HelloRetryRequest })
	add("hello_retry_group", field{kind: code, what: "group", code: groupCode, num: func(c *conn) (int64, bool) { return int64(c.RetryGroup), c.HasRetryGroup },
		text: func(c *conn) string { return ifTrue(c.HasRetryGroup, c.RetryGroup.String) }})
	flag("ech", func(c *conn) secrecy.Tri { return c.ECH })
	flag("extended_master_secret", func(c *conn) secrecy.Tri { return c.ExtendedMaster })
	flag("encrypt_then_mac", func(c *conn) secrecy.Tri { return c.EncryptThenMAC })
	flag("secure_renegotiation", func(c *conn) secrecy.Tri { return c.Renegotiation })
	str("forward_secrecy", func(c *conn) string { return c.ForwardSecrecy.String() }, "yes", "no", "conditional", "unknown")
	var reasons []string
	for r := range secrecy.NumReasons {
		reasons = append(reasons, r.String())
	}
	add("reasons", field{kind: list, values: reasons, each: func(c *conn, f func(string, uint16) bool) {
		more := true
		c.Reasons.All(func(r secrecy.Reason) { more = more && f(r.String(), 0) })
	}})
	flag("post_quantum", func(c *conn) secrecy.Tri { return c.PostQuantum })
	str("outcome", func(c *conn) string { return c.Outcome.String() }, "established", "rejected", "incomplete")
	str("alert", func(c *conn) string { return c.Alert })
	str("alert_from", func(c *conn) string { return c.AlertFrom }, "client", "server")
	str("one_direction", func(c *conn) string { return c.OneWay }, "client", "server")
	out = append(out, certificateFields("certificate", func(c *conn) *report.Certificate { return c.Certificate })...)
	out = append(out, certificateFields("client_certificate", func(c *conn) *report.Certificate { return c.ClientCert })...)
	str("ephemeral_key_id", func(c *conn) string {
		return ifTrue(c.EphemeralKey != report.KeyID{}, func() string { return hex.EncodeToString(c.EphemeralKey[:]) })
	})
	str("ticket_key_id", func(c *conn) string { return c.TicketKey })
	num("ticket_lifetime", func(c *conn) (int64, bool) { return c.TicketLifetime, c.TicketLifetime >= 0 })
	str("ja3", func(c *conn) string { return c.JA3 })
	str("ja3s", func(c *conn) string { return c.JA3S })
	str("ja4", func(c *conn) string { return c.JA4 })
	num("client_hello_packet", func(c *conn) (int64, bool) { return int64(c.ClientHelloPacket), c.ClientHelloPacket > 0 })
	num("server_hello_packet", func(c *conn) (int64, bool) { return int64(c.ServerHelloPacket), c.ServerHelloPacket > 0 })
	num("bytes_to_server", func(c *conn) (int64, bool) { return int64(c.Totals.Bytes[0]), true })
	num("bytes_to_client", func(c *conn) (int64, bool) { return int64(c.Totals.Bytes[1]), true })
	num("bytes", func(c *conn) (int64, bool) { return int64(c.Totals.Bytes[0] + c.Totals.Bytes[1]), true })
	num("packets", func(c *conn) (int64, bool) { return int64(c.Totals.Packets), true })
	flag("client_hello_split", func(c *conn) secrecy.Tri { return ofHello(c, c.FirstHelloSplit) })
	flag("gap", func(c *conn) secrecy.Tri { return secrecy.TriOf(c.Gap) })
	strs("problems", func(c *conn) []string { return c.Problems })
	add("offered", field{kind: object, example: "offered.groups", has: func(c *conn) bool { return c.Offered != nil }})
	return append(out, offerFields()...)
}

func offerFields() []field {
	var out []field
	add := func(name, what string, code func(string) (uint16, bool), each func(o *report.Offer, f func(string, uint16) bool)) {
		out = append(out, field{name: "offered." + name, kind: codes, what: what, code: code, offered: true, each: func(c *conn, f func(string, uint16) bool) {
			if c.Offered != nil {
				each(c.Offered, f)
			}
		}})
	}
	add("versions", "version", versionCode, func(o *report.Offer, f func(string, uint16) bool) { eachCode(o.Versions, f) })
	add("cipher_suites", "cipher suite", suiteCode, func(o *report.Offer, f func(string, uint16) bool) { eachCode(o.CipherSuites, f) })
	add("groups", "group", groupCode, func(o *report.Offer, f func(string, uint16) bool) { eachCode(o.Groups, f) })
	add("key_shares", "group", groupCode, func(o *report.Offer, f func(string, uint16) bool) { eachCode(o.KeyShares, f) })
	add("signature_algorithms", "signature scheme", schemeCode, func(o *report.Offer, f func(string, uint16) bool) { eachCode(o.SignatureAlgorithms, f) })
	strs := func(name string, values []string, get func(o *report.Offer) []string) {
		out = append(out, field{name: "offered." + name, kind: list, values: values, offered: true, each: eachString(func(c *conn) []string {
			if c.Offered == nil {
				return nil
			}
			return get(c.Offered)
		})})
	}
	strs("alpn", nil, func(o *report.Offer) []string { return o.ALPN })
	strs("psk_modes", []string{"psk_ke", "psk_dhe_ke"}, func(o *report.Offer) (names []string) {
		for _, m := range o.PSKModes {
			names = append(names, map[uint8]string{0: "psk_ke", 1: "psk_dhe_ke"}[m])
		}
		return names
	})
	flag := func(name string, get func(o *report.Offer) secrecy.Tri) {
		out = append(out, field{name: "offered." + name, kind: boolean, tri: func(c *conn) secrecy.Tri {
			if c.Offered == nil {
				return secrecy.Untold
			}
			return get(c.Offered)
		}})
	}
	flag("supported_versions", func(o *report.Offer) secrecy.Tri { return o.SupportedVersions })
	flag("extended_master_secret", func(o *report.Offer) secrecy.Tri { return o.ExtendedMaster })
	flag("renegotiation_info", func(o *report.Offer) secrecy.Tri { return o.RenegotiationInfo })
	flag("compressed_points_only", func(o *report.Offer) secrecy.Tri { return secrecy.TriOf(o.CompressedPointsOnly) })
	flag("incomplete", func(o *report.Offer) secrecy.Tri { return secrecy.TriOf(o.Incomplete) })
	return out
}

func certificateFields(name string, get func(c *conn) *report.Certificate) []field {
	str := func(sub string, of func(x *report.Certificate) string) field {
		return field{name: name + "." + sub, kind: text, text: func(c *conn) string {
			if x := get(c); x != nil {
				return of(x)
			}
			return ""
		}}
	}
	at := func(sub string, of func(x *report.Certificate) int64) field {
		return field{name: name + "." + sub, kind: when, seconds: true, num: func(c *conn) (int64, bool) {
			if x := get(c); x != nil && of(x) != 0 {
				return of(x), true
			}
			return 0, false
		}}
	}
	return []field{
		{name: name, kind: object, example: name + ".bits", has: func(c *conn) bool { return get(c) != nil }},
		str("subject", func(x *report.Certificate) string { return x.Subject }),
		str("issuer", func(x *report.Certificate) string { return x.Issuer }),
		str("key", func(x *report.Certificate) string { return x.Key }),
		{name: name + ".bits", kind: number, num: func(c *conn) (int64, bool) {
			if x := get(c); x != nil && x.Bits > 0 {
				return int64(x.Bits), true
			}
			return 0, false
		}},
		at("not_before", func(x *report.Certificate) int64 { return x.NotBefore }),
		at("not_after", func(x *report.Certificate) int64 { return x.NotAfter }),
		str("sha256", func(x *report.Certificate) string { return hex.EncodeToString(x.SHA256[:]) }),
		str("spki_sha256", func(x *report.Certificate) string {
			return ifTrue(x.SPKI != [32]byte{}, func() string { return hex.EncodeToString(x.SPKI[:]) })
		}),
	}
}

func eachString(get func(c *conn) []string) func(*conn, func(string, uint16) bool) {
	return func(c *conn, f func(string, uint16) bool) {
		for _, s := range get(c) {
			if !f(s, 0) {
				return
			}
		}
	}
}

func eachCode[T interface {
	~uint16
	String() string
}](all []T, f func(string, uint16) bool) {
	for _, v := range all {
		if !f(v.String(), uint16(v)) {
			return
		}
	}
}

func ifTrue(ok bool, get func() string) string {
	if !ok {
		return ""
	}
	return get()
}

func ofHello(c *conn, v bool) secrecy.Tri {
	if c.Offered == nil {
		return secrecy.Untold
	}
	return secrecy.TriOf(v)
}

// nearest returns the field whose name is like s, "" for none.
func nearest(s string) string {
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].name
	}
	return nearestIn(s, names)
}

// nearestIn returns the one of all that is like s, "" for none.
func nearestIn(s string, all []string) string {
	s = strings.ToLower(s)
	var list near.Ranking
	for _, a := range all {
		if d := near.Distance(s, a); d <= max(2, len(s)/4) {
			list.Add(a, d)
		}
	}
	if best := list.Best(1); len(best) > 0 {
		return best[0]
	}
	return ""
}

func nearestOf(s string, all []string) string {
	if best := nearestIn(s, all); best != "" {
		return "; did you mean " + best + "?"
	}
	return ""
}
