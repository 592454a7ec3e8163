package filter

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pfsight/capture/frametest"
	"pfsight/capture/packet"
)

var record = flag.Bool("record", false, "update testdata/tcpdump.txt with the installed tcpdump")

// golden holds the output of tcpdump -ddd for the expressions: a line with the
// name of the link type and the expression, and then its bytecode or
// "refused".
const golden = "testdata/tcpdump.txt"

// links are the link types that tcpdump supports too.
var links = []struct {
	name string // in the golden file
	typ  uint32
}{
	{"EN10MB", 1}, {"RAW", 101}, {"NULL", 0}, {"LOOP", 108}, {"LINUX_SLL", 113}, {"LINUX_SLL2", 276}, {"PPP", 9},
	{"IEEE802", 6}, {"FDDI", 10}, {"PPP_SERIAL", 50}, {"PPP_ETHER", 51}, {"ATM_RFC1483", 100}, {"C_HDLC", 104}, {"IEEE802_11", 105}, {"ENC", 109}, {"PFLOG", 117},
	{"PRISM_HEADER", 119}, {"IEEE802_11_RADIO", 127}, {"IEEE802_11_RADIO_AVS", 163}, {"PPP_PPPD", 166}, {"PPI", 192}, {"IPNET", 226}, {"IPV4", 228}, {"IPV6", 229},
	{"NETANALYZER", 240}, {"NETANALYZER_TRANSPARENT", 241},
}

