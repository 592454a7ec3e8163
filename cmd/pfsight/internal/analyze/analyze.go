package analyze

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"pfsight/capture"
	"pfsight/capture/pcapfile"
	"pfsight/cmd/pfsight/internal/memory"
	"pfsight/cmd/pfsight/internal/rows"
	"pfsight/report"
	rec "pfsight/report/record"
	"pfsight/report/where"
)

// Options say what is read, and how.
type Options struct {
	Paths     []string  // files, directories, and "-" for Stdin
	Stdin     io.Reader // for "-"
	Recursive bool      // descend into directories of directories
	Follow    bool      // read on at the end of a file that is being written
	// Except is a file that is not read even if it is in a directory of Paths:
	// the output. Default: none.
	Except os.FileInfo
	Filter string // tcpdump expression that chooses packets; "": all
	// Where chooses connections. Default: all.
	Where *where.Filter
	// MaxPackets ends the reading after so many packets that the filter
	// accepted. Default: no limit.
	MaxPackets uint64
	Workers    int   // at least 1
	Memory     int64 // bytes that the process may take
	// Fingerprints: rows need JA3, JA4 and JA4S.
	Fingerprints bool
	// LocalNames: names of ephemeral values are compared only within this run,
	// which makes them ten times cheaper. It has no effect if saved records are
	// among the inputs.
	LocalNames bool
	// Report is kept within its share of Memory. Default: there is none.
	Report *report.Report
}

// A Consumer takes the rows of a Run. It does not use a row after Add returns.
type Consumer interface {
	// Add takes one row. Calls come one at a time, in the order of the input. An
	// error ends the run.
	Add(r *report.Connection) error
	// Flush is called after each batch of rows, one call at a time.
	Flush() error
}

// A Run is one pass over inputs. Open makes one.
type Run struct {
	opt      Options
	src      *pcapfile.Source
	ctx      context.Context
	cancel   func()
	restore  func() // settings of Go's runtime
	budget   budget
	packets  *rows.PacketFilter // nil: all packets
	saved    savedInput
	consumer Consumer

	mu       sync.Mutex
	sofar    capture.Stats
	open     *rows.Table
	gaps     rows.Gaps
	rejected uint64 // connections of captures that Where rejected
	records  uint64 // rows of saved records that the consumer was given
	err      error  // the consumer's first
}

// Open opens the inputs. ctx ends the run early, which is not an error.
func Open(ctx context.Context, opt Options) (*Run, error) {
	r := &Run{opt: opt, budget: divide(opt.Memory), restore: memory.Hold(opt.Memory)}
	r.ctx, r.cancel = context.WithCancel(ctx)
	r.saved = savedInput{ctx: r.ctx, memory: opt.Memory / 2}
	var err error
	r.src, err = pcapfile.Open(opt.Paths, pcapfile.Options{
		Recursive: opt.Recursive, Stdin: opt.Stdin, Follow: opt.Follow, Stop: r.ctx.Done(), Other: r.saved.other(), Except: opt.Except, Memory: r.budget.inputs,
	})
	if err != nil {
		r.cancel()
		r.restore()
		return nil, err
	}
	return r, nil
}

// Close releases what Open took.
func (r *Run) Close() {
	r.src.Close()
	r.cancel()
	r.restore()
}

// Progress returns how many bytes of the inputs were read, and how many they
// have; 0 if that is not known.
func (r *Run) Progress() (n, total int64) { return r.src.Progress() }

// Rows reads the inputs and gives all rows to c, in the order of the input.
func (r *Run) Rows(c Consumer) (*Result, error) {
	return r.run(c, make([]adder, r.opt.Workers))
}

// A Summable is a sum of rows that can be merged with another. S is the type
// itself.
type Summable[S any] interface {
	Add(r *report.Connection)
	Merge(other S)
}

// Sum reads the inputs of opt and sums up their rows, beginning with empty sums.
// The order of the rows does not matter to a sum, so saved records are summed up
// by all workers in parallel.
func Sum[S Summable[S]](r *Run, empty func() S) (S, *Result, error) {
	captured := empty()
	parts := make([]S, r.opt.Workers)
	adders := make([]adder, r.opt.Workers)
	for i := range parts {
		parts[i] = empty()
		adders[i] = parts[i]
	}
	res, err := r.run(sumConsumer{captured}, adders)
	for _, part := range parts {
		captured.Merge(part)
	}
	return captured, res, err
}

