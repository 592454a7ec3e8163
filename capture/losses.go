package capture

import (
	"cmp"
	"slices"

	"pfsight/capture/packet"
)

// A LinkCount is the number of packets of a link type that were not read for a
// Reason, which is UnknownLink or NotFiltered.
type LinkCount struct {
	Reason  Reason
	Link    packet.LinkType
	Packets uint64
}

// A FileLoss counts the drops of one file. Drops that do not belong to a file,
// such as those that limit memory, are not included.
type FileLoss struct {
	Name  string
	Drops Counters
}

// Limits of the separate counts. Everything is counted in Stats.Drops.
const (
	maxUnread    = 64      // link types
	maxLossFiles = 1 << 14 // files with losses
)

// losses counts drops by link type and by file.
type losses struct {
	unread []LinkCount // unordered
	files  map[string]*Counters
	names  []string // of files, in the order of their first drops
}

// unreadLinks counts the packets of one block by link type.
type unreadLinks []LinkCount

func (u *unreadLinks) count(r Reason, l packet.LinkType, n uint64) {
	for i := range *u {
		if x := &(*u)[i]; x.Link == l && x.Reason == r {
			x.Packets += n
			return
		}
	}
	if len(*u) < maxUnread {
		*u = append(*u, LinkCount{r, l, n})
	}
}

// add adds the drops of a block of packets. name is its file, or "" if it
// belongs to none.
func (l *losses) add(name string, dropped *Counters, unread unreadLinks) {
	for _, u := range unread {
		(*unreadLinks)(&l.unread).count(u.Reason, u.Link, u.Packets)
	}
	if name == "" {
		return
	}
	var c *Counters
	for r, n := range dropped {
		if n == 0 || !Reason(r).ofPacket() {
			continue
		}
		if c == nil {
			if c = l.files[name]; c == nil {
				if len(l.files) == maxLossFiles {
					return
				}
				if l.files == nil {
					l.files = map[string]*Counters{}
				}
				c = new(Counters)
				l.files[name], l.names = c, append(l.names, name)
			}
		}
		c[r] += n
	}
}

// links returns a copy of the counts by link type, the largest first.
func (l *losses) links() []LinkCount {
	out := slices.Clone(l.unread)
	slices.SortFunc(out, func(a, b LinkCount) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Link, b.Link))
	})
	return out
}

// byFile returns the counts by file, in the order of the first drops.
func (l *losses) byFile() []FileLoss {
	out := make([]FileLoss, len(l.names))
	for i, name := range l.names {
		out[i] = FileLoss{name, *l.files[name]}
	}
	return out
}
