package filter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"pfsight/capture/packet"
)

// An Instruction is an instruction of classic BPF.
type Instruction struct {
	Code   uint16
	Jt, Jf uint8
	K      uint32
}

// Classic BPF, McCanne and Jacobson 1993: class, size, mode, operation. The
// BPF_ constants of package unix do not exist on Windows.
const (
	classLD, classLDX, classST, classSTX, classALU, classJMP, classRET, classMISC = 0, 1, 2, 3, 4, 5, 6, 7

	sizeW, sizeH, sizeB                                  = 0x00, 0x08, 0x10
	modeIMM, modeABS, modeIND, modeMEM, modeLEN, modeMSH = 0x00, 0x20, 0x40, 0x60, 0x80, 0xa0

	opADD, opSUB, opMUL, opDIV, opOR, opAND, opLSH, opRSH, opNEG, opMOD, opXOR = 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90, 0xa0

	opJA, opJEQ, opJGT, opJGE, opJSET = 0x00, 0x10, 0x20, 0x30, 0x40

	srcX = 0x08
	retA = 0x10

	miscTAX, miscTXA = 0x00, 0x80
)

const (
	// maxInstructions is BPF_MAXINSNS, the kernel's limit.
	maxInstructions = 4096
	memWords        = 16
)

// A Program is a compiled filter. It is immutable and safe for concurrent use.
type Program struct {
	code    []Instruction
	located bool // the program addresses the areas of a view of link
	link    packet.LinkType
}

// Instructions returns the program for a socket; the caller must not modify
// it. ok is false if only Match can run the program.
func (p *Program) Instructions() (code []Instruction, ok bool) { return p.code, !p.located }

// String returns the program as `tcpdump -ddd` prints it.
func (p *Program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", len(p.code))
	for _, i := range p.code {
		fmt.Fprintf(&b, "%d %d %d %d\n", i.Code, i.Jt, i.Jf, i.K)
	}
	return b.String()
}

// parseBytecode parses the output of `tcpdump -ddd`: the number of
// instructions, and one instruction per line. It returns an error if the
// kernel would refuse the program.
func parseBytecode(text string) (*Program, error) {
	f := strings.Fields(text)
	if len(f) == 0 {
		return nil, errors.New("no bytecode")
	}
	n, err := strconv.Atoi(f[0])
	if err != nil || n < 1 || n > maxInstructions || len(f) != 1+4*n {
		return nil, fmt.Errorf("bytecode: %q instructions, but %d numbers", f[0], len(f)-1)
	}
	code := make([]Instruction, n)
	for i := range code {
		var v [4]uint64
		for j, bits := range []int{16, 8, 8, 32} {
			if v[j], err = strconv.ParseUint(f[1+4*i+j], 10, bits); err != nil {
				return nil, fmt.Errorf("instruction %d: %w", i, err)
			}
		}
		code[i] = Instruction{uint16(v[0]), uint8(v[1]), uint8(v[2]), uint32(v[3])}
	}
	return check(code)
}

// check applies the kernel's rules: jumps go forward and stay inside, scratch
// words exist, no constant divisor is zero, and the last instruction is a
// return.
func check(code []Instruction) (*Program, error) {
	if len(code) > maxInstructions {
		return nil, fmt.Errorf("%d instructions: more than %d", len(code), maxInstructions)
	}
	for i, in := range code {
		ok := true
		switch in.Code & 7 {
		case classLD, classLDX:
			switch in.Code & 0xe0 {
			case modeMEM:
				ok = in.K < memWords
			case modeMSH:
				ok = in.Code == classLDX|sizeB|modeMSH
			case modeIMM, modeLEN:
			case modeABS, modeIND:
				ok = in.Code&7 == classLD && in.Code&0x18 != 0x18
			default:
				ok = false
			}
		case classST, classSTX:
			ok = in.K < memWords
		case classALU:
			op := in.Code & 0xf0
			ok = op <= opXOR && !(in.Code&srcX == 0 && (op == opDIV || op == opMOD) && in.K == 0)
		case classJMP:
			if in.Code&0xf0 == opJA {
				ok = uint64(i)+1+uint64(in.K) < uint64(len(code))
			} else {
				ok = in.Code&0xf0 <= opJSET && i+1+int(in.Jt) < len(code) && i+1+int(in.Jf) < len(code)
			}
		case classRET:
			ok = in.Code&0x18 != 0x18
		case classMISC:
			ok = in.Code&0xf8 == miscTAX || in.Code&0xf8 == miscTXA
		}
		if !ok {
			return nil, fmt.Errorf("instruction %d is invalid: {%#x %d %d %d}", i, in.Code, in.Jt, in.Jf, in.K)
		}
	}
	if len(code) == 0 || code[len(code)-1].Code&7 != classRET {
		return nil, errors.New("the program does not end in a return")
	}
	return &Program{code: code}, nil
}

