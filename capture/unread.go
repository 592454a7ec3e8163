package capture

import (
	"cmp"
	"slices"

	"pfsight/capture/pcapfile"
)

// A LinkCount is how many packets of a link type were not read.
type LinkCount struct {
	Link    pcapfile.LinkType
	Packets uint64
}

// maxUnread is how many link types are counted apart. What comes beyond that is
// in Counters alone.
const maxUnread = 64

// unreadLinks counts packets by link type, in no order.
type unreadLinks struct{ list []LinkCount }

func (u *unreadLinks) count(l pcapfile.LinkType, n uint64) {
	for i := range u.list {
		if u.list[i].Link == l {
			u.list[i].Packets += n
			return
		}
	}
	if len(u.list) < maxUnread {
		u.list = append(u.list, LinkCount{l, n})
	}
}

// sorted returns the counts, the largest first.
func (u *unreadLinks) sorted() []LinkCount {
	slices.SortFunc(u.list, func(a, b LinkCount) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), cmp.Compare(a.Link, b.Link))
	})
	return u.list
}
