package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
)

// A framed is a scene whose TLS is carried inside another protocol.
type framed struct {
	name   string
	needs  []string // programs
	iface  string   // "" for lo
	filter string   // of tcpdump
	run    func(*stage) []truth
}

// framed runs the framed scenes, or only those in names.
func (st *stage) framed(out string, names []string) {
	for i, s := range slices.Concat(eapScenes(), openvpnScenes()) {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		missing := slices.IndexFunc(s.needs, func(p string) bool { _, err := exec.LookPath(p); return err != nil })
		if missing >= 0 {
			fmt.Printf("%-28s skipped: no %s\n", s.name, s.needs[missing])
			continue
		}
		st.port, st.iface, st.filter = firstFramed+i, s.iface, s.filter
		if s.iface != "" {
			st.cable()
		}
		st.record(filepath.Join(out, s.name), s.run)
		st.iface, st.filter = "", ""
	}
}

const firstFramed = 14434
