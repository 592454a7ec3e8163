package live

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"pfsight/capture/packet"
)

// more adds what is found in /sys only.
func more(f *Interface) {
	read := func(name string) int {
		b, err := os.ReadFile(filepath.Join("/sys/class/net", f.Name, name))
		if err != nil {
			return 0
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			return 0
		}
		return n
	}
	if _, err := os.Stat(filepath.Join("/sys/class/net", f.Name, "type")); err == nil {
		switch k := kindOf(uint16(read("type"))); k {
		case linkOther:
			f.Link = "other; IP inside is read"
		default:
			f.Link = packet.LinkType(k).String()
		}
	}
	f.Speed = max(read("speed"), 0) // -1: undetermined
}
