//go:build !pcap

package live

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"pfsight/capture/filter"
	"pfsight/capture/packet"
)

// The instructions of classic BPF that this package uses.
const (
	bpfLDW  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS // A = word at K
	bpfLDH  = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
	bpfLDB  = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
	bpfLDWX = unix.BPF_LD | unix.BPF_W | unix.BPF_IND // A = word at X+K
	bpfLDHX = unix.BPF_LD | unix.BPF_H | unix.BPF_IND
	bpfLDBX = unix.BPF_LD | unix.BPF_B | unix.BPF_IND
	bpfLDXM = unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH // X = 4 * (byte at K & 15)
	bpfLDM  = unix.BPF_LD | unix.BPF_MEM               // A = scratch word K
	bpfST   = unix.BPF_ST
	bpfADDX = unix.BPF_ALU | unix.BPF_ADD | unix.BPF_X
	bpfTAX  = unix.BPF_MISC | unix.BPF_TAX
	bpfJA   = unix.BPF_JMP | unix.BPF_JA
	bpfJEQ  = unix.BPF_JMP | unix.BPF_JEQ
	bpfJGE  = unix.BPF_JMP | unix.BPF_JGE
	bpfJSET = unix.BPF_JMP | unix.BPF_JSET
	bpfRET  = unix.BPF_RET
	bpfRETA = unix.BPF_RET | unix.BPF_A
)

// The parts of an instruction: its class, and the mode of a load.
const (
	classMask = 0x07
	modeMask  = 0xe0
)

// Ancillary loads of Linux: SKF_AD_OFF of linux/filter.h plus an SKF_AD_ value.
const (
	adOff     = 0xfffff000
	adPktType = adOff + 4  // SKF_AD_PKTTYPE
	adHatype  = adOff + 28 // SKF_AD_HATYPE
	adVLANTag = adOff + 44 // SKF_AD_VLAN_TAG
	adVLANHas = adOff + 48 // SKF_AD_VLAN_TAG_PRESENT
	adVLANTP  = adOff + 60 // SKF_AD_VLAN_TPID
)

// program returns the kernel's program for frames of a link type. It evaluates
// expr as if the frames were read from a file, where they have their VLAN
// tags, and passes snaplen bytes. Of the connections in bulk it passes headers
// only. It passes frames that the kernel cannot judge. whole reports whether
// the kernel can judge all frames.
func program(expr string, link linkKind, snaplen int, bulk []pair) (code []filter.Instruction, whole bool, err error) {
	ret := tail(link, snaplen, bulk)
	if expr == "" {
		return ret, true, nil
	}
	switch link {
	case linkOther:
		return ret, false, nil
	case linkEach:
		code, err = judgeEach(expr)
	default:
		code, whole, err = judge(expr, link)
	}
	if err != nil {
		return nil, false, err
	}
	n := len(code)
	// Replace each "yes" by a jump to the tail.
	for i := range code {
		switch c := &code[i]; {
		case c.Code == bpfRETA:
			return ret, false, nil // the compiler never emits this; its length would bypass snaplen
		case c.Code == bpfRET && c.K != 0:
			*c = filter.Instruction{Code: bpfJA, K: uint32(n - i - 1)}
		}
	}
	if code = append(code, ret...); len(code) > unix.BPF_MAXINSNS {
		if len(bulk) > 0 {
			return program(expr, link, snaplen, bulk[:len(bulk)/2])
		}
		if link == linkEach {
			return ret, false, nil
		}
		return nil, false, fmt.Errorf("the filter makes %d instructions; the kernel takes %d", len(code), unix.BPF_MAXINSNS)
	}
	return code, whole, nil
}

// acceptAll is a program that passes everything.
var acceptAll = []filter.Instruction{{Code: bpfRET, K: 1}}

// judge returns a program that evaluates expr in frames of a link type. whole
// reports whether it judges all of them; it passes the others.
func judge(expr string, link linkKind) (code []filter.Instruction, whole bool, err error) {
	p, err := filter.Compile(expr, uint32(link))
	if err != nil {
		return nil, false, err
	}
	plain, ok := p.Instructions()
	if !ok {
		return slices.Clone(acceptAll), false, nil
	}
	if link != linkKind(packet.LinkEthernet) {
		return plain, true, nil
	}
	// Layout: test for a tag, program for tagged frames, program for others.
	tagged, err := behindTag(plain)
	if whole = err == nil; !whole {
		tagged = acceptAll
	}
	code = append(code,
		filter.Instruction{Code: bpfLDB, K: adVLANHas},
		filter.Instruction{Code: bpfJEQ, Jt: 1, K: 0},
		filter.Instruction{Code: bpfJA, K: 1},
		filter.Instruction{Code: bpfJA, K: uint32(len(tagged))})
	return append(append(code, tagged...), plain...), whole, nil
}

