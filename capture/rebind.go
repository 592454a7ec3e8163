package capture

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"

	"pfsight/capture/stream"
)

// Limits of following a client whose address changes during the opening.
// Connection IDs live as long as their opening and count as its memory, so
// with defaultMemory there are at most about 500,000.
const (
	maxConnIDs    = 8  // per opening (ConnIDLimit); a QUIC connection whose client has a short ID needs two, and one more after a Retry
	maxMoves      = 4  // later addresses of one client
	maxCompared   = 8  // datagrams from other addresses that are compared with one opening
	leastServerID = 4  // bytes of a usable server's ID; shorter ones collide too often
	leastClientID = 8  // bytes of a client's ID that is sufficient without the server's
	connIDCost    = 64 // approximate bytes of one entry
)

// A connIDTable finds openings by connection IDs. The key is a hash of the
// server's address and the IDs that both endpoints chose. The hash has a
// secret seed, so that collisions cannot be constructed.
type connIDTable struct {
	table
	slab slab[connIDEntry]
	seed maphash.Seed
}

// A connIDEntry refers to the flow of an opening.
type connIDEntry struct {
	hash   uint64
	flow   uint32
	shared bool // also used by another conversation, so it identifies neither
}

func newConnIDTable() connIDTable { return connIDTable{table: newTable(), seed: maphash.MakeSeed()} }

// hash returns the key of the connection IDs that the server and the client
// chose, 0 if they are too short or too long. server is the endpoint of k. A
// long ID of the client is sufficient, because the server may have changed its
// own ID in a packet that was not captured.
func (n *connIDTable) hash(k *flowKey, server uint8, serverID, clientID []byte) uint64 {
	if len(clientID) >= leastClientID {
		serverID = nil
	} else if len(serverID) < leastServerID {
		return 0
	}
	if len(serverID) > stream.MaxConnID || len(clientID) > stream.MaxConnID {
		return 0
	}
	hi, lo, port := k.aHi, k.aLo, uint16(k.ports>>16)
	if server == 1 {
		hi, lo, port = k.bHi, k.bLo, uint16(k.ports)
	}
	var room [16 + 2 + 1 + 2*stream.MaxConnID]byte
	b := binary.BigEndian.AppendUint64(room[:0], hi)
	b = binary.BigEndian.AppendUint64(b, lo)
	b = binary.BigEndian.AppendUint16(b, port)
	b = append(b, byte(len(serverID)))
	b = append(b, serverID...)
	b = append(b, clientID...)
	return maphash.Bytes(n.seed, b) | 1
}

// find returns the entry with this hash, or nil.
func (n *connIDTable) find(hash uint64) *connIDEntry {
	tag := tagOf(hash)
	for i := tag & n.mask; n.slots[i].ref != 0; i = (i + 1) & n.mask {
		if n.slots[i].tag == tag {
			if x := n.slab.get(n.slots[i].ref); x.hash == hash {
				return x
			}
		}
	}
	return nil
}

// addConnIDs adds the connection IDs of a datagram b of an opening.
func (t *tracker) addConnIDs(ref uint32, f *flow, o *opening, d stream.Dir, b []byte) {
	to, from, ok := t.opt.Rebind.ConnIDs(b)
	if !ok {
		return
	}
	if d == stream.ToClient {
		to, from = from, to
	}
	ids := &t.connIDs
	hash := ids.hash(&f.key, f.client^1, to, from)
	if hash == 0 {
		return
	}
	for _, x := range o.connIDs[:o.connIDCount] {
		if ids.slab.get(x).hash == hash {
			return
		}
	}
	if x := ids.find(hash); x != nil {
		x.shared = x.shared || x.flow != ref
		return
	}
	if o.connIDCount == maxConnIDs {
		t.drops[ConnIDLimit]++
		return
	}
	at, x := ids.slab.add()
	*x = connIDEntry{hash: hash, flow: ref}
	ids.insert(tagOf(hash), at)
	o.connIDs[o.connIDCount] = at
	o.connIDCount++
	t.pool.held += connIDCost
}

