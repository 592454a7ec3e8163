package filter

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestConstants compares the constants with those of package unix, which has
// none on Windows.
func TestConstants(t *testing.T) {
	for _, x := range []struct {
		name      string
		got, want int
	}{
		{"LD", classLD, unix.BPF_LD}, {"LDX", classLDX, unix.BPF_LDX}, {"ST", classST, unix.BPF_ST}, {"STX", classSTX, unix.BPF_STX},
		{"ALU", classALU, unix.BPF_ALU}, {"JMP", classJMP, unix.BPF_JMP}, {"RET", classRET, unix.BPF_RET}, {"MISC", classMISC, unix.BPF_MISC},
		{"W", sizeW, unix.BPF_W}, {"H", sizeH, unix.BPF_H}, {"B", sizeB, unix.BPF_B},
		{"IMM", modeIMM, unix.BPF_IMM}, {"ABS", modeABS, unix.BPF_ABS}, {"IND", modeIND, unix.BPF_IND},
		{"MEM", modeMEM, unix.BPF_MEM}, {"LEN", modeLEN, unix.BPF_LEN}, {"MSH", modeMSH, unix.BPF_MSH},
		{"ADD", opADD, unix.BPF_ADD}, {"SUB", opSUB, unix.BPF_SUB}, {"MUL", opMUL, unix.BPF_MUL}, {"DIV", opDIV, unix.BPF_DIV},
		{"OR", opOR, unix.BPF_OR}, {"AND", opAND, unix.BPF_AND}, {"LSH", opLSH, unix.BPF_LSH}, {"RSH", opRSH, unix.BPF_RSH},
		{"NEG", opNEG, unix.BPF_NEG}, {"MOD", opMOD, unix.BPF_MOD}, {"XOR", opXOR, unix.BPF_XOR},
		{"JA", opJA, unix.BPF_JA}, {"JEQ", opJEQ, unix.BPF_JEQ}, {"JGT", opJGT, unix.BPF_JGT}, {"JGE", opJGE, unix.BPF_JGE}, {"JSET", opJSET, unix.BPF_JSET},
		{"X", srcX, unix.BPF_X}, {"A", retA, unix.BPF_A}, {"TAX", miscTAX, unix.BPF_TAX}, {"TXA", miscTXA, unix.BPF_TXA},
		{"MAXINSNS", maxInstructions, unix.BPF_MAXINSNS}, {"MEMWORDS", memWords, unix.BPF_MEMWORDS},
	} {
		if x.got != x.want {
			t.Errorf("BPF_%s is %#x, want %#x", x.name, x.got, x.want)
		}
	}
}
