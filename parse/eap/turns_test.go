package eap

import (
	"slices"
	"testing"

	"pfsight/capture/stream"
)

// arranged returns the datagrams of c with these numbers, from 1, in this order.
func arranged(c *stream.Conversation, order []int) *stream.Conversation {
	var list []said
	for _, n := range order {
		for d := range c.Half {
			for _, m := range c.Half[d].Marks {
				if int(m.Packet) == n {
					list = append(list, said{stream.Dir(d), c.Half[d].Data[m.From:m.To]})
				}
			}
		}
	}
	return conversation(c.Transport, list...)
}

func numbered(n int) (list []int) {
	for i := range n {
		list = append(list, i+1)
	}
	return list
}

// TestLateCopies puts a copy of each packet at each place behind it, with the
// first one there and without: nothing is lost, and all is read as it was said.
func TestLateCopies(t *testing.T) {
	whole := exchange(typeTLS)
	for _, c := range []*stream.Conversation{hear(whole[1:]...), overRADIUS(whole[1:]...)} {
		n := len(whole) - 1
		for i := range n {
			for j := i + 1; j <= n; j++ {
				copied := slices.Insert(numbered(n), j, i+1)
				lists := [][]int{copied}
				if i >= 3 && i < 9 && j <= i+4 { // within the flights
					lists = append(lists, slices.Delete(slices.Clone(copied), i, i+1))
				}
				for _, order := range lists {
					var r Reader
					o := r.Read(arranged(c, order))
					if o == nil || shown(&o.TLS[0]) != hello+answer || shown(&o.TLS[1]) != flight+finish || o.TLS[0].Lost || o.TLS[1].Lost {
						t.Fatalf("%v, %v: %+v", c.Transport, order, o)
					}
				}
			}
		}
	}
}

// TestUnseenTurns leaves runs of packets out. Where bytes of TLS were in them,
// the rest shows that something is missing.
func TestUnseenTurns(t *testing.T) {
	whole := exchange(typeTLS)
	for _, c := range []*stream.Conversation{hear(whole...), overRADIUS(whole...)} {
		for i := 3; i < len(whole)-1; i++ {
			for j := i + 1; j < len(whole); j++ {
				if c.Transport == stream.EAPOL && j == len(whole)-1 && i <= j-2 {
					continue // the end may have counted once more
				}
				var r Reader
				o := r.Read(arranged(c, slices.Delete(numbered(len(whole)), i, j)))
				if o == nil {
					continue
				}
				said := len(o.TLS[0].Data) + len(o.TLS[1].Data)
				missing := o.TLS[0].Lost || o.TLS[1].Lost || len(o.TLS[0].Gaps)+len(o.TLS[1].Gaps) > 0
				if said < len(hello+answer+flight+finish) && !missing {
					t.Errorf("%v without %d to %d: %q, %q", c.Transport, i+1, j, shown(&o.TLS[0]), shown(&o.TLS[1]))
				}
			}
		}
		// What was not answered yet is not lost.
		for n := range whole {
			var r Reader
			if o := r.Read(arranged(c, numbered(n)[min(n, 1):])); o != nil && (o.TLS[0].Lost || o.TLS[1].Lost) {
				t.Errorf("%v, the first %d packets: %+v", c.Transport, n, o)
			}
		}
	}
}

// TestSplitLosses leaves runs of packets out of a session of RADIUS: what is left
// is of one session, and so is what was cut before its EAP.
func TestSplitLosses(t *testing.T) {
	list := of("a", 0, 1)
	for i := range list {
		for j := i; j < len(list); j++ {
			left := slices.Concat(list[:i], list[j:])
			if len(left) == 1 && left[0].d.Data[0] == accessAccept {
				continue // it begins none
			}
			play(t, NewSessions(), left)
			for k := range left {
				if k == 0 {
					continue // of no session that is known
				}
				cut := slices.Clone(left)
				cut[k].d.Data = cut[k].d.Data[:10]
				play(t, NewSessions(), cut)
			}
		}
	}
}
