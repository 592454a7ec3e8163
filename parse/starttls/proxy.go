package starttls

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
)

// hostPort joins a host name, as sent, and a port.
func hostPort(host string, port uint16) string {
	return host + ":" + strconv.Itoa(int(port))
}

// addrPort joins an address of 4 or 16 bytes and a port.
func addrPort(addr []byte, port uint16) string {
	a, ok := netip.AddrFromSlice(addr)
	if !ok {
		return ""
	}
	return netip.AddrPortFrom(a, port).String()
}

// maxName is the limit of a user or host name in SOCKS. Version 5 has one byte for
// the length.
const maxName = 255

// socks4 reads the request or the reply of SOCKS 4 or 4a. Version 4a has a host name
// instead of the address.
func (w *walker) socks4() result {
	b := w.rest()
	if len(b) < 8 {
		return w.need(8)
	}
	if w.dir == dirServer {
		if b[0] != 0 || b[1] != 90 {
			return no
		}
		return w.leave(8)
	}
	user, r := name(b[8:])
	if r != next {
		return r
	}
	n := 8 + user + 1
	if b[4]|b[5]|b[6] != 0 || b[7] == 0 {
		w.target(func() string { return addrPort(b[4:8], binary.BigEndian.Uint16(b[2:])) })
		return w.leave(n)
	}
	host, r := name(b[n:])
	if r != next {
		return r
	}
	w.target(func() string { return hostPort(string(b[n:n+host]), binary.BigEndian.Uint16(b[2:])) })
	return w.leave(n + host + 1)
}

// name returns the length of a string that a zero byte ends.
func name(b []byte) (int, result) {
	i := bytes.IndexByte(b[:min(len(b), maxName+1)], 0)
	if i < 0 {
		if len(b) > maxName {
			return 0, no
		}
		return 0, more
	}
	return i, next
}

// Phases of layerSOCKS5, RFC 1928.
const (
	socksGreeting = iota
	socksMethod   // the client sent its methods: authentication or request follows
	socksAuth     // the server selected a password: its verdict follows
	socksRequest
)

// socks5 reads one message of SOCKS 5, without authentication or with a password
// (RFC 1929).
func (w *walker) socks5() result {
	b := w.rest()
	if len(b) < 2 {
		return w.need(2)
	}
	client := w.dir == dirClient
	switch {
	case w.phase == socksGreeting && client:
		if b[0] != 5 || b[1] == 0 {
			return no
		}
		if n := 2 + int(b[1]); len(b) < n {
			return w.need(n)
		}
		w.phase = socksMethod
		return w.pass(2 + int(b[1]))
	case w.phase == socksGreeting:
		switch {
		case b[0] == 5 && b[1] == 0:
			w.phase = socksRequest
		case b[0] == 5 && b[1] == 2:
			w.phase = socksAuth
		default:
			return no
		}
		return w.pass(2)
	case w.phase == socksAuth:
		if b[0] != 1 || b[1] != 0 {
			return no
		}
		w.phase = socksRequest
		return w.pass(2)
	case w.phase == socksMethod && b[0] == 1:
		n := 2 + int(b[1])
		if len(b) <= n {
			return w.need(n + 1)
		}
		if n += 1 + int(b[n]); len(b) < n {
			return w.need(n)
		}
		w.phase = socksRequest
		return w.pass(n)
	}
	return w.socks5Address(b, client)
}

// socks5Address reads a request or reply, which have the same format.
func (w *walker) socks5Address(b []byte, client bool) result {
	want := byte(0) // succeeded
	if client {
		want = 1 // CONNECT
	}
	if b[0] != 5 || b[1] != want {
		return no
	}
	if len(b) < 5 {
		return w.need(5)
	}
	from, n := 4, 0
	switch b[3] {
	case 1:
		n = 4
	case 3:
		from, n = 5, int(b[4])
	case 4:
		n = 16
	default:
		return no
	}
	end := from + n + 2
	if len(b) < end {
		return w.need(end)
	}
	host, port := b[from:from+n], binary.BigEndian.Uint16(b[from+n:])
	if client {
		w.target(func() string {
			if b[3] == 3 {
				return hostPort(string(host), port)
			}
			return addrPort(host, port)
		})
	}
	return w.leave(end)
}

// proxyV2 is the signature of the PROXY protocol version 2.
const proxyV2 = "\r\n\r\n\x00\r\nQUIT\n"

// maxProxyV1 is the maximum length of a PROXY protocol header of version 1.
const maxProxyV1 = 107

// proxy reads a PROXY protocol header, which a load balancer sends before the
// client's data.
func (w *walker) proxy() result {
	if w.b[w.unit] == 'P' {
		return w.proxyV1()
	}
	b := w.rest()
	if len(b) < 16 {
		return w.need(16)
	}
	n := int(binary.BigEndian.Uint16(b[14:]))
	if b[12]>>4 != 2 || b[12]&15 > 1 || n > maxProxyHeader {
		return no
	}
	if len(b) < 16+n {
		return w.need(16 + n)
	}
	if b[12]&15 == 1 {
		a := b[16 : 16+n]
		size := 0
		switch b[13] >> 4 {
		case 1:
			size = 4
		case 2:
			size = 16
		}
		if size > 0 && len(a) >= 2*size+4 {
			w.target(func() string { return addrPort(a[size:2*size], binary.BigEndian.Uint16(a[2*size+2:])) })
		}
	}
	return w.leave(16 + n)
}

// proxyV1 reads a header of version 1, a line.
func (w *walker) proxyV1() result {
	l, r := w.line()
	if r == no || r == more && w.pos-w.unit >= maxProxyV1 || len(l) > maxProxyV1 {
		return no
	}
	if r == more {
		return more
	}
	// PROXY, family, source and destination address, source and destination port.
	var f [6][]byte
	rest, n := trim(l), 0
	for ok := true; ok && n < len(f); n++ {
		f[n], rest, ok = bytes.Cut(rest, []byte(" "))
	}
	switch string(f[1]) {
	case "UNKNOWN":
	case "TCP4", "TCP6":
		if n != len(f) || len(rest) > 0 {
			return no
		}
		w.target(func() string {
			if f[1][3] == '6' {
				return "[" + string(f[3]) + "]:" + string(f[5])
			}
			return string(f[3]) + ":" + string(f[5])
		})
	default:
		return no
	}
	return w.leave(len(l))
}
