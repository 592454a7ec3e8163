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

// zeek writes ssl.log, and quic.log for what it cannot read the TLS of.
var zeek = tool{
	name: "Zeek", program: "zeek", version: []string{"--version"},
	tells: [numFields]bool{true, true, true, true, true, true}, groups: true,
	note: "ssl.log of the scripts that it loads by default, without checksums (-C); quic.log for QUIC connections that are not in it",
	args: func(capture, _ string, _ *kind) []string { return []string{"-C", "-r", capture} },
	read: func(stdout io.Reader, dir string) ([]found, error) {
		if _, err := io.Copy(io.Discard, stdout); err != nil {
			return nil, err
		}
		var list []found
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
				if name == "ssl.log" || !slices.ContainsFunc(list, func(x found) bool { return slices.Equal(x.keys, r.keys) }) {
					list = append(list, r)
				}
			}
		}
		return list, nil
	},
}

// readZeek reads a log of tab-separated values. In quic.log the version is
// QUIC's.
func readZeek(r io.Reader, quic bool) ([]found, error) {
	var list []found
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
		f := found{keys: endpoints(row["id.orig_h"], uint16(sport), row["id.resp_h"], uint16(dport)), at: seconds(row["ts"])}
		f.says[sni] = row["server_name"]
		if !quic {
			f.says[version], f.says[suite], f.says[group] = versionName(row["version"]), suiteName(row["cipher"]), row["curve"]
			// resumed is F until it is known to be T: without a suite nothing was seen.
			if f.says[suite] != "" {
				f.says[resumption] = map[string]string{"T": "true", "F": "false"}[row["resumed"]]
			}
		}
		list = append(list, f)
	}
	return list, s.Err()
}

// suricata writes eve.json.
var suricata = tool{
	name: "Suricata", program: "suricata", version: []string{"-V"},
	tells: [numFields]bool{true, true, false, true, true, true},
	note: "tls and quic events of its default configuration with JA3 on, without checksums (-k none) and rules; the suite is that of ja3s.string. " +
		"It prints session_resumed when it is so, and nothing otherwise",
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

// readSuricata reads eve.json. A QUIC connection has an event for each of its
// hellos.
func readSuricata(r io.Reader) ([]found, error) {
	var list []found
	quic := map[string]int{}
	err := eachJSON(r, func(e *eve) error {
		if e.Type != "tls" && e.Type != "quic" {
			return nil
		}
		f := found{keys: endpoints(e.SrcIP, e.SrcPort, e.DstIP, e.DstPort)}
		if t, err := time.Parse("2006-01-02T15:04:05.999999-0700", e.Timestamp); err == nil {
			f.at = t.UnixNano()
		}
		if e.Type == "quic" {
			f.says[sni], f.says[version] = e.QUIC.SNI, "TLS 1.3" // RFC 9001: no QUIC has another
			if len(f.keys) == 1 {
				if i, ok := quic[f.keys[0]]; ok {
					list[i].says[sni] = max(list[i].says[sni], f.says[sni])
					return nil
				}
				quic[f.keys[0]] = len(list)
			}
			list = append(list, f)
			return nil
		}
		f.says[version], f.says[sni] = versionName(e.TLS.Version), e.TLS.SNI
		if p := strings.Split(e.TLS.JA3S.Text, ","); len(p) == 3 {
			f.says[suite] = suiteName(p[1])
		}
		if f.says[version] != "" {
			f.says[resumption] = strconv.FormatBool(e.TLS.Resumed)
		}
		list = append(list, f)
		return nil
	})
	return list, err
}

// mercury writes a line for each hello.
var mercury = tool{
	name: "mercury", program: "mercury", version: []string{"--version"},
	tells: [numFields]bool{true, true, false, true, true, false},
	note:  "with --metadata; its lines are put together by 5-tuple. It prints the ServerHello's own version field: TLS 1.3 is told by the suite",
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

// anyJSON is an object whose fields do not matter.
type anyJSON struct{}

func readMercury(r io.Reader) ([]found, error) {
	type open struct {
		i      int
		random string
	}
	var list []found
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
			known = false // another ClientHello: another connection
		}
		if !known {
			o = open{i: len(list)}
			list = append(list, found{keys: keys, at: int64(l.Start*1e6) * 1e3})
		}
		says := &list[o.i].says
		if c := h.Client; c != nil {
			o.random, says[sni] = c.Random, c.Name
		}
		if l.QUIC != nil {
			says[version] = "TLS 1.3" // RFC 9001: no QUIC has another
		}
		if s := h.Server; s != nil && s.Suite != "" {
			says[suite], says[version] = suiteName("0x"+s.Suite), versionName("0x"+s.Version)
			if tls13Suite(strings.TrimPrefix(says[suite], "TLS_")) {
				says[version] = "TLS 1.3"
			}
		}
		last[keys[0]] = o
		return nil
	})
	return list, err
}
