package starttls

import "bytes"

// Phases of layerHTTP and layerSIP.
const (
	httpHead   = iota
	httpSwitch // TLS was requested or granted
	httpTLS    // only TLS may follow
	httpSocket // a WebSocket was requested
)

// http reads one head and its body, of HTTP/1 (CONNECT, RFC 9110 section 9.3.6;
// Upgrade to TLS, RFC 2817; to WebSocket, RFC 6455 section 4) or of SIP.
func (w *walker) http() result {
	letter := w.b[w.unit] >= 'A' && w.b[w.unit] <= 'Z'
	if w.phase == httpSocket {
		if w.pos == w.unit && !letter { // frames do not begin with a letter
			w.layer, w.phase = layerWebSocket, first
			return next
		}
	} else if w.pos == w.unit && w.phase != httpHead {
		if r := w.record(); r != next {
			return r
		}
		if w.phase == httpTLS {
			return no
		}
	}
	if w.pos == w.unit && !letter {
		return no
	}
	head, r := w.head()
	if r != next {
		return r
	}
	if w.dir == dirClient {
		return w.request(head)
	}
	return w.response(head)
}

// head returns the head at the unit, with its empty line, and next if it is
// complete.
func (w *walker) head() ([]byte, result) {
	for {
		i := bytes.IndexByte(w.b[w.pos:], '\n')
		if i < 0 {
			w.pos = len(w.b)
			break
		}
		w.pos += i
		rest := w.b[w.pos+1:]
		if len(rest) == 0 || len(rest) == 1 && rest[0] == '\r' {
			break
		}
		end := 0
		if rest[0] == '\n' {
			end = w.pos + 2
		} else if rest[0] == '\r' && rest[1] == '\n' {
			end = w.pos + 3
		}
		if end > 0 {
			if end-w.unit > maxHead {
				return nil, no
			}
			return w.b[w.unit:end], next
		}
		w.pos++
	}
	if len(w.b)-w.unit >= maxHead {
		return nil, no
	}
	return nil, more
}

// request reads a request and its body.
func (w *walker) request(head []byte) result {
	method, target, version := requestLine(head)
	if !bytes.HasPrefix(version, []byte("HTTP/1.")) && !bytes.HasPrefix(version, []byte("SIP/2.")) {
		return no
	}
	if string(method) == "CONNECT" {
		return w.connect(head, target)
	}
	l := layerHTTP
	if version[0] == 'S' {
		l = layerSIP
	}
	body, ok := bodyLength(head)
	if !ok {
		return no
	}
	toTLS, toWebSocket := false, false
	if w.phase != httpSwitch {
		toTLS, toWebSocket = upgrades(head)
	}
	switch {
	case w.phase == httpSocket && !toWebSocket:
		return no
	case w.phase == httpHead:
		switch {
		case toTLS:
			w.phase = httpSwitch
		case toWebSocket && l == layerHTTP:
			w.phase = httpSocket
		default:
			return no
		}
		pushed := l
		if w.phase == httpSocket {
			pushed = layerWebSocket
		}
		if w.push(pushed) == no {
			return no
		}
	}
	w.layer, w.prev = l, noUnit
	return w.pass(len(head) + body)
}

// connect reads a CONNECT. If it has the same target as the one before, it is a
// retry with credentials, RFC 9110 section 11.7. If it has another target, it is
// for the next proxy.
func (w *walker) connect(head, target []byte) result {
	if w.layer != layerHTTP || w.phase != httpHead || len(target) == 0 {
		return no
	}
	again := false
	if w.prev != noUnit {
		_, before, _ := requestLine(w.b[w.prev:w.unit])
		again = bytes.Equal(before, target)
	}
	if !again && w.push(layerConnect) == no {
		return no
	}
	w.target(func() string { return string(target) })
	w.prev = w.unit
	return w.leave(len(head))
}

// response reads a response and its body.
func (w *walker) response(head []byte) result {
	version, code, _ := requestLine(head)
	l := layerHTTP
	switch {
	case bytes.HasPrefix(version, []byte("SIP/2.")):
		l = layerSIP
	case !bytes.HasPrefix(version, []byte("HTTP/1.")):
		return no
	}
	n, ok := number(code)
	if !ok || len(code) != 3 {
		return no
	}
	switch {
	case n == 101:
		return w.switches(head, l)
	case n < 200:
		return w.pass(len(head))
	case n < 300:
		// This is the response to CONNECT, without body. A response to another
		// request would have a body, or end the dialog.
		if l == layerSIP || w.push(layerConnect) == no {
			return no
		}
		return w.leave(len(head))
	}
	body, ok := bodyLength(head)
	if !ok {
		return no
	}
	return w.pass(len(head) + body)
}

// switches reads the response 101. WebSockets with extensions are refused, because
// extensions may compress the frames.
func (w *walker) switches(head []byte, l layer) result {
	toTLS, toWebSocket := upgrades(head)
	switch {
	case toTLS:
		w.phase = httpTLS
	case toWebSocket && l == layerHTTP && !extended(head):
		l, w.phase, w.prev = layerWebSocket, first, noUnit
	default:
		return no
	}
	if w.push(l) == no {
		return no
	}
	w.layer = l
	return w.pass(len(head))
}

// requestLine splits the first line of a head into its three parts.
func requestLine(head []byte) (a, b, c []byte) {
	l := head
	if i := bytes.IndexByte(head, '\n'); i >= 0 {
		l = head[:i]
	}
	a, l, _ = bytes.Cut(trim(l), []byte(" "))
	b, c, _ = bytes.Cut(l, []byte(" "))
	return a, b, c
}

// fields calls f for each header field until it returns false. It ignores folded
// lines.
func fields(head []byte, f func(name, value []byte) bool) {
	_, rest, _ := bytes.Cut(head, []byte("\n"))
	for len(rest) > 0 {
		var l []byte
		l, rest, _ = bytes.Cut(rest, []byte("\n"))
		name, value, ok := bytes.Cut(trim(l), []byte(":"))
		if ok && !f(name, bytes.TrimLeft(value, " \t")) {
			return
		}
	}
}

// isField reports whether name is upperName, ignoring case.
func isField(name []byte, upperName string) bool {
	return len(name) == len(upperName) && foldPrefix(name, upperName)
}

// upgrades reports whether the Upgrade field lists TLS and WebSocket.
func upgrades(head []byte) (toTLS, toWebSocket bool) {
	fields(head, func(name, value []byte) bool {
		if !isField(name, "UPGRADE") {
			return true
		}
		for len(value) > 0 {
			var p []byte
			p, value, _ = bytes.Cut(value, []byte(","))
			p = bytes.Trim(p, " \t")
			if foldPrefix(p, "TLS/") || isField(p, "TLS") {
				toTLS = true
			}
			if isField(p, "WEBSOCKET") {
				toWebSocket = true
			}
		}
		return true
	})
	return toTLS, toWebSocket
}

// extended reports whether the response has WebSocket extensions.
func extended(head []byte) bool {
	found := false
	fields(head, func(name, value []byte) bool {
		found = isField(name, "SEC-WEBSOCKET-EXTENSIONS") && len(bytes.TrimSpace(value)) > 0
		return !found
	})
	return found
}

// bodyLength returns the length of the body. ok is false for transfer encodings,
// which are not supported.
func bodyLength(head []byte) (n int, ok bool) {
	ok = true
	fields(head, func(name, value []byte) bool {
		switch {
		case isField(name, "CONTENT-LENGTH"):
			n, ok = number(value)
		case isField(name, "TRANSFER-ENCODING"):
			ok = false
		}
		return ok
	})
	return n, ok
}
