package quic

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// vectors reads the sample packets of the RFCs.
func vectors(t testing.TB) map[string][]byte {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	list := map[string][]byte{}
	name := ""
	for line := range strings.Lines(string(b)) {
		switch {
		case line[0] == '#':
		case line[0] != ' ':
			name = strings.TrimSpace(line)
		default:
			x, err := hex.DecodeString(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			list[name] = append(list[name], x...)
		}
	}
	return list
}

// expandLabel is HKDF-Expand-Label with an empty context, with crypto/hkdf.
func expandLabel(t testing.TB, secret []byte, label string, n int) []byte {
	t.Helper()
	label = "tls13 " + label
	info := append([]byte{0, byte(n), byte(len(label))}, label...)
	b, err := hkdf.Expand(sha256.New, secret, string(append(info, 0)), n)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A long is a packet with a long header, to be made.
type long struct {
	version    Version
	kind       kind
	role       stream.Dir // of the sender
	key        string     // the connection ID that the keys follow from, if not dcid
	dcid, scid string
	token      string
	number     int64
	bytes      int // of the packet number, 4 if not given
	frames     string
	size       int  // of the packet, made by PADDING
	loose      bool // the fixed bit is 0
}

// seal makes a packet. It shares no code with what opens packets.
func (l long) seal(t testing.TB) string {
	t.Helper()
	typ := byte(l.kind)
	if l.version.dialect() != nil && l.version.dialect().v2 {
		typ = (typ + 1) & 3
	}
	n := l.bytes
	if n == 0 {
		n = 4
	}
	h := []byte{0xc0 | typ<<4 | byte(n-1)}
	if l.loose {
		h[0] &^= 0x40
	}
	h = binary.BigEndian.AppendUint32(h, uint32(l.version))
	h = append(append(h, byte(len(l.dcid))), l.dcid...)
	h = append(append(h, byte(len(l.scid))), l.scid...)
	if l.kind == kindRetry {
		return string(h) + l.token + strings.Repeat("T", 16)
	}
	if l.kind == kindInitial {
		h = appendVarint(h, uint64(len(l.token)))
		h = append(h, l.token...)
	}
	body := []byte(l.frames)
	if pad := l.size - len(h) - 2 - n - len(body) - 16; pad > 0 {
		body = append(body, make([]byte, pad)...)
	}
	for n+len(body) < 4 {
		body = append(body, 0)
	}
	h = binary.BigEndian.AppendUint16(h, 0x4000|uint16(n+len(body)+16))
	at := len(h)
	for i := n - 1; i >= 0; i-- {
		h = append(h, byte(l.number>>(8*i)))
	}
	if l.kind != kindInitial {
		return string(h) + strings.Repeat("x", len(body)+16)
	}
	key := l.key
	if key == "" {
		key = l.dcid
	}
	prefix, who := "quic", "client in"
	if l.version.dialect().v2 {
		prefix = "quicv2"
	}
	if l.role == stream.ToClient {
		who = "server in"
	}
	initial, err := hkdf.Extract(sha256.New, []byte(key), l.version.dialect().salt[:])
	if err != nil {
		t.Fatal(err)
	}
	secret := expandLabel(t, initial, who, 32)
	block, err := aes.NewCipher(expandLabel(t, secret, prefix+" key", 16))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := expandLabel(t, secret, prefix+" iv", 12)
	for i := range 8 {
		nonce[4+i] ^= byte(l.number >> (56 - 8*i))
	}
	b := aead.Seal(bytes.Clone(h), nonce, body, h)
	hp, err := aes.NewCipher(expandLabel(t, secret, prefix+" hp", 16))
	if err != nil {
		t.Fatal(err)
	}
	var mask [16]byte
	hp.Encrypt(mask[:], b[at+4:at+20])
	b[0] ^= mask[0] & 0x0f
	for i := range n {
		b[at+i] ^= mask[1+i]
	}
	return string(b)
}

func appendVarint(b []byte, v uint64) []byte {
	switch {
	case v < 1<<6:
		return append(b, byte(v))
	case v < 1<<14:
		return binary.BigEndian.AppendUint16(b, 0x4000|uint16(v))
	case v < 1<<30:
		return binary.BigEndian.AppendUint32(b, 0x80000000|uint32(v))
	}
	return binary.BigEndian.AppendUint64(b, 0xc0000000_00000000|v)
}

// cryptoFrame makes a CRYPTO frame of msg[from:to].
func cryptoFrame(msg string, from, to int) string {
	b := appendVarint([]byte{frameCrypto}, uint64(from))
	b = appendVarint(b, uint64(to-from))
	return string(b) + msg[from:to]
}

// message makes a handshake message of n bytes in all.
func message(typ byte, n int) string {
	b := []byte{typ, byte((n - 4) >> 16), byte((n - 4) >> 8), byte(n - 4)}
	for len(b) < n {
		b = append(b, byte(len(b)*7))
	}
	return string(b)
}

// A datagram is what one side sends at once.
type datagram struct {
	from stream.Dir
	b    string
}

// conversation makes a conversation of datagrams, each a packet of the
// capture.
func conversation(list ...datagram) *stream.Conversation {
	c := &stream.Conversation{
		ID: 1, Transport: stream.UDP,
		Client: netip.MustParseAddrPort("192.0.2.1:50000"), Server: netip.MustParseAddrPort("192.0.2.2:443"),
	}
	for i, d := range list {
		add(c, d, i)
	}
	return c
}

func add(c *stream.Conversation, d datagram, i int) {
	h := &c.Half[d.from]
	from := len(h.Data)
	h.Data = append(h.Data, d.b...)
	h.Packets++
	h.Marks = append(h.Marks, stream.Mark{From: uint32(from), To: uint32(len(h.Data)), Packet: uint64(i + 1), Time: int64(1000 + i)})
}

// ask gives the datagrams to Ask one by one and returns its last verdict and
// how many it took.
func ask(list ...datagram) (stream.Decision, int, *stream.Conversation) {
	c := conversation()
	for i, d := range list {
		add(c, d, i)
		if h := &c.Half[d.from]; h.Done || len(h.Data) < h.Want {
			continue
		}
		if v := new(Asker).Ask(c, d.from); v != stream.More {
			return v, i + 1, c
		}
	}
	return stream.More, len(list), c
}

const (
	toServer = stream.ToServer
	toClient = stream.ToClient
)
