// Command mix makes the saved records of a network out of those of single
// captures: clients that each speak as one of the records does, to servers,
// over days. What it writes depends on its input and flags alone.
//
//	pfsight --format jsonl testdata/captures | go run ./testdata/mix -n 1000000 > mix.jsonl
//
// A name given as an argument chooses the records whose source is that
// capture; name=N makes N times as many clients speak so.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"pfsight/report"
	"pfsight/report/record"
	"pfsight/report/render"
)

var (
	number  = flag.Int("n", 100000, "connections")
	clients = flag.Int("clients", 2000, "clients, at most 65536")
	servers = flag.Int("servers", 12, "servers, at most 250")
	days    = flag.Int("days", 7, "over which they are spread evenly")
	start   = flag.String("start", "2026-11-02", "first `DAY`")
	seed    = flag.Uint64("seed", 1, "of the choice")
	answers = flag.String("policy", "", "let the servers answer by the policy `NAME`, with an RSA certificate, instead of as the captures' did")
)

// keep is a record.Sink that keeps all.
type keep struct{ rows, all []report.Connection }

func (k *keep) Take(rows []report.Connection, _ []record.Fault) { k.rows = rows }
func (k *keep) Emit(faults []record.Fault) error {
	k.all = append(k.all, k.rows...)
	for _, f := range faults {
		return fmt.Errorf("line %d: %w", f.Line, f.Err)
	}
	return nil
}

func main() {
	flag.Parse()
	if err := mix(os.Stdin, os.Stdout, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mix:", err)
		os.Exit(1)
	}
}

func mix(in io.Reader, out io.Writer, chosen []string) error {
	day, err := time.Parse(time.DateOnly, *start)
	if err != nil || *number < 1 || *clients < 1 || *clients > 1<<16 || *servers < 1 || *servers > 250 || *days < 1 {
		return fmt.Errorf("a flag is out of its range")
	}
	var k keep
	if _, err := record.Read(context.Background(), in, &k); err != nil {
		return err
	}
	weights := map[string]int{}
	for _, c := range chosen {
		name, n, found := strings.Cut(c, "=")
		weights[name] = 1
		if found {
			if weights[name], err = strconv.Atoi(n); err != nil {
				return err
			}
		}
	}
	var pool []*report.Connection // a client speaks as one of them
	for i := range k.all {
		c := &k.all[i]
		name := strings.TrimSuffix(filepath.Base(c.Source), ".pcap")
		w := weights[name]
		if len(chosen) == 0 {
			w = 1
		}
		for range w {
			pool = append(pool, c)
		}
	}
	if len(pool) == 0 {
		return fmt.Errorf("none of the records was chosen")
	}
	if *answers != "" {
		if pool, err = answer(pool, *answers); err != nil {
			return err
		}
	}
	r := rand.New(rand.NewPCG(*seed, 0))
	w := bufio.NewWriterSize(out, 1<<20)
	var e render.Encoder
	speaks := make([]*report.Connection, *clients)
	for i := range speaks {
		speaks[i] = pool[r.IntN(len(pool))]
	}
	span := int64(*days) * 86400e9
	times := make([]int64, *number)
	for i := range times {
		times[i] = day.UnixNano() + r.Int64N(span)/1000*1000
	}
	slices.Sort(times)
	for i, at := range times {
		// A few clients and servers do most of the work.
		n := int(float64(*clients) * r.Float64() * r.Float64())
		s := int(float64(*servers) * r.Float64() * r.Float64())
		c := *speaks[n]
		lasts := c.Totals.Last - c.Time
		c.Time, c.Totals.Last = at, at+lasts
		c.Client = endpoint([4]byte{10, 20, byte(n >> 8), byte(n)}, uint16(32768+r.IntN(28000)))
		c.Server = endpoint([4]byte{192, 0, 2, byte(s + 1)}, 443)
		c.ServerName = "app" + strconv.Itoa(s+1) + ".example"
		c.Source = "mix.pcap"
		if c.EphemeralKey != (report.KeyID{}) {
			for j := range c.EphemeralKey {
				c.EphemeralKey[j] = byte(r.Uint32())
			}
		}
		c.Totals.Bytes[0] += uint64(r.IntN(5000))
		c.Totals.Bytes[1] += uint64(r.IntN(200000))
		base := uint64(i)*20 + 1
		if c.ClientHelloPacket > 0 {
			c.ClientHelloPacket = base
		}
		if c.ServerHelloPacket > 0 {
			c.ServerHelloPacket = base + 2
		}
		if _, err := w.Write(append(e.Record(&c), '\n')); err != nil {
			return err
		}
	}
	return w.Flush()
}

func endpoint(addr [4]byte, port uint16) report.Endpoint {
	return report.Endpoint{AddrPort: netip.AddrPortFrom(netip.AddrFrom4(addr), port)}
}
