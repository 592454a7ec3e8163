package main

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// zeek writes ssl.log, and quic.log for QUIC without readable TLS.
var zeek = tool{
	name: "Zeek", program: "zeek", version: []string{"--version"},
	reports: [numFields]bool{true, true, true, true, true, true}, reportsGroups: true,
	note: "ssl.log of the default scripts, without checksums (-C); quic.log for QUIC connections that ssl.log lacks",
	args: func(capture, _ string, _ *kind) []string { return []string{"-C", "-r", capture} },
	read: func(stdout io.Reader, dir string) ([]entry, error) {
		if _, err := io.Copy(io.Discard, stdout); err != nil {
			return nil, err
		}
		var list []entry
		for _, name := range []string{"ssl.log", "quic.log"} {
			f, err := os.Open(filepath.Join(dir, name))
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			rows, err := readZeek(f, name == "quic.log")
			f.Close()
			if err != nil {
				return nil, err
			}
			for _, r := range rows {
				if name == "ssl.log" || !slices.ContainsFunc(list, func(x entry) bool { return slices.Equal(x.keys, r.keys) }) {
					list = append(list, r)
				}
			}
		}
		return list, nil
	},
}

// readZeek reads a log of tab-separated values. The version in quic.log is that of
// QUIC and not used.
func readZeek(r io.Reader, quic bool) ([]entry, error) {
	var list []entry
	var names []string
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		cells := strings.Split(s.Text(), "\t")
		if cells[0] == "#fields" {
			names = cells[1:]
		}
		if strings.HasPrefix(cells[0], "#") {
			continue
		}
		row := map[string]string{}
		for i, c := range cells {
			if i < len(names) && c != "-" && c != "(empty)" {
				row[names[i]] = c
			}
		}
		sport, _ := strconv.ParseUint(row["id.orig_p"], 10, 16)
		dport, _ := strconv.ParseUint(row["id.resp_p"], 10, 16)
		f := entry{keys: endpoints(row["id.orig_h"], uint16(sport), row["id.resp_h"], uint16(dport)), at: seconds(row["ts"])}
		f.answer[sni] = row["server_name"]
		if !quic {
			f.answer[version], f.answer[suite], f.answer[group] = versionName(row["version"]), suiteName(row["cipher"]), row["curve"]
			// resumed is F by default, so it means nothing without a suite.
			if f.answer[suite] != "" {
				f.answer[resumption] = map[string]string{"T": "true", "F": "false"}[row["resumed"]]
			}
		}
		list = append(list, f)
	}
	return list, s.Err()
}

// suricata writes eve.json.
var suricata = tool{
	name: "Suricata", program: "suricata", version: []string{"-V"},
	reports: [numFields]bool{true, true, false, true, true, true},
	note: "tls and quic events of its default configuration with JA3 on, without checksums (-k none) and rules; the suite is that of ja3s.string. " +
		"It prints session_resumed only if true",
	args: func(capture, dir string, _ *kind) []string {
		return []string{"-r", capture, "-l", dir, "-k", "none", "-S", "/dev/null", "--set", "app-layer.protocols.tls.ja3-fingerprints=yes"}
	},
	read: after("eve.json", readSuricata),
}

type eve struct {
	Timestamp string `json:"timestamp"`
	Type      string `json:"event_type"`
	SrcIP     string `json:"src_ip"`
	SrcPort   uint16 `json:"src_port"`
	DstIP     string `json:"dest_ip"`
	DstPort   uint16 `json:"dest_port"`
	TLS       struct {
		Version string `json:"version"`
		SNI     string `json:"sni"`
		Resumed bool   `json:"session_resumed"`
		JA3S    struct {
			Text string `json:"string"`
		} `json:"ja3s"`
	} `json:"tls"`
	QUIC struct {
		SNI string `json:"sni"`
	} `json:"quic"`
}

