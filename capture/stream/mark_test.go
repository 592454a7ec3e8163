package stream

import "testing"

// TestAnswers compares marks of both directions.
func TestAnswers(t *testing.T) {
	hello := Mark{From: 0, To: 100, Seq: 1100, Ack: 5001, Packet: 3, Time: 30}
	for _, c := range []struct {
		name string
		m    Mark
		to   int
		want bool
	}{
		{"everything acknowledged", Mark{Seq: 5100, Ack: 1100, Time: 40}, 100, true},
		{"everything acknowledged, captured before", Mark{Seq: 5100, Ack: 1100, Time: 10}, 100, true},
		{"a part acknowledged", Mark{Seq: 5100, Ack: 1060, Time: 40}, 100, false},
		{"the examined part acknowledged", Mark{Seq: 5100, Ack: 1060, Time: 40}, 60, true},
		{"nothing acknowledged, captured after", Mark{Seq: 5100, Ack: 1000, Time: 40}, 100, false},
		{"undetermined, captured after", Mark{Time: 40}, 100, true},
		{"undetermined, captured before", Mark{Time: 20}, 100, false},
		{"undetermined, same time", Mark{Time: 30, Packet: 4}, 100, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.m.Answers(hello, c.to); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	wrapped := Mark{From: 0, To: 100, Seq: 50, Ack: 1}
	if !(Mark{Seq: 9, Ack: 50}).Answers(wrapped, 100) || (Mark{Seq: 9, Ack: 0xfffffff0}).Answers(wrapped, 100) {
		t.Error("wrong answer for sequence numbers that wrap")
	}
}

// TestHolds compares a half with acknowledgments of the other one.
func TestHolds(t *testing.T) {
	h := Half{Data: make([]byte, 100), Marks: []Mark{{From: 0, To: 40, Seq: 1040, Ack: 7}, {From: 60, To: 100, Seq: 1100, Ack: 7}}, Gaps: []Gap{{40, 60}}}
	for _, c := range []struct {
		ack  uint32
		gap  bool
		want bool
	}{{1040, true, true}, {1041, true, false}, {1100, true, false}, {1100, false, true}, {1101, false, false}, {1000, true, true}} {
		x := h
		if !c.gap {
			x.Gaps = nil
		}
		if got := x.Holds(Mark{Seq: 7, Ack: c.ack}); got != c.want {
			t.Errorf("acknowledgment %d, gap %v: got %v, want %v", c.ack, c.gap, got, c.want)
		}
	}
	if !h.Holds(Mark{}) || (&Half{}).Holds(Mark{Seq: 7, Ack: 1}) {
		t.Error("got false for a mark without numbers, or true for a half without marks")
	}
}
