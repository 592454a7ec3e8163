package schema

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestAppendTime holds the times of records against package time's own.
func TestAppendTime(t *testing.T) {
	for i := range 2000 {
		ns := rand.Int64()
		switch i {
		case 0:
			ns = math.MinInt64
		case 1:
			ns = math.MaxInt64
		case 2:
			ns = 0
		case 3:
			ns = -1
		case 4:
			ns = 999_999_999
		case 5:
			ns = 1_700_000_000_000_001_000
		}
		for _, ns := range []int64{ns, ns / 1000 * 1000, -ns} {
			layout := "2006-01-02T15:04:05.000000000Z"
			if ns%1000 == 0 {
				layout = "2006-01-02T15:04:05.000000Z"
			}
			if got, want := string(AppendTime([]byte("x"), ns)), "x"+time.Unix(0, ns).UTC().Format(layout); got != want {
				t.Fatalf("%d: %s, want %s", ns, got, want)
			}
		}
	}
}
