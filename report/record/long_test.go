package record

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/render"
)

// TestLongFirst reads inputs whose first record is longer than sniffSize, in every
// notation.
func TestLongFirst(t *testing.T) {
	long := full()
	long.ServerName = strings.Repeat("\x01\u202e", 60000)
	for i := range 1 << 15 {
		long.Offered.CipherSuites = append(long.Offered.CipherSuites, iana.CipherSuite(i))
	}
	var e render.Encoder
	want := []string{string(e.Record(long))}
	short := full()
	for i := range 5000 {
		short.ClientHelloPacket = uint64(i + 1)
		want = append(want, string(e.Record(short)))
	}
	if len(want[0]) < 8*sniffSize {
		t.Fatalf("a record of %d bytes is not long", len(want[0]))
	}
	// The same with sorted names and a long field first.
	var m map[string]any
	_ = json.Unmarshal([]byte(want[0]), &m)
	m["alpn"] = strings.Repeat("a", 1<<20)
	sorted, _ := json.Marshal(m)
	var pretty bytes.Buffer
	_ = json.Indent(&pretty, []byte("["+strings.Join(want, ",")+"]"), "", "  ")
	for name, in := range map[string]string{
		"lines": strings.Join(want, "\n"), "BOM": "\xef\xbb\xbf" + strings.Join(want, "\r\n"), "array": "[\n" + strings.Join(want, ",\n") + "\n]\n", "array in one line": "[" + strings.Join(want, ",") + "]",
		"indented": pretty.String(), "sorted": string(sorted) + "\n" + strings.Join(want[1:], "\n"), "blanks before": strings.Repeat(" \n", sniffSize) + strings.Join(want, "\n"),
		"announced first": `{"event":"handshake","connection":1,` + want[0][1:] + "\n" + strings.Join(want, "\n"),
	} {
		for workers := 1; workers <= 2; workers++ {
			rows, faults, err := readAll(in, workers)
			if err != nil || len(faults) > 0 || len(rows) != len(want) {
				t.Errorf("%s: %v, %d faults, %d rows, want %d", name, err, len(faults), len(rows), len(want))
			}
		}
	}
	for name, c := range map[string]struct {
		in     string
		faults int
	}{
		"the first line is cut":      {want[1][:200] + "\n" + strings.Join(want, "\n"), 1},
		"cut in a string":            {want[1][:strings.Index(want[1], "pcap")] + "\n" + strings.Join(want, "\n"), 1},
		"one in the middle is cut":   {want[1] + "\n" + want[1][:200] + "\n" + strings.Join(want[1:], "\n"), 1},
		"the first line is no JSON":  {"{what?\n" + strings.Join(want, "\n"), 1},
		"the last one is cut":        {strings.Join(want[1:], "\n") + "\n" + want[1] + "\n" + want[1][:len(want[1])-1], 1},
		"the first is indented, cut": {"{\n  \"time\":\n" + strings.Join(want, "\n"), 2},
	} {
		rows, faults, err := readAll(c.in, 2)
		if err != nil || len(faults) == 0 || len(faults) > c.faults || len(rows) < len(want)-1 {
			t.Errorf("%s: %v, %d faults, %d rows, want %d", name, err, len(faults), len(rows), len(want))
		}
	}
}

// TestDetect distinguishes records from other JSON, with as little of an input as
// possible.
func TestDetect(t *testing.T) {
	var e render.Encoder
	line := string(e.Record(full()))
	for in, want := range map[string][2]bool{
		"": {false, true}, " \n": {false, true}, "[": {false, true}, "{": {false, true}, "[]": {false, false}, `{"time":"2026`: {false, true}, `{"time":"2026\`: {false, true}, `{"event":"handsh`: {false, true},
		`{"offered":{"alpn":[`: {false, true}, `{"name":"x`: {false, false}, `{"time":1,"name`: {false, true}, `{"time":1,"name":`: {false, false}, `{"time":1}`: {false, false}, `{"time":]`: {false, true},
		"[1": {false, false}, "x": {false, false}, "{\"time\":\"a\nb": {false, false}, line: {true, false}, "[" + line: {true, false},
	} {
		if is, more := Detect([]byte(in), false); is != want[0] || more != want[1] {
			t.Errorf("%.60q: %v, %v; want %v", in, is, more, want)
		}
		if _, more := Detect([]byte(in), true); more {
			t.Errorf("%.60q: more than the whole input is asked for", in)
		}
	}
	long := []byte(`{"server_name":"` + strings.Repeat("a", MaxRecord))
	if is, more := Detect(long, false); is || more {
		t.Error("a string longer than a record is taken for one")
	}
}

// widest is a Sink that keeps the highest number of rows of a Take.
type widest struct{ rows, most int }

func (w *widest) Take(rows []report.Connection, _ []Fault) {
	w.rows += len(rows)
	w.most = max(w.most, len(rows))
}
func (w *widest) Emit([]Fault) error { return nil }

// TestChunks holds a Take to the records of one chunk, also after a record that is
// longer than a chunk.
func TestChunks(t *testing.T) {
	const short = head + `,"transport":"tcp"}`
	many := 8 * MaxRecord / len(short)
	long := head + `,"server_name":"` + strings.Repeat("a", MaxRecord/2) + `"}`
	for name, in := range map[string]string{
		"lines": long + "\n" + strings.Repeat(short+"\n", many), "array": "[" + long + strings.Repeat(","+short, many) + "]", "indented": "[\n{\n" + long[1:] + strings.Repeat(",\n{\n"+short[1:], many) + "\n]",
	} {
		var w widest
		if _, err := Read(context.Background(), strings.NewReader(in), &w); err != nil || w.rows != many+1 {
			t.Errorf("%s: %v, %d rows, want %d", name, err, w.rows, many+1)
		}
		if w.most > chunkSize/len(short)+1 {
			t.Errorf("%s: %d rows at once", name, w.most)
		}
	}
}
