package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"slices"

	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/parse/iana"
	"pfsight/report/secrecy"
)

// Limits of the tables of shared values in a Builder. A full table is cleared.
const (
	maxOffers       = 1 << 14
	maxCertificates = 1 << 14
	maxNames        = 1 << 16
	maxSpare        = 1 << 12 // rows kept for reuse
)

// A Builder makes rows from handshakes. Rows with equal offers, certificates or
// names share one value. A Builder is not safe for concurrent use.
type Builder struct {
	offers  map[string]*Offer
	certs   map[[32]byte]*Certificate
	recent  [cachedCerts]cachedCert
	seed    maphash.Seed
	names   map[string]string
	key     []byte
	spare   []*Connection
	finger  *fingerprinter // nil: rows have no JA3, JA3S and JA4
	history *History       // nil: rows are not linked to earlier rows
	local   bool           // IDs of ephemeral values are valid in this process only

	// Limits; see Within.
	maxOffers, maxCerts, maxNames, maxSpare int
}

// NewBuilder returns a Builder with the default limits.
func NewBuilder() *Builder {
	return &Builder{
		offers: map[string]*Offer{}, certs: map[[32]byte]*Certificate{}, seed: maphash.MakeSeed(), names: map[string]string{},
		maxOffers: maxOffers, maxCerts: maxCertificates, maxNames: maxNames, maxSpare: maxSpare,
	}
}

// Fingerprint makes the Builder compute JA3, JA3S and JA4. They cost about as
// much as the rest of the row.
func (b *Builder) Fingerprint() { b.finger = new(fingerprinter) }

// For sets the History that rows are linked to.
func (b *Builder) For(h *History) { b.history = h }

// Local makes the Builder use cheaper IDs of ephemeral values, at about a tenth
// of the cost of SHA-256. They are valid only within the Builder's History, so
// it is for rows that are not written. It has no effect before For.
func (b *Builder) Local() { b.local = b.history != nil }

// Recycle returns a row to the Builder for reuse. The caller must not use r
// afterwards.
func (b *Builder) Recycle(r *Connection) {
	if len(b.spare) < b.maxSpare {
		b.spare = append(b.spare, r)
	}
}

// row returns a row to overwrite. Its content is arbitrary.
func (b *Builder) row() *Connection {
	k := len(b.spare)
	if k == 0 {
		return new(Connection)
	}
	r := b.spare[k-1]
	b.spare = b.spare[:k-1]
	return r
}

// Connection makes the row of a handshake in c. The row does not refer to h; it
// shares the slices of c.
func (b *Builder) Connection(h *parse.Handshake, c *stream.Conversation) *Connection {
	j := secrecy.Judge(h)
	r := b.row()
	*r = Connection{
		ID: c.ID, Time: c.Start, Client: Endpoint{c.Client, c.ClientMAC}, Server: Endpoint{c.Server, c.ServerMAC}, Transport: c.Transport, Protocol: h.Protocol,
		Encapsulation: c.Encapsulation, Source: c.Source, Swapped: h.Swapped,
		KeyExchange: j.KeyExchange, Authentication: j.Authentication, Group: j.Group, HasGroup: j.HasGroup,
		DHBits: j.DHBits, DHPrime: j.DHPrime, PSKMode: j.PSKMode, Resumed: j.Resumed, Resumption: j.Resumption,
		EarlyData: j.EarlyData, ForwardSecrecy: j.Verdict, Reasons: j.Reasons, PostQuantum: j.PostQuantum,
		TicketLifetime: -1, Upgrade: h.Upgrade, UpgradeChain: h.UpgradeChain, Target: h.Target, QUICVersion: h.QUICVersion,
	}
	if h.Carrier != "" {
		r.Encapsulation = append(slices.Clip(r.Encapsulation), h.Carrier)
	}
	client, server := &c.Half[stream.ToServer], &c.Half[stream.ToClient]
	if !h.Swapped {
		r.MigratedTo = c.Moved
	} else {
		r.Client, r.Server = r.Server, r.Client
		client, server = server, client
	}
	if h.Carried != nil {
		client, server = &h.Carried[stream.ToServer], &h.Carried[stream.ToClient]
	}
	switch {
	case h.Carried != nil && (client.Cut || server.Cut):
		// Whether a part of the carrier was cut is not known for each half.
	case !server.Seen():
		r.OneWay = "client"
	case !client.Seen():
		r.OneWay = "server"
	}
	if h.ClientHello != nil {
		b.clientHello(r, h)
	}
	if h.ServerHello != nil {
		b.serverHello(r, h)
	}
	if h.RetryRequest != nil {
		r.helloRetryRequest(h)
	}
	if len(h.Certificates) > 0 {
		r.Certificate = b.certificate(h.Certificates[0])
	}
	if len(h.ClientCertificates) > 0 {
		r.ClientCert = b.certificate(h.ClientCertificates[0])
	}
	if k := h.ServerKeyExchange; k != nil && len(k.Public) > 0 {
		r.EphemeralKey = b.keyID(k.Public)
		r.CurveBits = k.ExplicitBits
	}
	if t := h.Ticket; t != nil && len(t.Ticket) > 0 {
		r.TicketLifetime = int64(t.Lifetime)
		r.TicketKey = ticketKey(t.Ticket)
	} else if h.ClientHello != nil && len(h.ClientHello.Ticket) > 0 && !h.ServerDamaged { // else a new ticket may have been issued
		r.TicketKey = ticketKey(h.ClientHello.Ticket)
	}
	b.sessionNames(r, h)
	if b.finger != nil {
		b.finger.fill(r, h)
	}
	r.outcome(h, client, server)
	r.problems(h, client, server)
	return r
}

