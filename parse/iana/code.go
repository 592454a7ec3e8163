package iana

// A codeTable maps code points to entries with two array accesses.
type codeTable[T any] [256]*[256]*T

func (t *codeTable[T]) set(id uint16, v *T) {
	page := t[id>>8]
	if page == nil {
		page = new([256]*T)
		t[id>>8] = page
	}
	page[id&0xff] = v
}

func (t *codeTable[T]) get(id uint16) *T {
	if page := t[id>>8]; page != nil {
		return page[id&0xff]
	}
	return nil
}

// isGREASE reports whether v is a reserved value of RFC 8701: two equal bytes
// 0x?A.
func isGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// hexDigits returns v as n hexadecimal digits.
func hexDigits(v uint32, n int) string {
	var b [8]byte
	for i := n - 1; i >= 0; i-- {
		b[i] = "0123456789abcdef"[v&15]
		v >>= 4
	}
	return string(b[:n])
}