// expressions returns combinations of words as people write them.
func expressions() []string {
	list := strings.Split(strings.TrimSpace(`
ip
ip6
arp
rarp
tcp
udp
icmp
icmp6
sctp
igmp
esp
ah
pim
vrrp
ether broadcast
ether multicast
ip broadcast
ip multicast
ip6 multicast
broadcast
multicast
host 10.0.0.1
src host 10.0.0.1
dst 10.0.0.1
src 10.0.0.1 or dst 10.0.0.2
src and dst host 10.0.0.1
src or dst host 10.0.0.1
ip host 10.0.0.1
arp host 10.0.0.1
rarp host 10.0.0.1
host 10.0.0.1 or 10.0.0.2
host 2001:db8::1
src host 2001:db8::1
dst host ::1
ip6 host 2001:db8::1
host ::ffff:10.0.0.1
net 10
net 10.1
net 10.1.2
net 10.1.2.3
net 10.0.0.0/8
net 192.168.1.0/24
src net 10.0.0.0/9
dst net 10/8
net 10.0.0.0 mask 255.0.0.0
net 10.0.0.1/8
net 2001:db8::/32
src net 2001:db8::/48
dst net 2001:db8:1::/64
net ::/0
net 0.0.0.0/0
port 443
src port 443
dst port 443
tcp port 443
tcp src port 443
udp dst port 53
udp port 53 or 5353
port 443 or 8443
port 443 or port 8443
port https
port domain
tcp port http
sctp port 9
portrange 1000-2000
tcp portrange 443-443
src portrange 1-1023
udp dst portrange 5000-6000
tcp port 443 and host 10.0.0.1
tcp port 443 and not host 10.0.0.1
tcp and port 443 or udp and port 53
tcp and (port 443 or port 80)
not tcp
not (tcp or udp)
! port 22
not port 22 and not port 23
host 10.0.0.1 && port 443
host 10.0.0.1 || port 443
tcp port 443 and (host 10.0.0.1 or net 192.168.0.0/16)
src 10.0.0.1 and dst port 443
src 10.0.0.1 and (dst port 443 or 80)
ether host 02:00:00:00:00:01
ether src 02:00:00:00:00:01
ether dst 02:00:00:00:00:01
ether src 02:00:00:00:00:01 and port 443
ether proto 0x0800
ether proto \ip
ether proto \arp
ether proto 2048
ether proto 0x88cc
ip proto 6
ip proto \tcp
ip proto \udp
ip6 proto 6
ip6 proto \tcp
ip6 proto 58
proto 6
proto \tcp
proto 17
proto 47
less 100
greater 100
len > 100
len <= 60
len = 74
len != 74
ip[9] == 6
ip[9] = 17
ip[0] & 0xf != 5
ip[0] & 0xf > 5
ip[2:2] > 576
ip[6:2] & 0x1fff = 0
ip[6:2] & 0x3fff != 0
ip[8] < 5
ip[12:4] = 0x0a000001
ip[16] >= 224
tcp[13] & 2 != 0
tcp[tcpflags] & tcp-syn != 0
tcp[tcpflags] & (tcp-syn|tcp-fin) != 0
tcp[tcpflags] & (tcp-syn|tcp-ack) == (tcp-syn|tcp-ack)
tcp[tcpflags] == tcp-syn
tcp[13] = 0x12
tcp[0:2] = 443
tcp[2:2] == 443 or tcp[0:2] == 443
tcp[((tcp[12] & 0xf0) >> 2):1] = 0x16
tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x16030100
tcp[((tcp[12:1] & 0xf0) >> 2)+5] = 1 and tcp port 443
udp[4:2] > 100
udp[8:4] = 0x12345678
icmp[0] = 8
icmp[icmptype] = icmp-echo
icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply
icmp6[0] = 135
icmp6[icmp6type] = icmp6-routersolicit
ip6[6] = 6
ip6[40] = 1
ip6[6:1] = 6 and ip6[40:2] = 443
ether[0] & 1 = 1
ether[12:2] = 0x0800
ether[12:2] > 1500
ip[2:2] - ((ip[0] & 0xf) << 2) > 100
(ip[2:2] - ((ip[0] & 0xf) << 2)) - ((tcp[12] & 0xf0) >> 2) != 0
ip[9] + 1 = 7
ip[9] * 2 = 12
ip[9] / 2 = 3
ip[9] % 4 = 2
ip[9] ^ 1 = 7
ip[9] | 1 = 7
1 = 1
1 = 2
5 > 3 and tcp
ip[4:2] = ip[4:2]
vlan
vlan 5
vlan and tcp
vlan 5 and host 10.0.0.1
vlan and port 443
vlan 7 and vlan 5
vlan 7 and vlan 5 and tcp port 443
vlan 5 or vlan 6
not vlan
not vlan and tcp
tcp or vlan and tcp
port 443 or (vlan and port 443)
tcp port 443 or tcp port 8443 or udp port 443 or udp port 8443 and not net 10.0.0.0/8
(tcp)
((tcp))
( tcp ) and ( port 443 )
tcp&&port 443
tcp||udp
not not tcp
not tcp and not udp or icmp
icmp or tcp and udp
tcp or udp and icmp
port 0
port 65535
portrange 0-65535
host 0.0.0.0
host 255.255.255.255
net 224.0.0.0/4
ip and not tcp
ip6 and tcp
ip6 and port 443
ip and udp port 53
ip6 and udp port 53
tcp dst port 443 and src net 10.0.0.0/8
tcp dst port 443 and dst net 2001:db8::/32
port 010
len > 0x40
host 10.0.0.1 and host 10.0.0.2
src host 10.0.0.1 and dst host 10.0.0.2 and tcp src port 443 and tcp dst port 50000
ip host 10.0.0.1 and ip6 host ::1
ip src 10.0.0.1
ip6 src 2001:db8::1
ip dst net 10.0.0.0/8
arp src host 10.0.0.1
arp net 10.0.0.0/8
tcp[100] = 1
ip[1000] = 0
ether[5000] = 0
tcp[tcpflags] & tcp-push != 0
tcp[tcpflags] & tcp-rst != 0 and tcp port 443
tcp[tcpflags] & tcp-urg != 0
tcp[4:4] = 0
tcp[8:4] > 5000
ip[0:1] >> 4 = 4
-1 = 5
ip[9] = 6 and ip[6:2] & 0x1fff = 0
`), "\n")
	// Texts that are not expressions.
	list = append(list, strings.Split(strings.TrimSpace(`
tcp port
port
host
port 70000
portrange 5
portrange 5-
host 10.0.0.1.2
net 10.0.0.0/33
net 10.0.0.0/x
tcp and
and tcp
or
not
(tcp
tcp)
ip[9
ip[9:3] = 1
ip[] = 1
ip[9] =
tcp udp
host 10.0.0.1 port 443
vlan 5000
ether host 10.0.0.1
ether src 1
ip proto 300
net 2001:db8::/129
tcp host 10.0.0.1
len
len >
foo
tcp foo
port 443 and bar
ip6 host 10.0.0.1
ip host ::1
udp[0:0] = 1
icmp port 5
src
src tcp
`), "\n")...)
	return list
}

// beyond are expressions that tcpdump supports and this package refuses, with
// a word that the error must contain.
var beyond = map[string]string{"ip broadcast": "broadcast", "ip proto 300": "255"}

type line struct{ link, expr, code string }

