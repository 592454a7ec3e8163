// Command accuracy compares pfsight, and other tools if they are installed, with
// what TLS stacks reported about their own connections. It prints how often each
// tool is right.
//
//	go run ./testdata/accuracy
//	go run ./testdata/accuracy -update
//
// The second command writes testdata/accuracy-DATE.txt and the table in README.md.
//
// The input is every capture in testdata/captures with a NAME.truth.json. From
// these it builds one corpus for each kind in kinds.go: a capture with all
// connections, transformed or encapsulated in one way. The corpora depend only on
// the input, the kinds and -seed. Each connection keeps its label, the values
// that the stack reported. In a kind that loses packets or bytes, a value may be
// undetermined but must not be wrong.
//
// tshark, Zeek, Suricata, mercury, nDPI's ndpiReader and ssldump are run if they
// are in PATH. They do not report forward secrecy. Their verdicts are derived
// from their version, suite, group and resumption by the rule in rule.go, which
// also makes the labels.
//
// The files:
//
//	corpus.go, packet.go, hello.go  scenes, labels, packets
//	kinds.go, carriers.go           kinds: transformations and encapsulations
//	tool.go                         running a tool; pfsight
//	tshark.go, logs.go, text.go     readers of the other tools' output
//	rule.go, score.go               verdicts, matching, counting
//	report.go, update.go            the report, the table in README.md
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
	dir := flag.String("captures", "testdata/captures", "`DIR` with captures and truth files")
	binary := flag.String("pfsight", "", "pfsight `BINARY`; built if empty")
	seed := flag.Uint64("seed", 1, "seed of the random kinds")
	keep := flag.String("keep", "", "write the corpora to `DIR` and keep them")
	only := flag.String("kinds", "", "`KINDS` to run, separated by commas; all if empty")
	alone := flag.Bool("alone", false, "run only pfsight")
	update := flag.Bool("update", false, "write testdata/accuracy-DATE.txt and the table in README.md of the current directory instead of printing")
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
		c, err := k.corpus(scenes, seed)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
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

// program returns the absolute path of pfsight. It builds pfsight if binary is "".
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