// readSuricata reads eve.json. A QUIC connection has one event for each hello.
func readSuricata(r io.Reader) ([]entry, error) {
	var list []entry
	quic := map[string]int{}
	err := eachJSON(r, func(e *eve) error {
		if e.Type != "tls" && e.Type != "quic" {
			return nil
		}
		f := entry{keys: endpoints(e.SrcIP, e.SrcPort, e.DstIP, e.DstPort)}
		if t, err := time.Parse("2006-01-02T15:04:05.999999-0700", e.Timestamp); err == nil {
			f.at = t.UnixNano()
		}
		if e.Type == "quic" {
			f.answer[sni], f.answer[version] = e.QUIC.SNI, "TLS 1.3" // RFC 9001: QUIC requires TLS 1.3
			if len(f.keys) == 1 {
				if i, ok := quic[f.keys[0]]; ok {
					list[i].answer[sni] = max(list[i].answer[sni], f.answer[sni])
					return nil
				}
				quic[f.keys[0]] = len(list)
			}
			list = append(list, f)
			return nil
		}
		f.answer[version], f.answer[sni] = versionName(e.TLS.Version), e.TLS.SNI
		if p := strings.Split(e.TLS.JA3S.Text, ","); len(p) == 3 {
			f.answer[suite] = suiteName(p[1])
		}
		if f.answer[version] != "" {
			f.answer[resumption] = strconv.FormatBool(e.TLS.Resumed)
		}
		list = append(list, f)
		return nil
	})
	return list, err
}

// mercury writes one line for each hello.
var mercury = tool{
	name: "mercury", program: "mercury", version: []string{"--version"},
	reports: [numFields]bool{true, true, false, true, true, false},
	note:    "with --metadata; lines are joined by 5-tuple. It prints the legacy version of the ServerHello; TLS 1.3 is derived from the suite",
	args: func(capture, _ string, _ *kind) []string {
		return []string{"-r", capture, "-f", "out.json", "--metadata"}
	},
	read: after("out.json", readMercury),
}

type mercuryHello struct {
	Version string `json:"version"`
	Random  string `json:"random"`
	Suite   string `json:"selected_cipher_suite"`
	Name    string `json:"server_name"`
}

type mercuryLine struct {
	SrcIP   string   `json:"src_ip"`
	DstIP   string   `json:"dst_ip"`
	SrcPort uint16   `json:"src_port"`
	DstPort uint16   `json:"dst_port"`
	Start   float64  `json:"event_start"`
	TLS     *hellos  `json:"tls"`
	DTLS    *hellos  `json:"dtls"`
	QUIC    *anyJSON `json:"quic"`
}

type hellos struct {
	Client *mercuryHello `json:"client"`
	Server *mercuryHello `json:"server"`
}

// anyJSON is an object with ignored fields.
type anyJSON struct{}

func readMercury(r io.Reader) ([]entry, error) {
	type open struct {
		i      int
		random string
	}
	var list []entry
	last := map[string]open{}
	err := eachJSON(r, func(l *mercuryLine) error {
		h := l.TLS
		if h == nil {
			h = l.DTLS
		}
		keys := endpoints(l.SrcIP, l.SrcPort, l.DstIP, l.DstPort)
		if h == nil || len(keys) == 0 {
			return nil
		}
		o, known := last[keys[0]]
		if c := h.Client; c != nil && known && o.random != "" && c.Random != o.random {
			known = false // a different ClientHello begins a new connection
		}
		if !known {
			o = open{i: len(list)}
			list = append(list, entry{keys: keys, at: int64(l.Start*1e6) * 1e3})
		}
		a := &list[o.i].answer
		if c := h.Client; c != nil {
			o.random, a[sni] = c.Random, c.Name
		}
		if l.QUIC != nil {
			a[version] = "TLS 1.3" // RFC 9001: QUIC requires TLS 1.3
		}
		if s := h.Server; s != nil && s.Suite != "" {
			a[suite], a[version] = suiteName("0x"+s.Suite), versionName("0x"+s.Version)
			if tls13Suite(strings.TrimPrefix(a[suite], "TLS_")) {
				a[version] = "TLS 1.3"
			}
		}
		last[keys[0]] = o
		return nil
	})
	return list, err
}
