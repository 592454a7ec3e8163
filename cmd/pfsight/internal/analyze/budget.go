package analyze

import (
	"pfsight/cmd/pfsight/internal/memory"
	"pfsight/report"
)

// A budget divides the limit of --memory: all that the process holds except its
// own code, and except pages of files that the kernel can take back at any time.
// A quarter is left for garbage.
type budget struct {
	tables   int64 // connections that are open
	sums     int64 // what is kept of connections that have ended
	sessions int64 // what tells apart connections that share one pair of endpoints
	inputs   int64 // open files: buffers, and windows of decompressors
}

func divide(limit int64) budget {
	used := max(limit-memory.Code, memory.Least/4) / 4 * 3
	return budget{tables: used / 2, sums: used / 4, sessions: used / 16, inputs: used * 3 / 16}
}

// share bounds what is kept of connections that have ended. r may be nil.
func (b *budget) share(r *report.Report, h *report.History, builders []*report.Builder) {
	sums, history, builder := report.ReportShare(b.sums, len(builders))
	if r != nil {
		r.Within(sums)
	}
	h.Within(history)
	for _, x := range builders {
		x.Within(builder)
	}
}