func (b *Builder) clientHello(r *Connection, h *parse.Handshake) {
	ch := h.ClientHello
	offered := ch
	if h.FirstHello != nil {
		offered = h.FirstHello // the second ClientHello only follows the HelloRetryRequest
	}
	if !ch.Incomplete && !h.SecondHelloCut {
		r.ClientHelloPacket = ch.Mark.Packet
	}
	if ch.HasServerName {
		r.ServerName = b.name(ch.ServerName)
	}
	if ch.ECH || !ch.Incomplete {
		r.ECH = secrecy.TriOf(ch.ECH)
	}
	r.Offered = b.offer(offered, h.SSLv2, h.FirstHelloUnseen)
	r.FirstHelloSplit = offered.Split
}

func (b *Builder) serverHello(r *Connection, h *parse.Handshake) {
	sh := h.ServerHello
	r.HasServerHello = true
	r.Version = sh.Version()
	r.CipherSuite = sh.CipherSuite
	if r.Version == iana.SSL20 && h.SSLv2 != nil && h.SSLv2.HasKind {
		r.SSLv2Kind = h.SSLv2.Kind
	}
	r.ServerHelloPacket = sh.Mark.Packet
	r.ALPN = b.name(sh.ALPN)
	switch {
	case h.RetryRequest != nil, h.FirstHello != nil:
		r.HelloRetryRequest = secrecy.True
	case !h.RetryUnseen:
		r.HelloRetryRequest = secrecy.False
	}
	if r.Version.IsTLS13() {
		if len(sh.KeyShare) > 0 {
			r.EphemeralKey = b.keyID(sh.KeyShare)
		}
	} else if !sh.Incomplete {
		r.ExtendedMaster = secrecy.TriOf(sh.ExtendedMaster)
		r.EncryptThenMAC = secrecy.TriOf(sh.EncryptThenMAC)
		r.Renegotiation = secrecy.TriOf(sh.RenegotiationInfo)
	}
}

// helloRetryRequest records a HelloRetryRequest. Without a ServerHello, it
// takes the version, the suite and the group from the HelloRetryRequest: they
// bind the ServerHello, RFC 8446 section 4.1.4.
func (r *Connection) helloRetryRequest(h *parse.Handshake) {
	retry := h.RetryRequest
	r.HelloRetryRequest = secrecy.True
	if retry.HasKeyShare && !retry.GroupCut {
		r.RetryGroup, r.HasRetryGroup = retry.Group, true
	}
	if h.ServerHello != nil || retry.Incomplete {
		return
	}
	r.Version, r.CipherSuite = retry.Version(), retry.CipherSuite
	if retry.HasKeyShare {
		r.Group, r.HasGroup = retry.Group, true
	}
}

// keyID returns the ID of an ephemeral public value.
func (b *Builder) keyID(public []byte) (id KeyID) {
	if b.local {
		// 64 bits: the chance of a collision among a million values is about 1
		// in 3·10^7.
		binary.LittleEndian.PutUint64(id[:], maphash.Bytes(b.history.seed, public))
		id[len(id)-1] = 1 // the zero KeyID means none
		return id
	}
	sum := sha256.Sum256(public)
	return KeyID(sum[:16])
}

// ticketKey returns the key name of a ticket in the format that RFC 5077
// section 4 recommends, in hex.
func ticketKey(t []byte) string {
	if len(t) < 32 {
		return ""
	}
	return hex.EncodeToString(t[:16])
}

// name returns s as a string that equal names share.
func (b *Builder) name(s []byte) string {
	if len(s) == 0 {
		return ""
	}
	if n, ok := b.names[string(s)]; ok {
		return n
	}
	n := string(s)
	if len(b.names) >= b.maxNames {
		clear(b.names)
	}
	b.names[n] = n
	return n
}