// Match reports whether the program accepts a frame with the captured bytes
// data and wireLen bytes on the wire. As in the kernel, a load beyond data
// rejects the frame.
func (p *Program) Match(data []byte, wireLen int) bool {
	if p.located {
		var v view
		v.locate(p.link, data)
		return p.run(data, wireLen, &v)
	}
	return p.run(data, wireLen, nil)
}

// run runs the program. areas is nil if the program addresses the frame.
func (p *Program) run(data []byte, wireLen int, areas *view) bool {
	var a, x uint32
	var mem [memWords]uint32
	code := p.code
	for pc := 0; pc < len(code); pc++ {
		in := &code[pc]
		switch in.Code & 7 {
		case classLD, classLDX:
			var v uint32
			switch in.Code & 0xe0 {
			case modeABS, modeIND:
				off := uint64(in.K)
				if in.Code&0xe0 == modeIND {
					// libpcap adds modulo 2^32, and the kernel rejects a sum that wraps.
					off = uint64(x + in.K)
					if x+in.K < x {
						return false
					}
				}
				if areas != nil {
					data, off = areas.area(off)
				}
				switch in.Code & 0x18 {
				case sizeW:
					if off+4 > uint64(len(data)) {
						return false
					}
					v = binary.BigEndian.Uint32(data[off:])
				case sizeH:
					if off+2 > uint64(len(data)) {
						return false
					}
					v = uint32(binary.BigEndian.Uint16(data[off:]))
				default:
					if off >= uint64(len(data)) {
						return false
					}
					v = uint32(data[off])
				}
			case modeMSH:
				off := uint64(in.K)
				if areas != nil {
					data, off = areas.area(off)
				}
				if off >= uint64(len(data)) {
					return false
				}
				v = uint32(data[off]&0x0f) << 2
			case modeIMM:
				v = in.K
			case modeMEM:
				v = mem[in.K&(memWords-1)]
			case modeLEN:
				v = uint32(wireLen)
			}
			if in.Code&7 == classLD {
				a = v
			} else {
				x = v
			}
		case classST:
			mem[in.K&(memWords-1)] = a
		case classSTX:
			mem[in.K&(memWords-1)] = x
		case classALU:
			k := in.K
			if in.Code&srcX != 0 {
				k = x
			}
			switch in.Code & 0xf0 {
			case opADD:
				a += k
			case opSUB:
				a -= k
			case opMUL:
				a *= k
			case opDIV:
				if k == 0 {
					return false
				}
				a /= k
			case opMOD:
				if k == 0 {
					return false
				}
				a %= k
			case opOR:
				a |= k
			case opAND:
				a &= k
			case opXOR:
				a ^= k
			case opLSH:
				a <<= k // 0 for k >= 32, as in libpcap
			case opRSH:
				a >>= k
			case opNEG:
				a = -a
			}
		case classJMP:
			if in.Code&0xf0 == opJA {
				pc += int(in.K)
				continue
			}
			k := in.K
			if in.Code&srcX != 0 {
				k = x
			}
			var yes bool
			switch in.Code & 0xf0 {
			case opJEQ:
				yes = a == k
			case opJGT:
				yes = a > k
			case opJGE:
				yes = a >= k
			case opJSET:
				yes = a&k != 0
			}
			if yes {
				pc += int(in.Jt)
			} else {
				pc += int(in.Jf)
			}
		case classRET:
			if in.Code&0x18 == retA {
				return a != 0
			}
			return in.K != 0
		case classMISC:
			if in.Code&0xf8 == miscTAX {
				x = a
			} else {
				a = x
			}
		}
	}
	return false
}
