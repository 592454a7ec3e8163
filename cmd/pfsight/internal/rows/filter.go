package rows

import (
	"slices"
	"sync"

	"pfsight/capture/filter"
	"pfsight/capture/packet"
)

// A PacketFilter is the expression of -f, compiled once for each link type of
// the input. It is safe for concurrent use.
type PacketFilter struct {
	expr     string
	programs sync.Map // by packet.LinkType: compiled
}

// compiled is a program, or why there is none.
type compiled struct {
	program *filter.Program
	err     error
}

// NewPacketFilter returns a filter for expr, which filter.Validate accepts.
func NewPacketFilter(expr string) *PacketFilter { return &PacketFilter{expr: expr} }

// Match is a capture.Options.Filter.
func (f *PacketFilter) Match(link packet.LinkType, data []byte, wireLen int) (bool, error) {
	v, ok := f.programs.Load(link)
	if !ok {
		p, err := filter.Compile(f.expr, uint32(link))
		v, _ = f.programs.LoadOrStore(link, compiled{p, err})
	}
	c := v.(compiled)
	if c.err != nil {
		return false, c.err
	}
	return c.program.Match(data, wireLen), nil
}

// maxFilterErrors is how many errors Errors returns.
const maxFilterErrors = 8

// Errors returns why the expression could not be applied to packets: sorted,
// distinct, and at most maxFilterErrors. A nil filter has none.
func (f *PacketFilter) Errors() []string {
	if f == nil {
		return nil
	}
	var errs []string
	f.programs.Range(func(_, v any) bool {
		if err := v.(compiled).err; err != nil {
			errs = append(errs, err.Error())
		}
		return true
	})
	slices.Sort(errs)
	errs = slices.Compact(errs)
	return errs[:min(len(errs), maxFilterErrors)]
}