// offer returns the content of a ClientHello. Equal offers share one value.
// second reports whether ch may be the second ClientHello; the key shares of
// the first one are then undetermined.
func (b *Builder) offer(ch *parse.ClientHello, v2 *parse.SSLv2, second bool) *Offer {
	shares := ch.KeyShares
	if second {
		shares = nil
	}
	var kinds []iana.SSLv2Kind
	if v2 != nil {
		kinds = v2.Offered
	}
	k := b.key[:0]
	for _, v := range kinds {
		k = binary.BigEndian.AppendUint32(k, uint32(v)|1<<31)
	}
	k = appendList(k, ch.CipherSuites)
	k = appendList(k, ch.Versions)
	k = appendList(k, ch.Groups)
	k = appendList(k, ch.SignatureSchemes)
	k = binary.BigEndian.AppendUint16(k, uint16(len(shares)))
	for _, s := range shares {
		k = binary.BigEndian.AppendUint16(k, uint16(s.Group))
	}
	k = binary.BigEndian.AppendUint16(k, uint16(len(ch.ALPN)))
	for _, a := range ch.ALPN {
		k = append(append(k, byte(len(a))), a...)
	}
	k = append(append(k, byte(len(ch.PSKModes))), ch.PSKModes...)
	k = binary.BigEndian.AppendUint16(k, uint16(ch.LegacyVersion))
	points := len(ch.PointFormats) > 0 && !bytes.Contains(ch.PointFormats, []byte{0})
	k = append(k, flags(len(ch.Versions) > 0, ch.ExtendedMaster, ch.RenegotiationInfo, points, ch.Incomplete))
	b.key = k
	if o, ok := b.offers[string(k)]; ok {
		return o
	}
	o := &Offer{
		Versions: clone(ch.Versions), CipherSuites: clone(ch.CipherSuites), Groups: clone(ch.Groups),
		SSLv2Kinds: clone(kinds), SignatureAlgorithms: clone(ch.SignatureSchemes), PSKModes: bytes.Clone(ch.PSKModes),
		SupportedVersions: sent(ch, len(ch.Versions) > 0), ExtendedMaster: sent(ch, ch.ExtendedMaster),
		RenegotiationInfo: sent(ch, ch.RenegotiationInfo), CompressedPointsOnly: points, Incomplete: ch.Incomplete,
	}
	if len(o.Versions) == 0 && !ch.Incomplete {
		o.Versions = []iana.Version{ch.LegacyVersion}
	}
	for _, s := range shares {
		o.KeyShares = append(o.KeyShares, s.Group)
	}
	for _, a := range ch.ALPN {
		o.ALPN = append(o.ALPN, string(a))
	}
	if len(b.offers) >= b.maxOffers {
		clear(b.offers)
	}
	b.offers[string(k)] = o
	return o
}

// sent reports whether an extension was sent. In an incomplete ClientHello, an
// absent extension is undetermined.
func sent(ch *parse.ClientHello, there bool) secrecy.Tri {
	if !there && ch.Incomplete {
		return secrecy.Undetermined
	}
	return secrecy.TriOf(there)
}

// flags packs at most 8 booleans.
func flags(list ...bool) (b byte) {
	for i, f := range list {
		if f {
			b |= 1 << i
		}
	}
	return b
}

func appendList[T ~uint16](k []byte, list []T) []byte {
	k = binary.BigEndian.AppendUint16(k, uint16(len(list)))
	for _, v := range list {
		k = binary.BigEndian.AppendUint16(k, uint16(v))
	}
	return k
}

func clone[T any](list []T) []T { return append([]T(nil), list...) }

// problems records what was malformed or missing.
func (r *Connection) problems(h *parse.Handshake, client, server *stream.Half) {
	n := len(h.Problems)
	for i := range h.Problems {
		if len(r.Problems) == maxProblems-1 && n > maxProblems {
			r.Problems = append(r.Problems, fmt.Sprintf("and %d more", n-i))
			break
		}
		p := &h.Problems[i]
		r.Problems = append(r.Problems, fmt.Sprintf("%s: %s at %d", p.Field, p.What, p.Offset))
	}
	if h.LateStart {
		r.Problems = append(r.Problems, "the beginning of the connection was not captured")
	}
	for role, s := range []struct {
		name string
		half *stream.Half
	}{{"client", client}, {"server", server}} {
		if s.half.Conflict {
			r.Problems = append(r.Problems, s.name+": a retransmission brought other bytes")
		}
		if s.half.Full {
			r.Problems = append(r.Problems, s.name+": longer than the limit")
		}
		if s.half.Cut {
			r.Problems = append(r.Problems, s.name+": cut by the capture's snaplen")
		} else if len(s.half.Gaps) > 0 || s.half.Lost {
			r.Gap = true
			r.Problems = append(r.Problems, s.name+": bytes missing")
		} else if h.Lost[role] && (r.OneWay == "" || r.OneWay == s.name) { // else OneWay says it
			r.Gap = true
			r.Problems = append(r.Problems, s.name+": messages missing")
		}
	}
	if h.RetryRequest != nil && h.FirstHello == nil && h.ClientHello != nil && !r.Gap && !client.Cut && len(r.Problems) == 0 && r.OneWay == "" {
		r.Gap = true
		r.Problems = append(r.Problems, "client_hello: the first one was not seen")
	}
}
