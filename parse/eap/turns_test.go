package eap

import (
	"slices"
	"testing"

	"pfsight/capture/stream"
)

// arranged returns a conversation of the datagrams of c with these numbers, from 1,
// in this order.
func arranged(c *stream.Conversation, order []int) *stream.Conversation {
	var list []sent
	for _, n := range order {
		for d := range c.Half {
			for _, m := range c.Half[d].Marks {
				if int(m.Packet) == n {
					list = append(list, sent{stream.Dir(d), c.Half[d].Data[m.From:m.To]})
				}
			}
		}
	}
	return conversation(c.Transport, list...)
}

// numbered returns the numbers from 1 to n.
func numbered(n int) (list []int) {
	for i := range n {
		list = append(list, i+1)
	}
	return list
}

// TestReadLateCopies inserts a copy of each packet at each later position, with and
// without the original. The result must be complete.
func TestReadLateCopies(t *testing.T) {
	t.Parallel()
	whole := exchange(typeTLS)
	for _, c := range []*stream.Conversation{overEAPOL(whole[1:]...), overRADIUS(whole[1:]...)} {
		n := len(whole) - 1
		for i := range n {
			for j := i + 1; j <= n; j++ {
				copied := slices.Insert(numbered(n), j, i+1)
				lists := [][]int{copied}
				if i >= 3 && i < 9 && j <= i+4 { // within the flights of TLS
					lists = append(lists, slices.Delete(slices.Clone(copied), i, i+1))
				}
				for _, order := range lists {
					var r Reader
					o := r.Read(arranged(c, order))
					if o == nil || shown(&o.TLS[0]) != hello+answer || shown(&o.TLS[1]) != flight+finish || o.TLS[0].Lost || o.TLS[1].Lost {
						t.Fatalf("%v, order %v: got %+v, want complete halves without losses", c.Transport, order, o)
					}
				}
			}
		}
	}
}

// TestReadLosses removes runs of packets. If these contain TLS data, the result must
// show that something is missing.
func TestReadLosses(t *testing.T) {
	t.Parallel()
	whole := exchange(typeTLS)
	for _, c := range []*stream.Conversation{overEAPOL(whole...), overRADIUS(whole...)} {
		for i := 3; i < len(whole)-1; i++ {
			for j := i + 1; j < len(whole); j++ {
				if c.Transport == stream.EAPOL && j == len(whole)-1 && i <= j-2 {
					continue // the identifier of the end may have been incremented
				}
				var r Reader
				o := r.Read(arranged(c, slices.Delete(numbered(len(whole)), i, j)))
				if o == nil {
					continue
				}
				total := len(o.TLS[0].Data) + len(o.TLS[1].Data)
				missing := o.TLS[0].Lost || o.TLS[1].Lost || len(o.TLS[0].Gaps)+len(o.TLS[1].Gaps) > 0
				if total < len(hello+answer+flight+finish) && !missing {
					t.Errorf("%v, packets %d to %d lost: got no loss in %q and %q", c.Transport, i+1, j, shown(&o.TLS[0]), shown(&o.TLS[1]))
				}
			}
		}
		// An outstanding response is not a loss.
		for n := range whole {
			var r Reader
			if o := r.Read(arranged(c, numbered(n)[min(n, 1):])); o != nil && (o.TLS[0].Lost || o.TLS[1].Lost) {
				t.Errorf("%v, first %d packets: got a loss in %+v", c.Transport, n, o)
			}
		}
	}
}

// TestSplitLosses removes runs of packets from a RADIUS session, and truncates one
// before its EAP-Message. The rest must belong to one session.
func TestSplitLosses(t *testing.T) {
	t.Parallel()
	list := radiusSession("a", 0, 1)
	for i := range list {
		for j := i; j < len(list); j++ {
			left := slices.Concat(list[:i], list[j:])
			if len(left) == 1 && left[0].d.Data[0] == accessAccept {
				continue // an Accept does not begin a session
			}
			testSplit(t, NewSessions(), left)
			for k := range left {
				if k == 0 {
					continue // its session is not known yet
				}
				cut := slices.Clone(left)
				cut[k].d.Data = cut[k].d.Data[:10]
				testSplit(t, NewSessions(), cut)
			}
		}
	}
}
