package dtls

// numbers are sequence numbers of records of epoch 0 of one half.
type numbers struct {
	seen       [4]uint64 // a bit for each of the first 256
	hello, ccs uint32    // 1 + the lowest of a ServerHello and of a ChangeCipherSpec, 0 if none was seen
}

// add notes a record of epoch 0 with this body.
func (n *numbers) add(r *record, body []byte) {
	if r.seqHigh != 0 || r.seq >= 64*uint32(len(n.seen)) {
		return
	}
	n.seen[r.seq/64] |= 1 << (r.seq % 64)
	lowest := &n.ccs
	switch {
	case r.typ == RecordHandshake && len(body) >= messageHeader+helloHead && body[0] == TypeServerHello:
		if string(body[messageHeader+2:messageHeader+helloHead]) == retryRandom {
			return
		}
		lowest = &n.hello
	case r.typ != RecordChangeCipherSpec:
		return
	}
	if *lowest == 0 || r.seq < *lowest-1 {
		*lowest = r.seq + 1
	}
}

// missing reports whether a record between the ServerHello and the
// ChangeCipherSpec was not seen.
func (n *numbers) missing() bool {
	if n.hello == 0 || n.ccs == 0 {
		return false
	}
	for seq := n.hello; seq < n.ccs-1; seq++ {
		if n.seen[seq/64]&(1<<(seq%64)) == 0 {
			return true
		}
	}
	return false
}
