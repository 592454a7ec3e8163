package sensor

import (
	"bytes"

	"pfsight/capture"
	"pfsight/capture/stream"
	"pfsight/cmd/pfsight/internal/process"
	"pfsight/report/render"
)

// wanted removes from st the packets that the filter rejected in this process: those
// that the kernel rejects are not in st either. It returns how many there are.
func wanted(st *capture.Stats) (rejected uint64) {
	rejected = st.Drops[capture.FilteredOut]
	st.Packets -= min(rejected, st.Packets)
	st.Bytes -= min(st.Refused, st.Bytes)
	st.Drops[capture.FilteredOut] = 0
	return rejected
}

// interfaces returns the statistics of the interfaces. If there is one, it leaves
// out the rejected packets. With several it is not known which one they came from.
func (r *run) interfaces(rejected uint64) []stream.InterfaceStats {
	list := r.src.Interfaces()
	if len(list) == 1 {
		list[0].Packets -= min(rejected, list[0].Packets)
	}
	return list
}

// update gives the state the counts of the capture. A nil st means those of the
// latest packets.
func (r *run) update(st *capture.Stats) {
	var now capture.Stats
	if st != nil {
		now = *st
	} else {
		r.events.mu.Lock()
		now = r.events.sofar
		r.events.mu.Unlock()
	}
	now.Drops[capture.KernelDrops] = r.src.Lost()
	rejected := wanted(&now)
	r.state.SetCapture(r.interfaces(rejected), now)
}

// printSummary writes a summary while the capture goes on, unless the previous one
// is still being written.
func (r *run) printSummary() {
	if r.summarizing.Swap(true) {
		return
	}
	r.update(nil)
	go func() {
		defer r.summarizing.Store(false)
		if err := r.summarize(nil); err != nil {
			r.warn("the summary: %v", err)
		}
		if n := r.lost.Load(); n > 0 {
			r.warn("%s events were not delivered", render.Number(n))
		}
	}()
}

// summarize writes a summary. st is not nil at the end of the capture.
func (r *run) summarize(st *capture.Stats) error {
	if st != nil {
		r.state.Refresh()
	}
	summary, _ := r.state.Look()
	var b bytes.Buffer
	if err := render.Summary(&b, summary, r.opt.Render); err != nil {
		return err
	}
	if st == nil {
		b.WriteByte('\n')
	}
	if r.opt.Screen && st == nil {
		r.printing.Lock()
		defer r.printing.Unlock()
		_, err := r.messages.Write(b.Bytes()) // the screen has standard output
		return err
	}
	r.showing.Lock()
	defer r.showing.Unlock()
	r.queue.flush() // the summary may go to standard error
	_, err := r.results.Write(b.Bytes())
	return err
}

// losses reports what was captured and lost, and what to do about losses. It sets
// the exit code.
func (r *run) losses(st *capture.Stats) {
	for _, f := range r.interfaces(st.Drops[capture.FilteredOut]) {
		r.warn("%s: %s packets, %s dropped by the kernel", f.Name, render.Number(f.Packets), render.Number(f.Drops))
		if f.Drops > 0 {
			r.warn("%s: the rings had no room for them: raise --blocks and --memory, use more cores with -j, or exclude packets with -f", f.Name)
		}
	}
	if st.Drops[capture.KernelDrops] > 0 {
		r.p.Code = process.ExitIncomplete
	}
	for _, c := range []struct {
		reason capture.Reason
		raise  string
	}{
		{capture.FlowEvict, "raise --memory"},
		{capture.SessionLimit, "the tables of sessions were full"},
	} {
		if n := st.Drops[c.reason]; n > 0 {
			r.p.Code = process.ExitIncomplete
			r.warn("%s %s: %s", render.Number(n), c.reason.What(), c.raise)
		}
	}
}