// An adder sums up rows.
type adder interface{ Add(r *report.Connection) }

// A sumConsumer is a sum as a Consumer.
type sumConsumer struct{ adder }

func (s sumConsumer) Add(r *report.Connection) error {
	s.adder.Add(r)
	return nil
}

func (s sumConsumer) Flush() error { return nil }

// run reads the inputs. The consumer gets the rows of captures. The rows of
// saved records go to parts, one for each worker, or to the consumer if a part
// is nil.
func (r *Run) run(c Consumer, parts []adder) (*Result, error) {
	r.consumer = c
	history := report.NewHistory()
	r.open = rows.NewTable(history)
	opt := rows.CaptureOptions(r.budget.sessions)
	opt.MaxPackets, opt.Memory = r.opt.MaxPackets, r.budget.tables
	if r.opt.Filter != "" {
		r.packets = rows.NewPacketFilter(r.opt.Filter)
		opt.Filter = r.packets.Match
	}
	local := r.opt.LocalNames && r.src.OnlyCaptures()
	sinks := make([]capture.Sink, r.opt.Workers)
	builders := make([]*report.Builder, r.opt.Workers)
	for i := range sinks {
		b := report.NewBuilder()
		b.For(history)
		if r.opt.Fingerprints {
			b.Fingerprint()
		}
		if local {
			b.Local()
		}
		builders[i] = b
		sinks[i] = &captureWorker{rows.NewWorker(b), r}
		r.saved.sinks = append(r.saved.sinks, &recordWorker{run: r, part: parts[i]})
	}
	r.budget.share(r.opt.Report, history, builders)
	st, err := capture.Run(r.ctx, r.src, opt, sinks...)
	if err = errors.Join(err, r.err); err != nil {
		return nil, err
	}
	return r.result(&st), nil
}

// A captureWorker is the capture.Sink of one worker.
type captureWorker struct {
	*rows.Worker
	run *Run
}

// Emit implements capture.Sink.
func (w *captureWorker) Emit(sofar *capture.Stats) {
	r := w.run
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sofar = *sofar
	w.Deliver(r.open, nil, r.ended)
	if r.err == nil {
		r.fail(r.consumer.Flush())
	}
}

// ended takes the row of a captured connection that has ended. mu is held.
func (r *Run) ended(c *report.Connection) {
	r.gaps.Add(c, false)
	if r.opt.Where != nil && !r.opt.Where.Match(c) {
		r.rejected++
		return
	}
	r.add(c)
}

// add gives a row to the consumer. mu is held.
func (r *Run) add(c *report.Connection) {
	if r.err == nil {
		r.fail(r.consumer.Add(c))
	}
}

// fail ends the run if err is an error. mu is held.
func (r *Run) fail(err error) {
	if err != nil {
		r.err = err
		r.cancel()
	}
}

// Sofar calls f with what was read so far, while the run goes on. No row is
// added meanwhile.
func (r *Run) Sofar(f func(report.Input)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := rows.Input(&r.sofar, &rows.Gaps{N: r.gaps.N})
	in.Files, in.Filter, in.Unwanted, in.Ongoing = r.opt.Paths, r.opt.Filter, r.rejected, true
	if r.opt.Where != nil {
		in.Where = r.opt.Where.String()
	}
	r.saved.describe(&in)
	f(in)
}

// A recordWorker is the record.Sink of one worker.
type recordWorker struct {
	run    *Run
	part   adder // nil: rows go to the run's consumer, in order
	rows   []report.Connection
	chosen []int // of rows, for the consumer

	rejected uint64 // of rows, by Where
}

// Take implements record.Sink.
func (w *recordWorker) Take(list []report.Connection, _ []rec.Fault) {
	w.rows, w.chosen, w.rejected = list, w.chosen[:0], 0
	where := w.run.opt.Where
	for i := range list {
		switch {
		case where != nil && !where.Match(&list[i]):
			w.rejected++
		case w.part != nil:
			w.part.Add(&list[i])
		default:
			w.chosen = append(w.chosen, i)
		}
	}
}

// Emit implements record.Sink.
func (w *recordWorker) Emit(faults []rec.Fault) error {
	r := w.run
	r.saved.count(w.rows, w.rejected, faults)
	if w.part != nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range w.chosen {
		c := &w.rows[i]
		r.records++
		c.ID = r.records
		r.gaps.Add(c, true)
		r.add(c)
	}
	return r.err
}
