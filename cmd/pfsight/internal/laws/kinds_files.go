package laws

import "strconv"

// packs are the compressions by number. Those without a Packer are not
// applied.
var packs = []string{"gzip", "zstd", "xz", "lz4"}

func registerFiles() {
	register(
		&Kind{Name: "pcap", Stage: stageFile, Params: []Param{{0, 1, false}, {0, 1, false}}, Differs: []Exception{sources},
			Apply: func(w *Work, _ *Capture, a []int) bool {
				w.form = Form{Big: a[0] == 1, Nano: a[1] == 1}
				return true
			}},
		&Kind{Name: "pcapng", Stage: stageFile, Params: []Param{{0, 1, false}, {0, 1, false}, {0, 50, true}, {1, 8, true}}, Differs: []Exception{sources},
			Apply: func(w *Work, _ *Capture, a []int) bool {
				w.form = Form{NG: true, Big: a[0] == 1, Nano: a[1] == 1, Sections: a[2], Ifaces: a[3]}
				return true
			}},
		&Kind{Name: "files", Stage: stageFile, Params: []Param{{2, 20, true}, {0, 2, false}}, Differs: []Exception{sources, numbers},
			Apply: func(w *Work, _ *Capture, a []int) bool {
				w.parts, w.way = a[0], a[1]
				return true
			}},
		&Kind{Name: "named", Stage: stageFile, Differs: []Exception{sources},
			Apply: func(w *Work, _ *Capture, _ []int) bool { w.Named = true; return true }},
		&Kind{Name: "pack", Stage: stageFile, Params: []Param{{0, 3, false}},
			Apply: func(w *Work, _ *Capture, a []int) bool {
				if Packers[packs[a[0]]] == nil {
					return false
				}
				w.Pack = packs[a[0]]
				return true
			}},
		&Kind{Name: "jobs", Stage: stageFile, Params: []Param{{1, 4, false}},
			Apply: func(w *Work, _ *Capture, a []int) bool {
				w.Args = []string{"-j", strconv.Itoa(a[0])}
				return true
			}},
	)
}