func readGolden(t testing.TB) []line {
	f, err := os.Open(golden)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []line
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		p := strings.SplitN(s.Text(), "\t", 3)
		out = append(out, line{p[0], p[1], strings.ReplaceAll(p[2], ";", "\n")})
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// tcpdump returns the output of the installed tcpdump for an expression on a
// saved file.
func tcpdump(t testing.TB, link uint32, expr string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "empty.pcap")
	frametest.WritePcap(t, name, packet.LinkType(link), nil)
	var said bytes.Buffer
	cmd := exec.Command("tcpdump", "-r", name, "-ddd", "--", expr)
	cmd.Stderr = &said
	out, err := cmd.Output()
	switch {
	case err == nil:
		return strings.TrimSpace(string(out))
	case strings.Contains(said.String(), "rejects all packets"):
		return "1\n6 0 0 0" // valid, but tcpdump ends because nothing can match
	}
	return "refused"
}

func TestRecord(t *testing.T) {
	if !*record {
		t.Skip("only with -record")
	}
	var b strings.Builder
	for i, expr := range expressions() {
		for j, l := range links {
			if j > 0 && i%3 != j%3 {
				continue // a third of the expressions for each other link type
			}
			fmt.Fprintf(&b, "%s\t%s\t%s\n", l.name, expr, strings.ReplaceAll(tcpdump(t, l.typ, expr), "\n", ";"))
		}
	}
	if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestEqual runs tcpdump's programs and this package's on the same packets.
func TestEqual(t *testing.T) {
	packets := map[uint32][][]byte{}
	for _, l := range links {
		packets[l.typ] = samplePackets(l.typ)
	}
	n := 0
	for _, g := range readGolden(t) {
		n++
		i := slices.IndexFunc(links, func(l struct {
			name string
			typ  uint32
		}) bool {
			return l.name == g.link
		})
		compare(t, g.link, links[i].typ, g.expr, g.code, packets[links[i].typ])
	}
	if n < 500 {
		t.Errorf("got %d lines in %s, want more", n, golden)
	}
}

// mistaken reports whether libpcap is known to compile a wrong program. For a
// link-layer header of variable length it omits the computation of the length
// if a comparison without a header comes first. For a constant condition, its
// optimizer removes loads that would end the program.
func mistaken(link uint32, expr string) bool {
	switch link {
	case 228, 229:
		return strings.Contains(expr, "[5000]") || strings.Contains(expr, "[1000]") || strings.Contains(expr, "[100]")
	case 105, 117, 119, 127, 163, 192:
		for _, s := range []string{"len ", "less", "greater", "1 = ", "5 > 3"} {
			if strings.Contains(expr, s) {
				return true
			}
		}
	}
	return false
}

func compare(t *testing.T, name string, link uint32, expr, code string, packets [][]byte) {
	t.Helper()
	if code != "refused" && mistaken(link, expr) {
		return
	}
	ours, err := Compile(expr, link)
	if code == "refused" {
		if err == nil {
			t.Errorf("%s: %q compiles, but tcpdump refuses it", name, expr)
		}
		return
	}
	if word, ok := beyond[expr]; ok {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %q: want an error with %q, got %v", name, expr, word, err)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %q: %v", name, expr, err)
		return
	}
	theirs, err := parseBytecode(code)
	if err != nil {
		t.Errorf("%s: %q: parsing tcpdump's program: %v", name, expr, err)
		return
	}
	for _, p := range packets {
		if a, b := ours.Match(p, len(p)), theirs.Match(p, len(p)); a != b {
			t.Errorf("%s: %q: got %v, tcpdump %v for %x", name, expr, a, b, p)
			return
		}
	}
}

// TestEqualLive compares expressions that are not in the golden file with the
// installed tcpdump.
func TestEqualLive(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("tcpdump is not installed")
	}
	if testing.Short() {
		t.Skip("short")
	}
	r := rand.New(rand.NewSource(1))
	table := slices.DeleteFunc(expressions(), func(e string) bool { return beyond[e] != "" })
	pick := func() string {
		e := table[r.Intn(len(table))]
		if r.Intn(2) == 0 {
			e = "(" + e + ")"
		}
		if r.Intn(4) == 0 {
			e = "not " + e
		}
		return e
	}
	packets := map[uint32][][]byte{}
	for range 300 {
		l := links[r.Intn(len(links))]
		if packets[l.typ] == nil {
			packets[l.typ] = samplePackets(l.typ)
		}
		expr := pick()
		for range r.Intn(3) {
			expr += []string{" and ", " or "}[r.Intn(2)] + pick()
		}
		compare(t, l.name, l.typ, expr, tcpdump(t, l.typ, expr), packets[l.typ])
	}
}
