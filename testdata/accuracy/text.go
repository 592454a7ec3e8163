package main

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// ndpi is ndpiReader, the example program of nDPI. It prints one line for each
// flow.
var ndpi = tool{
	name: "nDPI", program: "ndpiReader", version: []string{"-h"},
	reports: [numFields]bool{true, true, false, true, true, false},
	note:    "ndpiReader -v 2 -t -I -T 100000 -U 100000: one line for each flow, unordered and without a time, so at most one of several connections on a 5-tuple is matched",
	args: func(capture, _ string, _ *kind) []string {
		return []string{"-i", capture, "-v", "2", "-t", "-I", "-T", "100000", "-U", "100000"}
	},
	read: func(r io.Reader, _ string) ([]entry, error) { return readNDPI(r) },
}

var (
	ndpiFlow    = regexp.MustCompile(`^\s*\d+\s+(?:TCP|UDP)\s+(\S+) (?:<->|->|<-) (\S+) (?:\[VLAN: \d+\])?\[proto: ([^\]]*)\]`)
	ndpiTLS     = regexp.MustCompile(`TLS|QUIC|IMAPS|SMTPS|POPS|FTPS`)
	ndpiVersion = regexp.MustCompile(`\[(D?TLSv1(?:\.\d)?|SSLv[23])\]`)
	ndpiCipher  = regexp.MustCompile(`\[Cipher: ([^\]]*)\]`)
	ndpiName    = regexp.MustCompile(`\[Hostname/SNI: ([^\]]*)\]`)
)

func readNDPI(r io.Reader) ([]entry, error) {
	var list []entry
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	first := func(re *regexp.Regexp) string {
		if m := re.FindStringSubmatch(s.Text()); m != nil {
			return m[1]
		}
		return ""
	}
	for s.Scan() {
		m := ndpiFlow.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		v := first(ndpiVersion)
		if v == "" && !ndpiTLS.MatchString(m[3]) {
			continue
		}
		ip1, port1 := splitPort(m[1])
		ip2, port2 := splitPort(m[2])
		f := entry{keys: endpoints(ip1, port1, ip2, port2)}
		f.answer = answer{version: versionName(v), suite: suiteName(first(ndpiCipher)), sni: first(ndpiName)}
		list = append(list, f)
	}
	return list, s.Err()
}

// splitPort splits "192.0.2.1:443" and "[2001:db8::1]:443".
func splitPort(s string) (string, uint16) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, 0
	}
	port, _ := strconv.ParseUint(s[i+1:], 10, 16)
	return strings.Trim(s[:i], "[]"), uint16(port)
}

// ssldump prints the TLS messages of TCP connections.
var ssldump = tool{
	name: "ssldump", program: "ssldump", version: []string{"-v"},
	reports: [numFields]bool{true, true, false, true, true, true},
	note: "-n -e -A: TLS over TCP only, from the first byte of a connection on. It prints the legacy version of the ServerHello; TLS 1.3 is derived from the suite. " +
		"Resumed: the server's ChangeCipherSpec follows its ServerHello, or the ServerHello has pre_shared_key",
	args: func(capture, _ string, _ *kind) []string { return []string{"-n", "-e", "-A", "-r", capture} },
	read: func(r io.Reader, _ string) ([]entry, error) { return readSSLDump(r) },
}

var (
	dumpNew    = regexp.MustCompile(`^New TCP connection #(\d+): (\S+)\((\d+)\) <-> (\S+)\((\d+)\)`)
	dumpRecord = regexp.MustCompile(`^(\d+) +\d* *([\d.]+) +\([\d.]+\) +([CS])>[CS] +(?:V[\d.]+\(\d+\) +)?(.*)`)
	dumpValue  = regexp.MustCompile(`^ +(Version|cipherSuite|host_name:) +(\S+)`)
)

// A dumped is a connection in ssldump's output.
type dumped struct {
	entry
	tls      bool
	answered bool
	retry    bool // the last ServerHello was a HelloRetryRequest
	// after is the first record or message of the server after its ServerHello.
	after string
	psk   bool
}

func readSSLDump(r io.Reader) ([]entry, error) {
	conns := map[string]*dumped{}
	var order []*dumped
	var now *dumped // the connection that the next lines belong to
	message, server, inRandom := "", false, false
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		line := s.Text()
		if m := dumpNew.FindStringSubmatch(line); m != nil {
			port1, _ := strconv.ParseUint(m[3], 10, 16)
			port2, _ := strconv.ParseUint(m[5], 10, 16)
			now = &dumped{entry: entry{keys: endpoints(m[2], uint16(port1), m[4], uint16(port2))}}
			conns[m[1]] = now
			order = append(order, now)
			continue
		}
		if m := dumpRecord.FindStringSubmatch(line); m != nil {
			now = conns[m[1]]
			if now == nil {
				continue
			}
			if now.at == 0 {
				now.at = seconds(m[2])
			}
			message, server = "", m[3] == "S"
			what := strings.TrimSpace(m[4])
			now.tls = now.tls || what == "Handshake" || what == "ChangeCipherSpec" || what == "application_data"
			if server && now.answered && now.after == "" && what != "Handshake" {
				now.after = what
			}
			continue
		}
		if now == nil {
			continue
		}
		text := strings.TrimSpace(line)
		switch text {
		case "ClientHello", "ServerHello", "Certificate", "ServerKeyExchange", "ServerHelloDone":
			message = text
			if server && now.answered && now.after == "" {
				now.after = text
			}
			inRandom = false
			continue
		case "random[32]=":
			inRandom = true
			continue
		case "pre_shared_key":
			now.psk = now.psk || message == "ServerHello"
		}
		if inRandom {
			inRandom = false
			if message == "ServerHello" && strings.HasPrefix(text, "cf 21 ad 74 e5 9a 61 11 be 1d 8c 02 1e 65 b8 91") {
				now.retry = true
			}
		}
		m := dumpValue.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		switch {
		case message == "ClientHello" && m[1] == "host_name:":
			now.answer[sni] = m[2]
		case message == "ServerHello" && m[1] == "Version":
			major, minor, _ := strings.Cut(m[2], ".")
			now.answer[version] = versionName("0x0" + major + "0" + minor)
			now.answered, now.retry, now.after = true, false, ""
		case message == "ServerHello" && m[1] == "cipherSuite":
			now.answer[suite] = suiteName(m[2])
			if tls13Suite(strings.TrimPrefix(m[2], "TLS_")) {
				now.answer[version] = "TLS 1.3"
			}
		}
	}
	var list []entry
	for _, d := range order {
		if !d.tls {
			continue
		}
		switch {
		case !d.answered || d.retry: // ssldump often misses the second ServerHello
		case d.answer[version] == "TLS 1.3":
			d.answer[resumption] = fmt.Sprint(d.psk)
		case d.after != "":
			d.answer[resumption] = fmt.Sprint(d.after == "ChangeCipherSpec")
		}
		list = append(list, d.entry)
	}
	return list, s.Err()
}
