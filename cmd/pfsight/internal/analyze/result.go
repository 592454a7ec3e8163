package analyze

import (
	"cmp"
	"fmt"
	"slices"

	"pfsight/capture"
	"pfsight/capture/pcapfile"
	"pfsight/cmd/pfsight/internal/rows"
	"pfsight/report"
	"pfsight/report/render"
)

// A Status says how much of the inputs was read.
type Status int

const (
	Complete   Status = iota
	Incomplete        // something is missing
	Unreadable        // nothing could be read
)

// A Result is what a Run read.
type Result struct {
	Input    report.Input
	Stats    capture.Stats
	Status   Status
	Messages []string // for the operator, a line each
}

// result describes what was read when the capture has ended. A report claims no
// more.
func (r *Run) result(st *capture.Stats) *Result {
	interrupted := r.ctx.Err() != nil
	res := &Result{Stats: *st, Input: r.input(st, interrupted)}
	say := func(format string, args ...any) { res.Messages = append(res.Messages, fmt.Sprintf(format, args...)) }

	for _, p := range r.src.Problems() {
		res.Status = Incomplete
		say("%v", p)
	}
	if interrupted {
		res.Status = Incomplete
		say("interrupted: this is the report of what was read")
	}
	for _, e := range r.packets.Errors() {
		say("-f: %s", e)
	}
	for i := range res.Input.Loss {
		l := &res.Input.Loss[i]
		if !l.Incomplete || l.Reason == badRecords {
			continue
		}
		res.Status = Incomplete
		if l.Reason != cutInputs { // each has a message above
			say("missing: %s", render.LossText(l))
		}
	}
	if !interrupted && r.saved.rows == 0 && r.unreadable(st) {
		res.Status = Unreadable
	}
	list, incomplete := r.saved.messages(r.opt.Filter != "" || r.opt.MaxPackets > 0, interrupted)
	res.Messages = append(res.Messages, list...)
	if incomplete {
		res.Status = Incomplete
	}
	return res
}

// input describes what was read, and what the options chose of it.
func (r *Run) input(st *capture.Stats, interrupted bool) report.Input {
	in := rows.Input(st, &r.gaps)
	in.Loss = r.attribute(in.Loss)
	in.Unwanted = r.rejected
	r.saved.describe(&in)
	if st.Packets > 0 {
		in.Filter = r.opt.Filter
		if r.opt.MaxPackets > 0 && in.Packets-in.FilteredOut >= r.opt.MaxPackets {
			in.Limit = r.opt.MaxPackets
		}
	}
	if r.opt.Where != nil {
		in.Where = r.opt.Where.String()
	}
	for _, i := range r.src.Inputs() {
		in.Files = append(in.Files, i.Name)
	}
	in.Interrupted = interrupted
	return in
}

// Codes of losses that package analyze finds.
const (
	cutInputs  = "cut_inputs"
	badRecords = "bad_records"
)

// attribute adds to list the inputs that could not be read, and the files that
// each loss concerns if there are several.
func (r *Run) attribute(list []report.Loss) []report.Loss {
	problems := r.src.Problems()
	if i := slices.IndexFunc(list, func(l report.Loss) bool { return l.Reason == capture.KernelDrops.String() }); i >= 0 {
		for _, in := range r.src.Inputs() {
			if in.Drops > 0 {
				list[i].Files = append(list[i].Files, report.Count{Label: in.Name, N: in.Drops})
			}
		}
	}
	if len(problems) > 0 { // a reader of the report may not see the messages
		l := report.Loss{Reason: cutInputs, What: "inputs cut, damaged or not readable", Count: uint64(len(problems)), Incomplete: true}
		for _, p := range problems {
			l.Files = append(l.Files, report.Count{Label: p.File})
		}
		list = append(list, l)
	}
	several := len(r.src.Inputs()) > 1 || len(r.src.Inputs()) == 1 && slices.ContainsFunc(problems, func(p pcapfile.Problem) bool { return p.Skipped })
	for i := range list {
		l := &list[i]
		if !several {
			l.Files = nil
			continue
		}
		slices.SortFunc(l.Files, func(a, b report.Count) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Label, b.Label)) })
		l.MoreFiles = max(len(l.Files)-report.MaxLossFiles, 0)
		l.Files = l.Files[:len(l.Files)-l.MoreFiles]
	}
	return list
}

// unreadable reports whether nothing could be read: there is no readable input,
// or the filter could not be applied to any packet.
func (r *Run) unreadable(st *capture.Stats) bool {
	if st.Packets > 0 {
		return st.Drops[capture.NotFiltered] == st.Packets
	}
	broken := map[string]bool{}
	for _, p := range r.src.Problems() {
		broken[p.File] = true
	}
	return !slices.ContainsFunc(r.src.Inputs(), func(i pcapfile.InputInfo) bool { return !broken[i.Name] })
}
