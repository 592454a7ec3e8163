package filter

// A node is a condition.
type node interface{}

type (
	and struct{ l, r node }
	or  struct{ l, r node }
	not struct{ x node }

	// cmp compares a field of the packet, masked, with a value.
	cmp struct {
		base base
		off  uint32
		add  uint32 // fromTransport: offset of the IPv4 header
		size uint16
		mask uint32 // 0: none
		op   uint16 // opJEQ, opJGT, opJGE, opJSET
		val  uint32
	}
	// length compares the packet's length.
	length struct {
		op  uint16
		val uint32
	}
	// relation compares two values.
	relation struct {
		op   uint16
		l, r value
	}
	constant bool
)

// A base is the origin of an offset.
type base uint8

const (
	fromStart     base = iota // the beginning of the frame
	fromTransport             // the end of an IPv4 header of any length
)

// A value is a number at run time.
type value interface{}

type (
	number uint32
	// wire is the packet's length.
	wire struct{}
	// load loads size bytes at off, counted from add. With transport it counts
	// from the end of the IPv4 header at add.
	load struct {
		off       value
		add       uint32
		size      uint16
		transport bool
	}
	binop struct {
		op   uint16
		l, r value
	}
	negate struct{ x value }
)

// conj returns the conjunction of conditions, or nil for none.
func conj(list ...node) node {
	var out node
	for _, n := range list {
		switch {
		case n == nil:
		case out == nil:
			out = n
		default:
			out = and{out, n}
		}
	}
	return out
}

func disj(list ...node) node {
	var out node
	for _, n := range list {
		switch {
		case n == nil:
		case out == nil:
			out = n
		default:
			out = or{out, n}
		}
	}
	return out
}
