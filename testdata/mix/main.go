// Command mix writes saved records of a synthetic network, based on records of
// single captures. Each client of the network behaves like one of those records
// and connects to several servers over days. The output depends only on the
// input and the flags.
//
//	pfsight --format jsonl testdata/captures | go run ./testdata/mix -n 1000000 > mix.jsonl
//
// An argument NAME selects the records of that capture. NAME=N makes N times as
// many clients behave like them.
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
	number  = flag.Int("n", 100000, "number of connections")
	clients = flag.Int("clients", 2000, "number of clients, at most 65536")
	servers = flag.Int("servers", 12, "number of servers, at most 250")
	days    = flag.Int("days", 7, "number of days, over which the connections are spread evenly")
	start   = flag.String("start", "2026-11-02", "first `DAY`")
	seed    = flag.Uint64("seed", 1, "random seed")
	answers = flag.String("policy", "", "make the servers respond as the policy `NAME` requires, with an RSA certificate, instead of as in the captures")
)

// A keep is a record.Sink that keeps all rows.
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

func mix(in io.Reader, out io.Writer, selected []string) error {
	day, err := time.Parse(time.DateOnly, *start)
	if err != nil || *number < 1 || *clients < 1 || *clients > 1<<16 || *servers < 1 || *servers > 250 || *days < 1 {
		return fmt.Errorf("a flag is out of range")
	}
	var k keep
	if _, err := record.Read(context.Background(), in, &k); err != nil {
		return err
	}
	weights := map[string]int{}
	for _, c := range selected {
		name, n, found := strings.Cut(c, "=")
		weights[name] = 1
		if found {
			if weights[name], err = strconv.Atoi(n); err != nil {
				return err
			}
		}
	}
	var pool []*report.Connection // each client behaves like one of these
	for i := range k.all {
		c := &k.all[i]
		name := strings.TrimSuffix(filepath.Base(c.Source), ".pcap")
		w := weights[name]
		if len(selected) == 0 {
			w = 1
		}
		for range w {
			pool = append(pool, c)
		}
	}
	if len(pool) == 0 {
		return fmt.Errorf("the arguments select no records")
	}
	if *answers != "" {
		if pool, err = answer(pool, *answers); err != nil {
			return err
		}
	}
	r := rand.New(rand.NewPCG(*seed, 0))
	w := bufio.NewWriterSize(out, 1<<20)
	var e render.Encoder
	models := make([]*report.Connection, *clients)
	for i := range models {
		models[i] = pool[r.IntN(len(pool))]
	}
	span := int64(*days) * 86400e9
	times := make([]int64, *number)
	for i := range times {
		times[i] = day.UnixNano() + r.Int64N(span)/1000*1000
	}
	slices.Sort(times)
	for i, at := range times {
		// A few clients and servers make most of the connections.
		n := int(float64(*clients) * r.Float64() * r.Float64())
		s := int(float64(*servers) * r.Float64() * r.Float64())
		c := *models[n]
		duration := c.Totals.Last - c.Time
		c.Time, c.Totals.Last = at, at+duration
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
