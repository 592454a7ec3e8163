package memory

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// TestDeferGC checks that a small heap is not collected, that a large one is
// collected by gcPercent, and that the settings are restored.
func TestDeferGC(t *testing.T) {
	percent := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	await := func(what string, ok func(uint64) bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !ok(percent()); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: GOGC is %d", what, percent())
			}
		}
	}
	t.Setenv("GOGC", "")
	os.Unsetenv("GOGC")
	defer debug.SetGCPercent(debug.SetGCPercent(123))
	runtime.GC()
	end := DeferGC(ReadHeap)
	await("a small heap", func(n uint64) bool { return n > 123 })
	held := make([]byte, 2*ReadHeap)
	runtime.GC()
	await("a large heap", func(n uint64) bool { return n == gcPercent })
	runtime.KeepAlive(held)
	end()
	await("afterwards", func(n uint64) bool { return n == 123 })
	t.Setenv("GOGC", "50")
	DeferGC(ReadHeap)()
	if n := percent(); n != 123 {
		t.Errorf("the user's GOGC became %d", n)
	}
}
