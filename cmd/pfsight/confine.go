package main

import (
	"os"
	"path/filepath"
)

// confineReading gives up what reading files and writing one result does not
// need, before the first input is looked at: all capabilities but that of
// reading any file, new rights by other programs, changes of files but of the
// result, the network, and most system calls. What the system does not know is
// left out without a word. It does nothing where the process is not the
// program's own, as in a test, and with keep.
func (a *app) confineReading(result string, keep bool) {
	if !a.own || keep {
		return
	}
	a.own = false // once is enough
	var need reach
	if result != "" && result != "-" {
		path, open, err := resolve(result)
		if err != nil {
			path = result
		}
		if st, err := os.Stat(path); open || err == nil && !st.Mode().IsRegular() {
			need.open = append(need.open, path)
		} else {
			need.write = append(need.write, filepath.Dir(path))
			need.result = append(need.result, path)
		}
	}
	giveUpReading(need)
}
