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

// A variant is a capture made of another one by carrying the same bytes in
// another way.
type variant struct {
	Files []string `json:"files"` // read together, in this order
	Of    string   `json:"of"`
	// Differs names the fields of the record that need not be those of the
	// original.
	Differs []string `json:"differs,omitempty"`
	Exit    int      `json:"exit,omitempty"`
}

// derive writes the variants and the list of them.
func derive(dir string) {
	const base = "ecdhe-p256"
	p := readPcap(filepath.Join(dir, base+".pcap"))
	var list []variant
	add := func(name string, b []byte, differs ...string) {
		check(os.WriteFile(filepath.Join(dir, name), b, 0o644))
		list = append(list, variant{Files: []string{name}, Of: base, Differs: differs})
	}
	ethernet := func(s []seg) []byte { return pcap(le, micro, 1, frames(s, ipv4, ether(0x0800))) }
	segs := p.segs()
	lossy := []string{"problems", "outcome"}
	add("one-byte-segments.pcap", ethernet(recut(segs, 1)))
	add("reversed.pcap", ethernet(reverseFlights(recut(segs, 100))))
	add("retransmitted.pcap", ethernet(overlap(segs, 150)))
	add("duplicated.pcap", ethernet(duplicate(segs)))
	add("sequence-wrap.pcap", ethernet(shift(segs)))
	add("no-syn.pcap", ethernet(without(segs, func(s seg) bool { return s.flags&2 != 0 })))
	add("server-delayed.pcap", ethernet(delay(segs)))
	add("gap-in-certificate.pcap", ethernet(hole(recut(segs, 100))), "problems", "certificate")
	add("client-only.pcap", ethernet(without(segs, func(s seg) bool { return s.fromServer })), "version", "version_id", "cipher_suite", "cipher_suite_id",
		"key_exchange", "authentication", "group", "group_id", "resumed", "hello_retry_request", "extended_master_secret", "forward_secrecy", "reasons",
		"post_quantum", "certificate", "ephemeral_key_id", "one_direction", "alpn", "outcome", "ticket_key_id", "ticket_lifetime", "ja3s")
	add("server-only.pcap", ethernet(without(segs, func(s seg) bool { return !s.fromServer })), "server_name", "ech", "offered", "one_direction", "outcome", "ja3", "ja4")
	add("snaplen-100.pcap", snap(frames(segs, ipv4, ether(0x0800)), 100), append(lossy, "version", "version_id", "cipher_suite", "cipher_suite_id",
		"key_exchange", "authentication", "group", "group_id", "resumed", "hello_retry_request", "extended_master_secret", "forward_secrecy", "reasons",
		"post_quantum", "certificate", "ephemeral_key_id", "alpn", "ticket_key_id", "ticket_lifetime", "server_name", "offered", "ech", "ja3", "ja4", "ja3s")...)

	for _, l := range []struct {
		name string
		link uint32
		wrap func(ip []byte) []byte
	}{
		{"vlan", 1, ether(0x8100, 0, 5, 8, 0)}, {"qinq", 1, ether(0x88a8, 0, 7, 0x81, 0, 0, 5, 8, 0)}, {"snap", 1, snapLLC},
		{"sll", 113, head(0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0)}, {"sll2", 276, head(8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0)},
		{"raw12", 12, head()}, {"raw101", 101, head()}, {"ipv4", 228, head()}, {"null", 0, head(2, 0, 0, 0)}, {"loop", 108, head(0, 0, 0, 2)},
		{"ppp", 9, head(0xff, 3, 0, 0x21)}, {"pppoe", 1, ether(0x8864, 0x11, 0, 0, 1, 0, 0, 0, 0x21)},
	} {
		add("link-"+l.name+".pcap", pcap(le, micro, l.link, frames(segs, ipv4, l.wrap)))
	}
	add("link-ipv6.pcap", pcap(le, micro, 229, frames(segs, ipv6(), head())), "client_ip", "server_ip")
	add("ipv6-extension-headers.pcap", pcap(le, micro, 1, frames(segs, ipv6(0, 60, 43), ether(0x86dd))), "client_ip", "server_ip")
	add("fragments.pcap", pcap(le, micro, 1, fragmented(segs, 256)))

	f := frames(segs, ipv4, ether(0x0800))
	add("form-big-endian.pcap", pcap(be, micro, 1, f))
	add("form-nanoseconds.pcap", pcap(le, nano, 1, f))
	add("form-nanoseconds-big-endian.pcap", pcap(be, nano, 1, f))
	add("form-modified.pcap", pcap(le, modified, 1, f))
	add("form-pcapng.pcap", pcapng(le, 6, f))
	add("form-pcapng-big-endian-nanoseconds.pcap", pcapng(be, 9, f))
	add("form-pcapng-binary-time.pcap", pcapng(le, 0x80|30, f))
	add("form-pcapng-sections.pcap", append(pcapng(le, 6, f[:len(f)/2]), pcapng(be, 9, f[len(f)/2:])...))
	plain := pcap(le, micro, 1, f)
	add("packed-gzip.pcap", pack(plain, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }))
	add("packed-zstd.pcap", pack(plain, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }))
	add("packed-xz.pcap", pack(plain, func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }))
	add("packed-lz4.pcap", pack(plain, func(w io.Writer) (io.WriteCloser, error) { return lz4.NewWriter(w), nil }))

	cut := 7 // inside the server's flight
	many := recut(segs, 200)
	check(os.WriteFile(filepath.Join(dir, "rotated-1.pcap"), ethernet(many[:cut]), 0o644))
	check(os.WriteFile(filepath.Join(dir, "rotated-2.pcap"), ethernet(many[cut:]), 0o644))
	list = append(list, variant{Files: []string{"rotated-1.pcap", "rotated-2.pcap"}, Of: base}, variant{Files: []string{"rotated-2.pcap", "rotated-1.pcap"}, Of: base})
	check(os.WriteFile(filepath.Join(dir, "direction-client.pcap"), ethernet(without(segs, func(s seg) bool { return s.fromServer })), 0o644))
	check(os.WriteFile(filepath.Join(dir, "direction-server.pcap"), ethernet(without(segs, func(s seg) bool { return !s.fromServer })), 0o644))
	list = append(list, variant{Files: []string{"direction-server.pcap", "direction-client.pcap"}, Of: base})

	bad := filepath.Join(dir, "bad")
	check(os.MkdirAll(bad, 0o755))
	for name, b := range map[string][]byte{
		"empty.pcap":            nil,
		"text.pcap":             []byte("this is no capture, though its name says so\n"),
		"header-only.pcap":      plain[:24],
		"cut-in-header.pcap":    plain[:11],
		"cut-in-packet.pcap":    plain[:len(plain)-31],
		"lying-length.pcap":     lie(plain, len(f)-3),
		"lying-headers.pcap":    pcap(le, micro, 1, liars(segs)),
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

// lie makes the record with this index claim a gigabyte.
func lie(b []byte, index int) []byte {
	b = bytes.Clone(b)
	at := 24
	for range index {
		at += 16 + int(binary.LittleEndian.Uint32(b[at+8:]))
	}
	binary.LittleEndian.PutUint32(b[at+8:], 1<<30)
	return b
}
