// Command accuracy holds pfsight, and the other tools that are installed,
// against what TLS stacks said of their own connections, and prints how often
// each was right.
//
//	go run ./testdata/accuracy
//	go run ./testdata/accuracy -update
//
// The second writes testdata/accuracy-DATE.txt and the table of the README.
//
// The corpus is made in memory of the captures in testdata/captures that have a
// truth (NAME.truth.json): all connections of all of them, in each kind of
// carriage of kinds.go, one capture a kind. It depends on those files, the
// kinds and -seed alone. A connection keeps the label of its origin: what the
// stack said. A field that a lossy kind takes away may be undetermined, and
// never wrong.
//
// tshark, Zeek, Suricata, mercury, nDPI's ndpiReader and ssldump are run where
// they are in PATH. None of them gives a verdict on forward secrecy: theirs is
// derived from their version, suite, group and resumption by the rule in
// rule.go, which makes the labels as well.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	dir := flag.String("captures", "testdata/captures", "`DIR` of the captures and what the stacks said")
	binary := flag.String("pfsight", "", "`FILE` of the program; without it, it is built")
	seed := flag.Uint64("seed", 1, "of the random kinds")
	keep := flag.String("keep", "", "write the captures to `DIR` and keep them")
	only := flag.String("kinds", "", "kinds to make, separated by commas; all without it")
	alone := flag.Bool("alone", false, "run no tool but pfsight")
	update := flag.Bool("update", false, "write testdata/accuracy-DATE.txt and the table of README.md, in the current folder, instead of printing")
	flag.Parse()
	r, err := accuracy(*dir, *binary, *seed, *keep, *only, *alone)
	switch {
	case err != nil:
	case *update:
		err = r.update(".")
	default:
		err = r.print(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		os.Exit(1)
	}
}

func accuracy(dir, binary string, seed uint64, keep, only string, alone bool) (*report, error) {
	scenes, err := readScenes(dir)
	if err != nil {
		return nil, err
	}
	work := keep
	if work == "" {
		if work, err = os.MkdirTemp("", "accuracy"); err != nil {
			return nil, err
		}
		defer os.RemoveAll(work)
	} else if err := os.MkdirAll(work, 0o755); err != nil {
		return nil, err
	}
	ours := pfsight
	if ours.program, err = program(binary, work); err != nil {
		return nil, err
	}
	tools := []*tool{&ours}
	for _, t := range peers {
		if _, err := exec.LookPath(t.program); err == nil && !alone {
			tools = append(tools, t)
		}
	}
	chosen, err := choose(only)
	if err != nil {
		return nil, err
	}
	r := &report{tools: tools, seed: seed, scenes: scenes}
	for _, k := range chosen {
		c := k.corpus(scenes, seed)
		path := filepath.Join(work, strings.NewReplacer(" ", "-", "%", "", ",", "", "'", "").Replace(k.name)+".pcap")
		if err := os.WriteFile(path, c.capture, 0o644); err != nil {
			return nil, err
		}
		c.capture = nil
		var results []*result
		for _, t := range tools {
			all, err := t.run(path, k)
			s := score(c, all)
			s.failed = err
			if err != nil {
				fmt.Fprintf(os.Stderr, "accuracy: %s: %v\n", k.name, err)
			}
			results = append(results, s)
		}
		fmt.Fprintf(os.Stderr, "%-22s %6d packets, %d connections\n", k.name, c.packets, len(c.labels))
		if keep == "" {
			if err := os.Remove(path); err != nil {
				return nil, err
			}
		}
		r.corpora = append(r.corpora, c)
		r.results = append(r.results, results)
	}
	return r, nil
}

// program returns the absolute path of pfsight, building it if there is none.
func program(binary, work string) (string, error) {
	if binary != "" {
		return filepath.Abs(binary)
	}
	out, err := filepath.Abs(filepath.Join(work, "pfsight"))
	if err != nil {
		return "", err
	}
	if b, err := exec.Command("go", "build", "-o", out, "pfsight/cmd/pfsight").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building pfsight: %w\n%s", err, b)
	}
	return out, nil
}

func choose(only string) ([]*kind, error) {
	var out []*kind
	for i := range kinds {
		out = append(out, &kinds[i])
	}
	if only == "" {
		return out, nil
	}
	names := strings.Split(only, ",")
	for _, n := range names {
		if !slices.ContainsFunc(out, func(k *kind) bool { return k.name == n }) {
			return nil, fmt.Errorf("no kind %q", n)
		}
	}
	return slices.DeleteFunc(out, func(k *kind) bool { return !slices.Contains(names, k.name) }), nil
}
