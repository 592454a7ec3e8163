package main

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// A webSocket is a client that carries bytes in masked binary messages, RFC 6455
// section 5.
type webSocket struct {
	net.Conn
	r    *bufio.Reader
	left int // bytes of the current message not yet read
}

// dialWebSocket connects to a WebSocket server.
func dialWebSocket(addr string) *webSocket {
	c, err := net.Dial("tcp", addr)
	check(err)
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+addr+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary\r\n\r\n")
	check(err)
	w := &webSocket{Conn: c, r: bufio.NewReader(c)}
	res, err := http.ReadResponse(w.r, nil)
	check(err)
	if res.StatusCode != http.StatusSwitchingProtocols {
		log.Fatalf("websocket: %s", res.Status)
	}
	return w
}

func (w *webSocket) Read(p []byte) (int, error) {
	for w.left == 0 {
		var h [2]byte
		if _, err := io.ReadFull(w.r, h[:]); err != nil {
			return 0, err
		}
		w.left = int(h[1] & 0x7f)
		if w.left == 126 {
			if _, err := io.ReadFull(w.r, h[:]); err != nil {
				return 0, err
			}
			w.left = int(binary.BigEndian.Uint16(h[:]))
		}
		if h[0]&0x0f == 8 {
			return 0, io.EOF
		}
	}
	n, err := w.r.Read(p[:min(len(p), w.left)])
	w.left -= n
	return n, err
}

func (w *webSocket) Write(p []byte) (int, error) {
	b := []byte{0x82}
	if len(p) < 126 {
		b = append(b, 0x80|byte(len(p)))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(len(p)))
	}
	var mask [4]byte
	_, _ = rand.Read(mask[:])
	b = append(b, mask[:]...)
	for i, c := range p {
		b = append(b, c^mask[i%4])
	}
	if _, err := w.Conn.Write(b); err != nil {
		return 0, err
	}
	return len(p), nil
}

// tunnel runs a crypto/tls client over a WebSocket. websockify forwards the stream
// to an echo server, so the capture has the same handshake twice: masked from
// the client, and plain from websockify.
func tunnel(st *stage) []truth {
	echoed := goEcho(st, "127.0.0.1:8443")
	st.daemon([]int{8080}, "websockify", "127.0.0.1:8080", "127.0.0.1:8443")
	t := goUpgraded(dialWebSocket("127.0.0.1:8080"), "websocket")
	time.Sleep(100 * time.Millisecond)
	return []truth{t, <-echoed}
}
