package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pfsight/capture/live/livetest"
	"pfsight/cmd/pfsight/internal/testutil"
)

// TestLiveAnyFilter captures on all interfaces with a filter: a loopback, an
// Ethernet, and one without a link header. Packets that the filter excludes are
// not counted. Connections that the clients have closed are not shown as open,
// although each is followed for some time.
func TestLiveAnyFilter(t *testing.T) {
	if !livetest.Isolate(t) {
		return
	}
	livetest.Veth(t, "va", "vb")
	l, err := tls.Listen("tcp", "127.0.0.1:443", &tls.Config{Certificates: []tls.Certificate{certificate(t)}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	events := filepath.Join(t.TempDir(), "events.jsonl")
	p := start(t, "-i", "any", "-f", "tcp port 443", "-o", events, "--listen", "127.0.0.1:0")
	address := ""
	testutil.Eventually(t, "the page", func() bool {
		m := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(p.stderr.String())
		address = m
		return m != ""
	})
	type counts struct {
		Input struct {
			Packets int `json:"packets"`
		} `json:"input"`
		Live struct {
			Open int `json:"open_connections"`
		} `json:"live"`
	}
	look := func() (c counts) {
		r, err := http.Get("http://" + address + "/api/summary")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	noise, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer noise.Close()
	send := livetest.NewSender(t, "va")
	const n = 51
	var open []*tls.Conn
	for i := range n {
		c, err := tls.Dial("tcp", "127.0.0.1:443", &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		for range 20 {
			_, _ = noise.Write([]byte("noise"))
			send.Send(bytes.Repeat([]byte{byte(i)}, 100))
		}
	}
	tunnel := 0
	if tun, err := unix.Open("/dev/net/tun", unix.O_RDWR, 0); err == nil {
		defer unix.Close(tun)
		ifr, _ := unix.NewIfreq("tun9")
		ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(tun, unix.TUNSETIFF, ifr); err != nil {
			t.Fatal(err)
		}
		livetest.Quiet(t, "tun9")
		livetest.IP(t, "link", "set", "tun9", "up")
		for _, f := range firstFragments(100, 64) {
			if _, err := unix.Write(tun, f[14:]); err != nil {
				t.Fatal(err)
			}
		}
		tunnel = 100
	}
	testutil.Eventually(t, "open connections", func() bool { return look().Live.Open == n })
	for _, c := range open {
		c.Close()
	}
	began := time.Now()
	testutil.Eventually(t, "no open connection", func() bool { return look().Live.Open == 0 })
	if d := time.Since(began); d > 3*time.Second { // shorter than they are followed
		t.Errorf("connections are shown as open for %v after their end", d)
	}
	time.Sleep(1100 * time.Millisecond)
	c := look()
	if c.Live.Open != 0 || c.Input.Packets < 10*n || c.Input.Packets > 30*n {
		t.Errorf("%d open, %d packets of %d connections; %d packets are excluded", c.Live.Open, c.Input.Packets, n, 2*20*n+tunnel)
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
	var packets int
	for line := range strings.Lines(strings.ReplaceAll(p.stderr.String(), ",", "")) {
		_, _ = fmt.Sscanf(line, "pfsight: any: %d packets", &packets)
	}
	if packets != c.Input.Packets {
		t.Errorf("%d packets are told of, %d were shown", packets, c.Input.Packets)
	}
	ended := 0
	for _, r := range lines(t, events) {
		if r["event"] == "end" {
			ended++
		}
	}
	if b, _ := os.ReadFile(events); ended != n {
		t.Errorf("%d of %d ends came: %s", ended, n, b)
	}
}