// judgeEach returns a program that evaluates expr in frames of all interfaces,
// depending on the type of each frame's interface. It judges frames of
// Ethernet, of the loopback interface and of interfaces without a link header,
// and passes others.
func judgeEach(expr string) ([]filter.Instruction, error) {
	ether, _, err := judge(expr, linkKind(packet.LinkEthernet))
	if err != nil {
		return nil, err
	}
	raw, _, err := judge(expr, linkKind(packet.LinkRaw))
	if err != nil { // expr uses fields that only Ethernet has
		raw = acceptAll
	}
	// Layout: load of the type, jumps by type, pass, program for Ethernet,
	// program for frames without a link header.
	hatypes := []uint32{unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK, unix.ARPHRD_NONE, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT, unix.ARPHRD_RAWIP}
	code := []filter.Instruction{{Code: bpfLDH, K: adHatype}}
	for i, hatype := range hatypes {
		to := 2*(len(hatypes)-i-1) + len(acceptAll)
		if kindOf(uint16(hatype)) == linkKind(packet.LinkRaw) {
			to += len(ether)
		}
		code = append(code, filter.Instruction{Code: bpfJEQ, Jf: 1, K: hatype}, filter.Instruction{Code: bpfJA, K: uint32(to)})
	}
	return append(append(append(code, acceptAll...), ether...), raw...), nil
}

// errTagged says that a program cannot be adapted to tagged frames.
var errTagged = errors.New("not in a tagged frame")

// behindTag adapts a program for Ethernet frames in a file to frames whose
// outer VLAN tag was removed by the kernel.
func behindTag(code []filter.Instruction) ([]filter.Instruction, error) {
	out := make([]filter.Instruction, len(code))
	live := make([]bool, len(code)+1) // reachable instructions
	aimed := make([]bool, len(code))  // targets of jumps
	live[0] = true
	for i, c := range code {
		if !live[i] {
			out[i] = filter.Instruction{Code: bpfRET}
			continue
		}
		switch c.Code {
		case bpfLDW, bpfLDH, bpfLDB:
			size := map[uint16]uint32{bpfLDW: 4, bpfLDH: 2, bpfLDB: 1}[c.Code]
			switch {
			case c.K+size <= 12:
			case c.K >= 16:
				c.K -= vlanLen
			case c.K == 12 && c.Code == bpfLDH:
				c.K = adVLANTP
			case c.K == 14 && c.Code == bpfLDH:
				c.K = adVLANTag
			default:
				return nil, errTagged
			}
		case bpfLDXM:
			if c.K < 16 {
				return nil, errTagged
			}
			c.K -= vlanLen
		case bpfJEQ:
			// In these frames the EtherType is that of a tag. What follows a comparison
			// with another EtherType is unreachable.
			if i > 0 && !aimed[i] && code[i-1].Code == bpfLDH && code[i-1].K == 12 && !isTag(c.K) {
				c = filter.Instruction{Code: bpfJA, K: uint32(c.Jf)}
			}
		default:
			if m := c.Code & modeMask; c.Code&classMask <= unix.BPF_LDX && (m == unix.BPF_LEN || m == unix.BPF_IND && c.K < 16) {
				return nil, errTagged
			} else if c.Code&classMask == unix.BPF_LD && m == unix.BPF_IND {
				c.K -= vlanLen
			}
		}
		out[i] = c
		// All jumps go forward, so every instruction that can reach i was processed.
		switch {
		case c.Code&classMask == unix.BPF_RET:
		case c.Code == bpfJA:
			live[i+1+int(c.K)], aimed[i+1+int(c.K)] = true, true
		case c.Code&classMask == unix.BPF_JMP:
			for _, n := range []uint8{c.Jt, c.Jf} {
				live[i+1+int(n)], aimed[i+1+int(n)] = true, true
			}
		default:
			live[i+1] = true
		}
	}
	return out, nil
}

// isTag reports whether the kernel removes tags with this EtherType.
func isTag(t uint32) bool { return t == 0x8100 || t == 0x88a8 }

// tail returns the end of a program whose answer is yes.
func tail(link linkKind, snaplen int, bulk []pair) []filter.Instruction {
	ret := filter.Instruction{Code: bpfRET, K: uint32(snaplen)}
	if link == linkEach {
		// Outgoing packets of a loopback interface also come in. Pass them once.
		return []filter.Instruction{
			{Code: bpfLDH, K: adPktType},
			{Code: bpfJEQ, Jf: 3, K: unix.PACKET_OUTGOING},
			{Code: bpfLDH, K: adHatype},
			{Code: bpfJEQ, Jf: 1, K: unix.ARPHRD_LOOPBACK},
			{Code: bpfRET},
			ret,
		}
	}
	if link != linkKind(packet.LinkEthernet) || len(bulk) == 0 {
		return []filter.Instruction{ret}
	}
	return thinner(snaplen, bulk)
}