// wasSentFirst reports whether b, the first datagram in direction d, was sent
// before the first one in the other direction, which is its answer: that one
// is addressed to b's source connection ID, but b is not addressed to that
// one's.
func (t *tracker) wasSentFirst(o *opening, d stream.Dir, b []byte) bool {
	h := &o.conv.Half[d.Opposite()]
	if d != stream.ToClient || len(h.Marks) == 0 {
		return false
	}
	to, from, ok := t.opt.Rebind.ConnIDs(h.Data[h.Marks[0].From:h.Marks[0].To])
	if !ok || len(to) == 0 {
		return false
	}
	itsTo, itsFrom, ok := t.opt.Rebind.ConnIDs(b)
	return ok && bytes.Equal(itsFrom, to) && !bytes.Equal(itsTo, from)
}

// swapRoles exchanges client and server of a UDP opening whose server's
// datagrams were captured first.
func (t *tracker) swapRoles(ref uint32, f *flow, o *opening) {
	f.client ^= 1
	h := &o.conv.Half
	h[0], h[1] = h[1], h[0]
	o.half[0], o.half[1] = o.half[1], o.half[0]
	t.setEndpoints(o, f)
	t.dropConnIDs(o)
	for d := range h {
		for _, m := range h[d].Marks {
			t.addConnIDs(ref, f, o, stream.Dir(d), h[d].Data[m.From:m.To])
		}
	}
}

// dropConnIDs removes the connection IDs of an opening from the table.
func (t *tracker) dropConnIDs(o *opening) {
	ids := &t.connIDs
	for _, at := range o.connIDs[:o.connIDCount] {
		ids.remove(tagOf(ids.slab.get(at).hash), at)
		ids.slab.release(at)
	}
	t.pool.held -= int(o.connIDCount) * connIDCost
	o.connIDCount = 0
}

// onRebound handles a datagram between endpoints without an entry if it
// continues an opening whose client had another address. From then on,
// datagrams between these endpoints belong to that opening. It reports whether
// it handled s.
func (t *tracker) onRebound(s *segment) bool {
	to, from, ok := t.opt.Rebind.ConnIDs(s.payload)
	if !ok {
		return false
	}
	ids := &t.connIDs
	d := stream.ToServer
	x := ids.find(ids.hash(&s.key, s.fromB^1, to, from))
	if x == nil {
		d = stream.ToClient
		x = ids.find(ids.hash(&s.key, s.fromB, from, to))
	}
	if x == nil || x.shared {
		return false
	}
	ref := x.flow
	f := t.flows.get(ref)
	o := t.opens[f.opening-1]
	if o.compared == maxCompared {
		return false
	}
	o.compared++
	moves := 0
	for at := *f.nextMove(); at != 0; at = *t.flows.get(at).nextMove() {
		moves++
	}
	if moves == maxMoves || t.idle(f, t.now) || !t.opt.Rebind.Same(&o.conv, d, s.payload) {
		return false
	}
	if t.flows.n >= t.maxFlows {
		id := f.id
		if t.evictFlow(); f.id != id || f.opening == 0 {
			return false // the opening itself was evicted
		}
	}
	at, a := t.flows.add()
	t.peak.Connections = max(t.peak.Connections, t.flows.n)
	*a = flow{key: s.key, tag: tagOf(s.hash), bits: inUse | moved, client: s.fromB ^ uint8(d)}
	t.table.insert(a.tag, at)
	*a.movedFrom(), *a.nextMove() = ref, *f.nextMove()
	*f.nextMove() = at
	o.conv.Moved = s.key.endpoint(a.client)
	t.onDatagram(s, at, a)
	return true
}

// release removes a flow and the later addresses of its client.
func (t *tracker) release(ref uint32, f *flow) {
	if f.key.proto == protoUDP {
		for at := *f.nextMove(); at != 0; {
			a := t.flows.get(at)
			next := *a.nextMove()
			t.table.remove(a.tag, at)
			t.flows.release(at)
			at = next
		}
	}
	t.table.remove(f.tag, ref)
	t.flows.release(ref)
}
