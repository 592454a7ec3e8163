package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pfsight/cmd/pfsight/internal/laws"
)

var (
	lawsCase = flag.String("laws", "", "the one composition that TestLaws holds the program to, as a failure prints it")
	lawsOnly = flag.String("lawsonly", "*", "`patterns`, separated by blanks, of the captures that TestLaws changes")
	lawsSeed = flag.Uint64("lawsseed", 1, "the `seed` from which TestLaws draws compositions")
)

// lawsRun returns the number of compositions that TestLaws tries, or the time
// it takes. PFSIGHT_LAWS sets either for long runs, for example 500 or 10m.
func lawsRun(t testing.TB, each int) (n int, d time.Duration) {
	s := os.Getenv("PFSIGHT_LAWS")
	if s == "" {
		return each, time.Hour
	}
	if n, err := strconv.Atoi(s); err == nil {
		return n, 24 * time.Hour
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("PFSIGHT_LAWS=%s: a number of compositions or a duration", s)
	}
	return 1 << 40, d
}

// TestLaws checks the laws for every capture: a change without loss does not
// change the results, and a change with loss never leads to a wrong claim.
// Each composition of changes is drawn from a seed. One that fails is shrunk,
// and printed as a line that -args -laws=LINE runs again.
func TestLaws(t *testing.T) {
	c := newCourt(t)
	if *lawsCase != "" {
		x, err := laws.ParseComposition(*lawsCase)
		if err != nil {
			t.Fatal(err)
		}
		v, applied, err := c.try(x)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("applied: %v", applied)
		for _, v := range v {
			t.Errorf("%s: %s", v.field, v.what)
		}
		return
	}
	names := c.names(*lawsOnly)
	n, limit := lawsRun(t, 6*len(names))
	s := &session{court: c, t: t, failed: map[string]int{}, kinds: map[string]int{}}
	start := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && time.Since(start) < limit; i = int(next.Add(1)) - 1 {
				r := rand.New(rand.NewPCG(uint64(i), *lawsSeed))
				s.hold(laws.Draw(r, names[i%len(names)], i/len(names)%2 == 1))
			}
		})
	}
	wg.Wait()
	t.Logf("%d compositions in %v, %d applied; %d failed", min(n, int(next.Load())), time.Since(start).Round(time.Second), s.done, s.bad)
	if os.Getenv("PFSIGHT_LAWS") != "" {
		for _, k := range laws.Kinds() {
			t.Logf("%8d %s", s.kinds[k.Name], k.Name)
		}
	}
}

// names returns the names of the captures that match one of the patterns.
func (c *court) names(patterns string) (list []string) {
	for _, x := range c.all {
		if slices.ContainsFunc(strings.Fields(patterns), func(p string) bool { ok, _ := path.Match(p, x.Name); return ok }) {
			list = append(list, x.Name)
		}
	}
	return list
}

// mostTries limits the tries to shrink one failure.
const mostTries = 300

// A session is one run of TestLaws.
type session struct {
	*court
	t      testing.TB
	mu     sync.Mutex
	done   int
	bad    int
	failed map[string]int // number of failures by kind
	kinds  map[string]int
}

// hold tries a composition, and reports it if it breaks a law.
func (s *session) hold(x laws.Composition) {
	list, applied, err := s.try(x)
	if err != nil {
		s.t.Errorf("%v: %v", x, err)
		return
	}
	s.mu.Lock()
	if len(applied.Changes) > 0 {
		s.done++
	}
	for _, k := range applied.Changes {
		s.kinds[k.Name]++
	}
	s.mu.Unlock()
	if len(list) == 0 {
		return
	}
	field := list[0].field
	least, list := s.shrink(applied, field)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bad++
	alike := field
	for _, k := range least.Changes {
		alike += " " + k.Name
	}
	if s.failed[alike]++; s.failed[alike] > 1 {
		return // report each kind once
	}
	var b strings.Builder
	for _, v := range list {
		fmt.Fprintf(&b, "\n\t%s: %s", v.field, v.what)
	}
	s.t.Errorf("%v breaks a law%s\n\tfound as %v", least, b.String(), applied)
}

// shrink returns the smallest composition that breaks a law in the same field
// as x, and its violations.
func (c *court) shrink(x laws.Composition, field string) (laws.Composition, []violation) {
	tries := 0
	least := laws.Shrink(x, c.capture(x.Capture), func(x laws.Composition) bool {
		if tries++; tries > mostTries {
			return false
		}
		v, _, err := c.try(x)
		return err == nil && slices.ContainsFunc(v, func(v violation) bool { return v.field == field })
	})
	list, _, _ := c.try(least)
	return least, list
}

// TestLawsNotice checks that violations are noticed and shrunk to what causes
// them: a record without the direction that lags, a changed verdict, and a
// loss that is not reported.
func TestLawsNotice(t *testing.T) {
	for _, c := range []struct {
		name, line, want, field string
		spoil                   func(x laws.Composition, r record)
	}{
		{"a lagging direction is dropped", "dhe-2048 resegment(700) lag(1,40) gre(5) pcapng(1,0,3,2)", "lag(0,1)", "cipher_suite", func(x laws.Composition, r record) {
			if has(x, "lag") {
				delete(r, "cipher_suite")
			}
		}},
		{"unknown is folded into no", "ecdhe-x25519 vlan(7) shift(3,5) one-way(0) jobs(2)", "one-way(0)", "forward_secrecy", func(_ laws.Composition, r record) {
			if r["forward_secrecy"] == "unknown" {
				r["forward_secrecy"] = "no"
			}
		}},
		{"a gap is kept quiet", "dhe-2048 resegment(100) vxlan(2) one-way(0)", "one-way(0)", "certificate", func(_ laws.Composition, r record) {
			delete(r, "gap")
			delete(r, "problems")
			delete(r, "one_direction")
			r["outcome"] = "established"
		}},
		{"a tunnel is not named", "psk beside(3,9) gtp-u(1) files(4,0)", "gtp-u(0)", "encapsulation", func(_ laws.Composition, r record) {
			delete(r, "encapsulation")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			court := newCourt(t)
			court.spoil = func(x laws.Composition, got []record) {
				for _, r := range got {
					c.spoil(x, r)
				}
			}
			x, err := laws.ParseComposition(c.line)
			if err != nil {
				t.Fatal(err)
			}
			list, applied, err := court.try(x)
			if err != nil || !slices.ContainsFunc(list, func(v violation) bool { return v.field == c.field }) {
				t.Fatalf("%v: %v, %v", applied, list, err)
			}
			least, _ := court.shrink(applied, c.field)
			if len(least.Changes) != 1 || least.Changes[0].String() != c.want {
				t.Errorf("shrunk to %v, want %s", least, c.want)
			}
			t.Log(least)
		})
	}
}

func has(x laws.Composition, kind string) bool {
	return slices.ContainsFunc(x.Changes, func(c laws.Change) bool { return c.Name == kind })
}

// FuzzLaws lets the fuzzer choose the capture and the changes.
func FuzzLaws(f *testing.F) {
	c := newCourt(f)
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7})
	f.Add([]byte{0, 30, 40, 1, 2, 50, 3, 4, 60, 5, 6})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 64 {
			return
		}
		x := laws.FromBytes(c.all, b)
		list, applied, err := c.try(x)
		if err != nil {
			t.Fatalf("%v: %v", x, err)
		}
		for _, v := range list {
			t.Errorf("%v breaks a law: %s: %s", applied, v.field, v.what)
		}
	})
}
