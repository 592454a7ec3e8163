package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
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

var lawsCase = flag.String("laws", "", "the one composition that TestLaws holds the program to, as a failure prints it")

// lawsRun says how many compositions TestLaws tries: a number, or a duration
// such as 10m. PFSIGHT_LAWS is for long runs.
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

// TestLaws holds the program to its laws for every capture: what loses nothing
// changes nothing, and what loses something never lies. Each composition of
// changes is drawn from a seed; one that fails is shrunk and printed as a line
// that -args -laws=LINE runs again.
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
	n, limit := lawsRun(t, 6*len(c.all))
	s := &session{court: c, t: t, failed: map[string]int{}, kinds: map[string]int{}, known: map[string]int{}}
	start := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && time.Since(start) < limit; i = int(next.Add(1)) - 1 {
				r := rand.New(rand.NewPCG(uint64(i), 1))
				s.hold(laws.Draw(r, c.all[i%len(c.all)].Name, i/len(c.all)%2 == 1))
			}
		})
	}
	wg.Wait()
	t.Logf("%d compositions in %v, %d applied; %d failed, %d known", min(n, int(next.Load())), time.Since(start).Round(time.Second), s.done, s.bad, len(s.known))
	if os.Getenv("PFSIGHT_LAWS") != "" {
		for _, k := range laws.Kinds() {
			t.Logf("%8d %s", s.kinds[k.Name], k.Name)
		}
	}
}

// mostTries bounds the shrinking of one failure.
const mostTries = 300

// A session is one run of TestLaws.
type session struct {
	*court
	t      testing.TB
	mu     sync.Mutex
	done   int
	bad    int
	failed map[string]int // by what is alike
	kinds  map[string]int
	known  map[string]int
}

// hold tries one composition, and tells of it if it breaks a law.
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
	list = slices.DeleteFunc(list, func(v violation) bool { return isKnown(applied, v) })
	if len(list) == 0 {
		return
	}
	s.mu.Lock()
	s.bad++
	s.mu.Unlock()
	field := list[0].field
	tries := 0
	least := laws.Shrink(applied, s.capture(applied.Capture), func(x laws.Composition) bool {
		if tries++; tries > mostTries {
			return false
		}
		v, _, err := s.try(x)
		return err == nil && slices.ContainsFunc(v, func(v violation) bool { return v.field == field && !isKnown(x, v) })
	})
	list, least, err = s.try(least)
	s.mu.Lock()
	defer s.mu.Unlock()
	alike := field
	for _, k := range least.Changes {
		alike += " " + k.Name
	}
	if s.failed[alike]++; s.failed[alike] > 1 {
		return // once is enough
	}
	var b strings.Builder
	for _, v := range list {
		fmt.Fprintf(&b, "\n\t%s: %s", v.field, v.what)
	}
	s.t.Errorf("%v breaks a law (%v)%s\n\tfound as %v", least, err, b.String(), applied)
}
