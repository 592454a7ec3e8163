package rdpudp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"pfsight/capture"
	"pfsight/capture/pcapfile"
	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/parse/rdpudp"
)

// A said is a part of what one side says.
type said struct {
	dir stream.Dir
	b   []byte
}

// A recorder is one end of a connection; it notes what that end writes.
type recorder struct {
	net.Conn
	dir  stream.Dir
	mu   *sync.Mutex
	said *[]said
}

func (r recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	*r.said = append(*r.said, said{r.dir, append([]byte(nil), b...)})
	r.mu.Unlock()
	return r.Conn.Write(b)
}

// handshake has crypto/tls speak to itself, some data included, and returns
// what each side wrote in order.
func handshake(t *testing.T, version uint16) []said {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, InsecureSkipVerify: true, ServerName: "rdp.example",
		MinVersion: version, MaxVersion: version, CurvePreferences: []tls.CurveID{tls.X25519},
	}
	a, b := net.Pipe()
	var list []said
	var mu sync.Mutex
	server := tls.Server(recorder{b, stream.ToClient, &mu, &list}, config)
	done := make(chan error, 1)
	go func() {
		buf := make([]byte, 4)
		_, err := server.Read(buf)
		if err == nil {
			_, err = server.Write(buf)
		}
		done <- err
	}()
	client := tls.Client(recorder{a, stream.ToServer, &mu, &list}, config)
	if _, err := client.Write([]byte("data")); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return list
}

// pcap writes datagrams as a capture of raw IP.
func pcap(t *testing.T, list []said) string {
	t.Helper()
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = binary.LittleEndian.AppendUint32(b, 2|4<<16)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 101, 0, 0, 0)
	for i, s := range list {
		h := make([]byte, 28)
		h[0], h[8], h[9] = 0x45, 64, 17
		binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(s.b)))
		src, dst := net.IP{10, 0, 0, 1}, net.IP{10, 0, 0, 2}
		ports := [2]uint16{50000, 3389}
		if s.dir == stream.ToClient {
			src, dst = dst, src
			ports = [2]uint16{3389, 50000}
		}
		copy(h[12:], src)
		copy(h[16:], dst)
		binary.BigEndian.PutUint16(h[20:], ports[0])
		binary.BigEndian.PutUint16(h[22:], ports[1])
		binary.BigEndian.PutUint16(h[24:], uint16(8+len(s.b)))
		b = binary.LittleEndian.AppendUint32(b, 1_700_000_000)
		b = binary.LittleEndian.AppendUint32(b, uint32(i*1000))
		n := uint32(len(h) + len(s.b))
		b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, n), n)
		b = append(append(b, h...), s.b...)
	}
	path := filepath.Join(t.TempDir(), "rdp-udp.pcap")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A sink keeps what Parse says of each conversation.
type sink struct {
	parser parse.Parser
	found  []string
}

func (s *sink) Take(events []capture.Event) {
	for _, e := range events {
		if e.Opening == nil {
			continue
		}
		h := s.parser.Parse(e.Opening)
		if h == nil || h.ServerHello == nil || h.ClientHello == nil {
			s.found = append(s.found, "no handshake")
			continue
		}
		text := h.Upgrade + " " + h.ServerHello.Version().String() + " " + string(h.ClientHello.ServerName)
		if h.ClientFinished {
			text += " finished"
		}
		for _, p := range h.Problems {
			text += " " + p.Field + ": " + p.What
		}
		s.found = append(s.found, text)
	}
}

func (s *sink) Emit(*capture.Stats) {}

// TestCapture carries real handshakes in datagrams made after the
// specifications, since no stack that speaks RDP over UDP is at hand.
func TestCapture(t *testing.T) {
	for _, c := range []struct {
		name    string
		version uint16
		udp     uint16 // uUdpVer
	}{
		{"MS-RDPEUDP, TLS 1.2", tls.VersionTLS12, 2},
		{"MS-RDPEUDP, TLS 1.3", tls.VersionTLS13, 1},
		{"MS-RDPEUDP2, TLS 1.2", tls.VersionTLS12, 0x0101},
		{"MS-RDPEUDP2, TLS 1.3", tls.VersionTLS13, 0x0101},
	} {
		list := []said{{stream.ToServer, rdpudp.SYN(stream.ToServer, false, c.udp)}, {stream.ToClient, rdpudp.SYN(stream.ToClient, false, c.udp)}}
		var n [2]uint32
		for _, s := range handshake(t, c.version) {
			for len(s.b) > 0 {
				part := s.b[:min(len(s.b), 300)]
				s.b = s.b[len(part):]
				n[s.dir]++
				d := rdpudp.SourceV1(s.dir, n[s.dir], int(n[s.dir])%5, string(part))
				if c.udp == 0x0101 {
					const ackOfAcks = 0x010
					d = rdpudp.SourceV2(uint16(n[s.dir]), ackOfAcks, string(part))
				}
				list = append(list, said{s.dir, d})
				if n[s.dir]%2 == 0 { // retransmitted
					list = append(list, said{s.dir, d})
				}
			}
		}
		// Two neighbours arrive in the wrong order.
		for i := 4; i+1 < len(list); i += 5 {
			list[i], list[i+1] = list[i+1], list[i]
		}
		src, err := pcapfile.Open([]string{pcap(t, list)}, pcapfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var s sink
		_, err = capture.Run(context.Background(), src, capture.Options{Inspector: parse.NewInspector(0)}, &s)
		src.Close()
		if err != nil {
			t.Fatal(err)
		}
		want := "rdp-udp " + map[uint16]string{tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"}[c.version] + " rdp.example finished"
		if len(s.found) != 1 || s.found[0] != want {
			t.Errorf("%s: %q, want %q", c.name, s.found, want)
		}
	}
}
