package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// page connects two WebRTC peers: STUN, DTLS, SRTP and data on one port. It posts
// the browser's statistics of their transport.
const page = `<!doctype html><script>
(async () => {
  const media = await navigator.mediaDevices.getUserMedia({audio: true}); // grants access to all local addresses
  const a = new RTCPeerConnection(), b = new RTCPeerConnection();
  a.onicecandidate = e => e.candidate && b.addIceCandidate(e.candidate);
  b.onicecandidate = e => e.candidate && a.addIceCandidate(e.candidate);
  media.getTracks().forEach(t => a.addTrack(t, media));
  const channel = a.createDataChannel("x");
  await a.setLocalDescription(await a.createOffer());
  await b.setRemoteDescription(a.localDescription);
  await b.setLocalDescription(await b.createAnswer());
  await a.setRemoteDescription(b.localDescription);
  await new Promise(open => channel.onopen = open);
  channel.send("hello");
  await new Promise(done => setTimeout(done, 300));
  for (const s of (await a.getStats()).values())
    if (s.type == "transport") await fetch("/stats", {method: "POST", body: JSON.stringify(s)});
})().catch(e => fetch("/stats", {method: "POST", body: JSON.stringify({error: "" + e})}));
</script>`

// chromium runs the page.
func chromium(st *stage) []truth {
	answer := make(chan map[string]any, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(page))
	})
	mux.HandleFunc("POST /stats", func(_ http.ResponseWriter, r *http.Request) {
		var s map[string]any
		check(json.NewDecoder(r.Body).Decode(&s))
		select {
		case answer <- s:
		default:
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() { _ = http.Serve(l, mux) }()
	defer l.Close()
	profile := filepath.Join(st.dir, "profile")
	defer os.RemoveAll(profile)
	cmd := exec.Command("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--user-data-dir="+profile,
		"--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--disable-features=WebRtcHideLocalIpsWithMdns",
		"--disable-background-networking", "--allow-loopback-in-peer-connection", "http://"+l.Addr().String()+"/")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // includes its children
	check(cmd.Start())
	t := truth{Stack: "chromium", Outcome: "rejected"}
	select {
	case s := <-answer:
		t.Version = map[any]string{"FEFF": "DTLS 1.0", "FEFD": "DTLS 1.2", "FEFC": "DTLS 1.3"}[s["tlsVersion"]]
		t.Suite, _ = s["dtlsCipher"].(string)
		if s["dtlsState"] == "connected" {
			t.Outcome = "established"
		}
	case <-time.After(30 * time.Second):
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	_ = cmd.Wait()
	return []truth{t}
}

func chromiumScenes() []scene {
	return []scene{
		{"dtls13-webrtc", "chromium", chromium},
	}
}
