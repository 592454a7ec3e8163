package dtls

import (
	"bytes"
	"encoding/hex"
	"testing"

	"pfsight/capture/stream"
)

// pack writes datagrams as the fuzz targets read them: a byte for the
// direction and two for the length before each.
func pack(in []said) []byte {
	var b []byte
	for _, s := range in {
		b = append(append(b, byte(s.d), byte(len(s.b)>>8), byte(len(s.b))), s.b...)
	}
	return b
}

func unpack(b []byte) []said {
	var out []said
	for len(b) >= 3 && len(out) < 2*stream.MaxMarks {
		n := min(int(b[1])<<8|int(b[2]), len(b)-3)
		out = append(out, said{stream.Dir(b[0] & 1), b[3 : 3+n]})
		b = b[3+n:]
	}
	return out
}

// inTURN puts what was said into messages of TURN.
func inTURN(in []said) (out []said) {
	for i, s := range in {
		wrap := inChannel
		if i%3 == 1 {
			wrap = inSend
		}
		out = append(out, said{s.d, unhex(wrap(hex.EncodeToString(s.b)))})
	}
	return out
}

func FuzzRead(f *testing.F) {
	for _, s := range scenes() {
		f.Add(pack(s.in))
		f.Add(pack(inTURN(s.in)))
	}
	var r Reader
	f.Fuzz(func(t *testing.T, b []byte) {
		in := unpack(b)
		c := conversation(in)
		o := r.Read(c)
		check(t, c, o)
		want := summary(o)
		if got := summary(new(Reader).Read(c)); got != want {
			t.Errorf("a new Reader says %s\nthan one that was used %s", got, want)
		}
		// Marks that do not fit are no reason to read behind the bytes.
		for d := range c.Half {
			for i := range c.Half[d].Marks {
				m := &c.Half[d].Marks[i]
				m.From, m.To = m.To, m.From+uint32(i)*7
			}
		}
		check(t, c, r.Read(c))
	})
}

func FuzzAsk(f *testing.F) {
	for _, s := range scenes() {
		f.Add(pack(s.in))
		f.Add(pack(inTURN(s.in)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := unpack(b)
		v, n := ask(in)
		if v == stream.More {
			return
		}
		var r Reader
		o := r.Read(conversation(in[:n]))
		if v == stream.Enough && o == nil {
			t.Errorf("enough of what is none: %x", b)
		}
	})
}

// FuzzSniff holds the cheap look at a datagram against the Reader.
func FuzzSniff(f *testing.F) {
	for _, s := range scenes() {
		for _, x := range append(inTURN(s.in), s.in...) {
			f.Add(x.b)
		}
	}
	var r Reader
	f.Fuzz(func(t *testing.T, b []byte) {
		sniffed := Sniff(b)
		if sniffed != stream.SniffClient && sniffed != stream.SniffServer {
			return
		}
		o := r.Read(conversation([]said{{stream.ToServer, b}}))
		if o == nil || len(o.Said[0].Messages)+len(o.Said[1].Messages) == 0 && !bytes.Contains(b, []byte{typeCertificate}) { // a Certificate alone may be of either side
			t.Errorf("the sniffed of a hello and no message: %x", b)
		}
	})
}
