package quic

import (
	"bytes"
	"strings"
	"testing"

	"pfsight/capture/stream"
)

// TestVectors opens the sample packets of RFC 9001 appendix A and RFC 9369
// appendix A.
func TestVectors(t *testing.T) {
	v := vectors(t)
	for _, x := range []struct {
		name    string
		version Version
	}{{"v1", Version1}, {"v2", Version2}} {
		t.Run(x.name, func(t *testing.T) {
			client, server := string(v[x.name+" client packet"]), string(v[x.name+" server packet"])
			if len(client) != 1200 || len(server) != 135 {
				t.Fatalf("packets of %d and %d bytes", len(client), len(server))
			}
			var r Reader
			o := r.Read(conversation(datagram{toServer, client}, datagram{toClient, server}))
			if o == nil {
				t.Fatal("nothing of QUIC")
			}
			if o.Version != x.version || o.FirstVersion != 0 || o.Swapped || len(o.Problems) != 0 || o.Opened != [2]int{1, 1} {
				t.Errorf("%+v", o)
			}
			for d, name := range []string{" client frames", " server frames"} {
				frames := v[x.name+name]
				i := bytes.Index(frames, []byte{frameCrypto, 0}) // offset 0, and a length of 2 bytes
				want := frames[i+4:]
				if !bytes.Equal(o.Hello[d].Data, want) || len(o.Hello[d].Gaps) != 0 {
					t.Errorf("hello of %d: %x, want %x", d, o.Hello[d].Data, want)
				}
				if n, _ := messages(&o.Hello[d], byte(1+d)); n != 1 {
					t.Errorf("hello of %d is not whole", d)
				}
			}
			if m := o.Hello[toClient].Completed(0, 4); m.Packet != 2 {
				t.Errorf("the ServerHello came in packet %d", m.Packet)
			}
			if s := Sniff([]byte(client)); s != stream.SniffClient {
				t.Errorf("sniff of the client %d", s)
			}
			if s := Sniff([]byte(server)); s != stream.SniffServer {
				t.Errorf("sniff of the server %d", s)
			}
			if s := Sniff(v[x.name+" retry packet"]); s != stream.SniffServer {
				t.Errorf("sniff of the Retry %d", s)
			}
			var r2 Reader
			o2 := r2.Read(conversation(datagram{toClient, string(v[x.name+" retry packet"])}))
			if o2 == nil || !o2.Retry || o2.Version != x.version {
				t.Errorf("Retry: %+v", o2)
			}
			// What makes packets here makes these.
			made := long{version: x.version, dcid: "\x83\x94\xc8\xf0\x3e\x51\x57\x08", number: 2, frames: string(v[x.name+" client frames"]), size: 1200}.seal(t)
			if made != client {
				t.Errorf("made %x", made[:40])
			}
			whole := string(o.Hello[toServer].Data)
			for n := range client {
				Sniff([]byte(client[:n]))
				c := conversation(datagram{toServer, client[:n]})
				if o := r.Read(c); o != nil && len(o.Hello[toServer].Data) != 0 {
					t.Fatalf("%d bytes of a hello in a packet of %d bytes that is too long for its datagram", len(o.Hello[0].Data), n)
				}
				// Cut by the snaplen what there is can be read.
				c.Half[toServer].Cut = true
				o := r.Read(c)
				if got := max(0, min(n-26, len(whole))); n >= 60 && (o == nil || string(o.Hello[0].Data) != whole[:got] || !o.Hello[0].Cut) {
					t.Fatalf("%d bytes: %+v, want %d bytes of the hello", n, o, got)
				}
			}
			for i := range server {
				bad := server[:i] + string(server[i]^0x40) + server[i+1:]
				if o := r.Read(conversation(datagram{toServer, client}, datagram{toClient, bad})); o == nil || len(o.Hello[1].Data) != 0 {
					if i != 0 { // the fixed bit may have any value, but it is authenticated all the same
						t.Fatalf("a ServerHello of a packet with byte %d changed", i)
					}
					t.Fatal("a packet with another first byte was opened")
				}
			}
		})
	}
}

func TestHMAC(t *testing.T) {
	// RFC 4231 section 4.3.
	if got := hmac256([]byte("Jefe"), []byte("what do ya want for nothing?")); !strings.HasPrefix(string(got[:]), "\x5b\xdc\xc1\x46\xbf\x60\x75\x4e") {
		t.Errorf("%x", got)
	}
}
