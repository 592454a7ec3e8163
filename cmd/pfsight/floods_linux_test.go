package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"pfsight/capture/packet"
	"pfsight/capture/pcapfile"
)

// A fileFlood returns packet i of a flood, an Ethernet frame with IPv4.
type fileFlood func(i int) []byte

// datagram returns a frame with these endpoints.
func datagram(proto byte, src uint32, sport uint16, dst uint32, dport uint16, transport []byte) []byte {
	b := make([]byte, 14+20, 14+20+len(transport))
	copy(b, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45})
	ip := b[14:]
	binary.BigEndian.PutUint16(ip[2:], uint16(20+len(transport)))
	ip[8], ip[9] = 64, proto
	binary.BigEndian.PutUint32(ip[12:], src)
	binary.BigEndian.PutUint32(ip[16:], dst)
	binary.BigEndian.PutUint16(transport, sport)
	binary.BigEndian.PutUint16(transport[2:], dport)
	return append(b, transport...)
}

func tcpData(flags byte, seq, ack uint32, payload []byte) []byte {
	b := make([]byte, 20, 20+len(payload))
	binary.BigEndian.PutUint32(b[4:], seq)
	binary.BigEndian.PutUint32(b[8:], ack)
	b[12], b[13] = 5<<4, flags
	return append(b, payload...)
}

func udpData(payload []byte) []byte {
	b := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(payload)))
	return append(b, payload...)
}

// payloadOf returns the first payload in a capture of Ethernet and IPv4 for which
// ok returns true.
func payloadOf(t *testing.T, path string, ok func([]byte) bool) []byte {
	t.Helper()
	src, err := pcapfile.Open([]string{path}, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var b packet.Batch
	for {
		if err := src.Next(&b); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			t.Fatalf("%s: no such payload", path)
		}
		for _, r := range b.Records {
			p := r.Data[14+20:]
			if r.Data[14+9] == 17 {
				p = p[8:]
			} else {
				p = p[int(p[12]>>4)*4:]
			}
			if len(p) > 0 && ok(p) {
				return bytes.Clone(p)
			}
		}
	}
}

// fileFloods returns the kinds of floods. Each packet that is a connection of its
// own has its own source address.
func fileFloods(t *testing.T) map[string]fileFlood {
	const server, hour = 0x0a090001, 443
	sslv2 := payloadOf(t, captures+"/jsse-sslv2-hello.pcap", func(b []byte) bool { return b[0]&0x80 != 0 && b[2] == 1 })
	hello := payloadOf(t, captures+"/ecdhe-p256.pcap", func(b []byte) bool { return b[0] == 22 && b[5] == 1 })
	initial := payloadOf(t, captures+"/quic-v1.pcap", func(b []byte) bool { return b[0]&0xf0 == 0xc0 && len(b) >= 1200 })
	dtls := payloadOf(t, captures+"/dtls12-ecdhe.pcap", func(b []byte) bool { return b[0] == 22 && b[13] == 1 })
	greeting := []byte("220 mail.example ESMTP ready\r\n")
	address := func(i int) uint32 { return 0x0b000000 + uint32(i) }
	return map[string]fileFlood{
		"fragments": func(i int) []byte {
			f := datagram(17, address(i), 0, server, 0, make([]byte, 64))
			f[14+6] = 0x20
			binary.BigEndian.PutUint16(f[14+4:], uint16(i))
			return f
		},
		"half-open": func(i int) []byte { return datagram(6, address(i), 40000, server, hour, tcpData(2, 7, 0, nil)) },
		"ssl2":      func(i int) []byte { return datagram(6, address(i), 40000, server, hour, tcpData(0x18, 7, 9, sslv2)) },
		"tls":       func(i int) []byte { return datagram(6, address(i), 40000, server, hour, tcpData(0x18, 7, 9, hello)) },
		"quic":      func(i int) []byte { return datagram(17, address(i), 40000, server, hour, udpData(initial)) },
		"quic-names": func(i int) []byte { // connections that cannot be decrypted
			b := bytes.Clone(initial)
			binary.BigEndian.PutUint64(b[6:], uint64(i)*0x9e3779b97f4a7c15)
			return datagram(17, address(i), 40000, server, hour, udpData(b))
		},
		"quic-retried": func(i int) []byte { // on one pair of endpoints
			b := bytes.Clone(initial)
			binary.BigEndian.PutUint64(b[6:], uint64(i)*0x9e3779b97f4a7c15)
			return datagram(17, server+1, 40000, server, hour, udpData(b))
		},
		"dtls": func(i int) []byte { return datagram(17, address(i), 40000, server, hour, udpData(dtls)) },
		"starttls": func(i int) []byte {
			switch c := address(i / 3); i % 3 {
			case 0:
				return datagram(6, c, 40000, server, 25, tcpData(2, 7, 0, nil))
			case 1:
				return datagram(6, server, 25, c, 40000, tcpData(0x12, 9, 8, nil))
			default:
				return datagram(6, server, 25, c, 40000, tcpData(0x18, 10, 8, greeting))
			}
		},
		"openvpn": func(i int) []byte { // a hard reset of the client
			b := append([]byte{7 << 3}, make([]byte, 13)...)
			binary.BigEndian.PutUint64(b[1:], uint64(i)*0x9e3779b97f4a7c15)
			return datagram(17, address(i), 40000, server, 1194, udpData(b))
		},
		"turn": func(i int) []byte { // a ClientHello in a channel
			b := append([]byte{0x40, 0, 0, 0}, dtls...)
			binary.BigEndian.PutUint16(b[2:], uint16(len(dtls)))
			return datagram(17, address(i/8), 40000, server, 3478, udpData(append(b[:1:1], append([]byte{byte(i % 8)}, b[2:]...)...)))
		},
		"radius": func(i int) []byte { // an identity in an Access-Request
			eap := []byte{2, 1, 0, 9, 1, 'u', 's', 'e', 'r'}
			b := append([]byte{1, byte(i), 0, 0}, make([]byte, 16)...)
			binary.BigEndian.PutUint64(b[4:], uint64(i)*0x9e3779b97f4a7c15)
			b = append(append(b, 79, byte(2+len(eap))), eap...)
			binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
			return datagram(17, address(i), 40000, server, 1812, udpData(b))
		},
	}
}

