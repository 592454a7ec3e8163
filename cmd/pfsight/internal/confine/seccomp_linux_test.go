//go:build amd64 || arm64

package confine

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestFilterCalls runs the filter as the kernel does, for calls whose effect is
// hard to try.
func TestFilterCalls(t *testing.T) {
	const pid = 4711
	for name, need := range map[string]calls{"read": {}, "live": {families: []uint32{unix.AF_PACKET, unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}, connect: true, accept: true}} {
		var raw []bpf.RawInstruction
		for _, f := range filterCalls(need, pid) {
			raw = append(raw, bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K})
		}
		program, ok := bpf.Disassemble(raw)
		if !ok {
			t.Fatal("not all is known")
		}
		vm, err := bpf.NewVM(program)
		if err != nil {
			t.Fatal(err)
		}
		answer := func(arch, call uint32, args ...uint32) uint32 {
			b := make([]byte, 64) // the machine reads big endian
			binary.BigEndian.PutUint32(b, call)
			binary.BigEndian.PutUint32(b[4:], arch)
			for i, a := range args {
				binary.BigEndian.PutUint32(b[16+8*i:], a)
			}
			n, err := vm.Run(b)
			if err != nil {
				t.Fatal(err)
			}
			return uint32(n)
		}
		// Each call there may be, as one without arguments.
		allowed := 0
		for call := range uint32(600) {
			got := answer(auditArch, call)
			listed := slices.Contains(commonCalls, call) || slices.Contains(archCalls, call) || name == "live" && slices.Contains(socketCalls, call)
			judged := slices.Contains([]uint32{unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_IOCTL}, call) || name == "live" && (call == unix.SYS_CONNECT || call == unix.SYS_ACCEPT4)
			if want := listed || judged; want != (got == answerAllow) {
				t.Errorf("%s: call %d: %#x", name, call, got)
			}
			if got == answerAllow {
				allowed++
			}
			if call > lastCall && got != answerMissing {
				t.Errorf("%s: call %d, which is not known: %#x", name, call, got)
			}
		}
		if allowed < 80 || allowed > 140 {
			t.Errorf("%s: %d calls are allowed", name, allowed)
		}
		net := uint32(answerRefuse)
		if name == "live" {
			net = answerAllow
		}
		for _, c := range []struct {
			call uint32
			args []uint32
			want uint32
		}{
			{unix.SYS_CLONE, []uint32{unix.CLONE_VM | unix.CLONE_THREAD | unix.CLONE_SIGHAND}, answerAllow},
			{unix.SYS_CLONE, []uint32{unix.CLONE_THREAD | unix.CLONE_NEWUSER}, answerRefuse},
			{unix.SYS_CLONE, []uint32{uint32(unix.SIGCHLD)}, answerRefuse},
			{unix.SYS_MMAP, []uint32{0, 4096, unix.PROT_READ | unix.PROT_EXEC}, answerRefuse},
			{unix.SYS_MPROTECT, []uint32{0, 4096, unix.PROT_EXEC}, answerRefuse},
			{unix.SYS_TGKILL, []uint32{pid, 1, 23}, answerAllow},
			{unix.SYS_TGKILL, []uint32{pid + 1, 1, 23}, answerRefuse},
			{unix.SYS_PRCTL, []uint32{unix.PR_SET_VMA}, answerAllow},
			{unix.SYS_PRCTL, []uint32{unix.PR_SET_DUMPABLE, 1}, answerRefuse},
			{unix.SYS_IOCTL, []uint32{0, unix.TIOCSTI}, answerRefuse},
			{unix.SYS_IOCTL, []uint32{0, unix.TIOCGWINSZ}, answerAllow},
			{unix.SYS_SOCKET, []uint32{unix.AF_PACKET, unix.SOCK_RAW, 0}, net},
			{unix.SYS_SOCKET, []uint32{unix.AF_INET, unix.SOCK_STREAM, 0}, net},
			{unix.SYS_SOCKET, []uint32{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP}, answerRefuse},
			{unix.SYS_SOCKET, []uint32{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}, net},
			{unix.SYS_SOCKET, []uint32{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, answerRefuse},
			{unix.SYS_SOCKET, []uint32{unix.AF_VSOCK, unix.SOCK_STREAM, 0}, answerRefuse},
			{unix.SYS_EXECVE, nil, answerRefuse},
			{unix.SYS_CLONE3, nil, answerMissing},
		} {
			if got := answer(auditArch, c.call, c.args...); got != c.want {
				t.Errorf("%s: call %d%v: %#x, want %#x", name, c.call, c.args, got, c.want)
			}
		}
		if got := answer(auditArch^1, unix.SYS_READ); got != answerKill {
			t.Errorf("%s: another architecture: %#x", name, got)
		}
	}
}
