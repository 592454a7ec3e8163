package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// A variant is a capture that carries the bytes of another capture in a
// different way.
type variant struct {
	Files []string `json:"files"` // read together, in this order
	Of    string   `json:"of"`
	// Differs names the fields of the record that may differ from the original's.
	Differs []string `json:"differs,omitempty"`
	// Expect holds the values of some of these fields: null for an absent field,
	// a list for one of several values.
	Expect map[string]any `json:"expect,omitempty"`
}

// The fields that need the ServerHello and those that need the ClientHello.
var (
	fromServer = []string{"version", "version_id", "cipher_suite", "cipher_suite_id", "key_exchange", "authentication", "group", "group_id", "resumed",
		"hello_retry_request", "extended_master_secret", "encrypt_then_mac", "secure_renegotiation", "forward_secrecy", "reasons", "post_quantum", "certificate", "ephemeral_key_id", "alpn",
		"ticket_key_id", "ticket_lifetime", "ja3s", "outcome"}
	fromClient = []string{"server_name", "ech", "offered", "outcome", "ja3", "ja4"}
)

// derive writes the variants and variants.json.
func derive(dir string) {
	const base = "ecdhe-p256"
	p := readPcap(filepath.Join(dir, base+".pcap"))
	var list []variant
	add := func(name string, b []byte, differs ...string) {
		check(os.WriteFile(filepath.Join(dir, name), b, 0o644))
		list = append(list, variant{Files: []string{name}, Of: base, Differs: differs})
	}
	ethernet := func(s []seg) []byte { return pcap(1, frames(s, ipv4, ether(0x0800))) }
	segs := p.segs()
	expect := func(m map[string]any) { list[len(list)-1].Expect = m }
	add("one-byte-segments.pcap", ethernet(recut(segs, 1)))
	add("reversed.pcap", ethernet(reverseFlights(recut(segs, 100))))
	add("retransmitted.pcap", ethernet(overlap(segs, 150)))
	add("duplicated.pcap", ethernet(duplicate(segs)))
	add("sequence-wrap.pcap", ethernet(shift(segs)))
	add("no-syn.pcap", ethernet(without(segs, func(s seg) bool { return s.flags&2 != 0 })))
	add("server-delayed.pcap", ethernet(delay(segs)))
	add("gap-in-certificate.pcap", ethernet(hole(recut(segs, 100))), "problems", "certificate")
	clientSide := without(segs, func(s seg) bool { return s.fromServer })
	serverSide := without(segs, func(s seg) bool { return !s.fromServer })
	add("client-only.pcap", ethernet(clientSide), append(fromServer, "one_direction")...)
	expect(map[string]any{"forward_secrecy": "unknown", "one_direction": "client", "version": nil, "cipher_suite": nil, "group": nil})
	add("server-only.pcap", ethernet(serverSide), append(fromClient, "one_direction")...)
	expect(map[string]any{"one_direction": "server", "offered": nil})
	add("server-hello-lost.pcap", ethernet(loseFirst(recut(segs, 60))), fromServer...)
	// The rest of the server's flight shows that the server did answer.
	expect(map[string]any{"forward_secrecy": "unknown", "cipher_suite": nil, "one_direction": nil, "outcome": []string{"established", "incomplete"}})
	add("snaplen-90.pcap", snap(frames(segs, ipv4, ether(0x0800)), 90), append(fromServer, fromClient...)...)
	expect(map[string]any{"forward_secrecy": "unknown", "cipher_suite": nil, "outcome": "incomplete", "alert": nil})
	afterHello := []string{"group", "group_id", "certificate", "ephemeral_key_id", "ticket_key_id", "ticket_lifetime", "reasons", "post_quantum", "extended_master_secret", "encrypt_then_mac", "secure_renegotiation", "ja3s"}
	add("snaplen-100.pcap", snap(frames(segs, ipv4, ether(0x0800)), 100), append(fromClient, afterHello...)...) // ends after the cipher suite
	expect(map[string]any{"group": nil, "certificate": nil, "outcome": "incomplete", "alert": nil})
	add("snaplen-160.pcap", snap(frames(segs, ipv4, ether(0x0800)), 160), append(fromClient, afterHello...)...) // ends after the ServerHello
	expect(map[string]any{"group": nil, "certificate": nil, "outcome": []string{"established", "incomplete"}, "alert": nil})

	for _, l := range []struct {
		name   string
		link   uint32
		wrap   func(ip []byte) []byte
		layers []string
	}{
		{"vlan", 1, ether(0x8100, 0, 5, 8, 0), []string{"802.1q"}}, {"qinq", 1, ether(0x88a8, 0, 7, 0x81, 0, 0, 5, 8, 0), []string{"802.1ad", "802.1q"}},
		{"snap", 1, snapLLC, nil},
		{"sll", 113, head(0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0), nil}, {"sll2", 276, head(8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0), nil},
		{"raw12", 12, head(), nil}, {"raw101", 101, head(), nil}, {"ipv4", 228, head(), nil}, {"null", 0, head(2, 0, 0, 0), nil}, {"loop", 108, head(0, 0, 0, 2), nil},
		{"ppp", 9, head(0xff, 3, 0, 0x21), nil}, {"pppoe", 1, ether(0x8864, 0x11, 0, 0, 1, 0, 0, 0, 0x21), []string{"pppoe"}},
	} {
		if l.layers == nil {
			add("link-"+l.name+".pcap", pcap(l.link, frames(segs, ipv4, l.wrap)))
			continue
		}
		add("link-"+l.name+".pcap", pcap(l.link, frames(segs, ipv4, l.wrap)), "encapsulation")
		expect(map[string]any{"encapsulation": [][]string{l.layers}})
	}
	add("link-ipv6.pcap", pcap(229, frames(segs, ipv6(), head())), "client_ip", "server_ip")
	add("ipv6-extension-headers.pcap", pcap(1, frames(segs, ipv6(0, 60, 43), ether(0x86dd))), "client_ip", "server_ip")
	add("fragments.pcap", pcap(1, fragmented(segs, 256)))

	f := frames(segs, ipv4, ether(0x0800))
	add("form-big-endian.pcap", rawPcap(be, micro, 1, f))
	add("form-nanoseconds.pcap", nanoPcap(f))
	add("form-nanoseconds-big-endian.pcap", rawPcap(be, nano, 1, f))
	add("form-modified.pcap", rawPcap(le, modified, 1, f))
	add("form-pcapng.pcap", pcapng(le, 6, f))
	add("form-pcapng-big-endian-nanoseconds.pcap", pcapng(be, 9, f))
	add("form-pcapng-binary-time.pcap", pcapng(le, 0x80|30, f))
	add("form-pcapng-sections.pcap", append(pcapng(le, 6, f[:len(f)/2]), pcapng(be, 9, f[len(f)/2:])...))
	add("form-pcapng-old-blocks.pcap", pcapngBlocks(f))
	plain := pcap(1, f)
	add("packed-gzip.pcap", pack(plain, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }))
	add("packed-zstd.pcap", pack(plain, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }))
	add("packed-xz.pcap", pack(plain, func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }))
	add("packed-lz4.pcap", pack(plain, func(w io.Writer) (io.WriteCloser, error) { return lz4.NewWriter(w), nil }))

	// Captures that hold parts of one connection and are read together.
	parts := func(of, name string, segs []seg) {
		half := func(n string, s []seg) string {
			check(os.WriteFile(filepath.Join(dir, n+".pcap"), ethernet(s), 0o644))
			return n + ".pcap"
		}
		many := recut(segs, 200)
		cut := 7 // inside the server's flight
		one, two := half(name+"rotated-1", many[:cut]), half(name+"rotated-2", many[cut:])
		client := half(name+"direction-client", without(segs, func(s seg) bool { return s.fromServer }))
		server := half(name+"direction-server", without(segs, func(s seg) bool { return !s.fromServer }))
		list = append(list, variant{Files: []string{one, two}, Of: of}, variant{Files: []string{two, one}, Of: of}, variant{Files: []string{server, client}, Of: of})
	}
	parts(base, "", segs)

	// The same variants of a TLS 1.3 handshake with two round trips.
	const retry = "tls13-hrr"
	hrr := readPcap(filepath.Join(dir, retry+".pcap")).segs()
	for _, v := range []struct {
		name string
		segs []seg
	}{
		{"one-byte-segments", recut(hrr, 1)}, {"reversed", reverseFlights(recut(hrr, 100))}, {"retransmitted", overlap(hrr, 150)}, {"duplicated", duplicate(hrr)},
		{"sequence-wrap", shift(hrr)}, {"no-syn", without(hrr, func(s seg) bool { return s.flags&2 != 0 })}, {"server-delayed", delay(hrr)},
	} {
		check(os.WriteFile(filepath.Join(dir, retry+"-"+v.name+".pcap"), ethernet(v.segs), 0o644))
		list = append(list, variant{Files: []string{retry + "-" + v.name + ".pcap"}, Of: retry})
	}
	parts(retry, retry+"-", hrr)

	bad := filepath.Join(dir, "bad")
	check(os.MkdirAll(bad, 0o755))
	for name, b := range map[string][]byte{
		"empty.pcap":            nil,
		"text.pcap":             []byte("this is no capture, though its name says so\n"),
		"header-only.pcap":      plain[:24],
		"cut-in-header.pcap":    plain[:11],
		"cut-in-packet.pcap":    plain[:len(plain)-31],
		"lying-length.pcap":     corruptLength(plain, len(f)-3),
		"lying-headers.pcap":    pcap(1, invalid(segs)),
		"gzip-cut.pcap":         pack(plain, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })[:1200],
		"pcapng-bad-block.pcap": append(pcapng(le, 6, f), 6, 0, 0, 0, 7, 0, 0, 0, 1, 2, 3, 4),
	} {
		check(os.WriteFile(filepath.Join(bad, name), b, 0o644))
	}
	b, err := json.MarshalIndent(list, "", "  ")
	check(err)
	check(os.WriteFile(filepath.Join(dir, "variants.json"), append(b, '\n'), 0o644))
}

func pack(b []byte, f func(io.Writer) (io.WriteCloser, error)) []byte {
	var out bytes.Buffer
	w, err := f(&out)
	check(err)
	_, err = w.Write(b)
	check(err)
	check(w.Close())
	return out.Bytes()
}

// corruptLength sets the length of the packet with this index to 1 GiB.
func corruptLength(b []byte, index int) []byte {
	b = bytes.Clone(b)
	at := 24
	for range index {
		at += 16 + int(binary.LittleEndian.Uint32(b[at+8:]))
	}
	binary.LittleEndian.PutUint32(b[at+8:], 1<<30)
	return b
}