// writeFlood writes a capture of n packets.
func writeFlood(t *testing.T, path string, f fileFlood, n int) {
	t.Helper()
	out := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	out = append(out, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0)
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for i := range n {
		b := f(i)
		us := i * 20
		out = binary.LittleEndian.AppendUint32(out, uint32(1_700_000_000+us/1_000_000))
		out = binary.LittleEndian.AppendUint32(out, uint32(us%1_000_000))
		out = binary.LittleEndian.AppendUint32(out, uint32(len(b)))
		out = binary.LittleEndian.AppendUint32(out, uint32(len(b)))
		out = append(out, b...)
		if len(out) > 1<<20 || i == n-1 {
			if _, err := file.Write(out); err != nil {
				t.Fatal(err)
			}
			out = out[:0]
		}
	}
}

// anonymous returns the resident anonymous memory of a process in KB, 0 if the
// process has ended.
func anonymous(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		if v, ok := bytes.CutPrefix(line, []byte("RssAnon:")); ok {
			n, _ := strconv.Atoi(string(bytes.Fields(v)[0]))
			return n
		}
	}
	return 0
}

// TestFileFloods reads floods of connections that never end. Four times the
// packets may take four times as long, and no more than --memory.
// PFSIGHT_FLOOD_PACKETS is the number of packets, such as 1000000; the default is
// small, but fills the tables of --memory 64M.
func TestFileFloods(t *testing.T) {
	n := 30_000
	if s := os.Getenv("PFSIGHT_FLOOD_PACKETS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
		n /= 4
	} else if testing.Short() {
		t.Skip("short")
	}
	const memory, code = 64 << 10, 16 << 10 // KB; code is what --memory does not count
	for name, f := range fileFloods(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "flood.pcap")
			measure := func(n int) (time.Duration, int) {
				writeFlood(t, path, f, n)
				best, most := time.Duration(1<<62), 0
				for range 2 { // the machine may be busy
					c := exec.Command(os.Args[0], "read", "-q", "--memory", "64M", path)
					c.Env = append(os.Environ(), asProgram+"=1")
					var out bytes.Buffer
					c.Stderr = &out
					if err := c.Start(); err != nil {
						t.Fatal(err)
					}
					ended := make(chan error, 1)
					go func() { ended <- c.Wait() }()
					var err error
					for running := true; running; {
						select {
						case err = <-ended:
							running = false
						case <-time.After(5 * time.Millisecond):
							most = max(most, anonymous(c.Process.Pid))
						}
					}
					if code := c.ProcessState.ExitCode(); code != exitDone && code != exitIncomplete {
						t.Fatalf("%v: %s", err, &out)
					}
					best = min(best, c.ProcessState.UserTime()+c.ProcessState.SystemTime())
				}
				return best, most
			}
			short, little := measure(n)
			long, much := measure(4 * n)
			t.Logf("%d packets: %v, %d KB; %d packets: %v, %d KB", n, short, little, 4*n, long, much)
			if long > 8*short+time.Second {
				t.Errorf("%d packets take %v, %d take %v", n, short, 4*n, long)
			}
			if racing {
				return
			}
			if max(little, much) > memory+code {
				t.Errorf("%d packets take %d KB, %d take %d KB", n, little, 4*n, much)
			}
		})
	}
}
