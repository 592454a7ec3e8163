package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The two ends of the virtual cable for IEEE 802.1X.
const (
	switchEnd  = "switch0"
	stationEnd = "station0"
)

// cable creates the virtual cable if it does not exist.
func (st *stage) cable() {
	if exec.Command("ip", "link", "show", switchEnd).Run() == nil {
		return
	}
	run("ip", "link", "add", switchEnd, "address", "02:00:00:00:00:0a", "type", "veth", "peer", "name", stationEnd, "address", "02:00:00:00:00:05")
	run("ip", "link", "set", switchEnd, "up")
	run("ip", "link", "set", stationEnd, "up")
}

// in writes a file to the stage's directory.
func (st *stage) in(name, text string) {
	check(os.WriteFile(filepath.Join(st.dir, name), []byte(text), 0o600))
}

// group writes the parameters of ffdhe2048, RFC 7919.
func (st *stage) group(name string) {
	run("openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", filepath.Join(st.dir, name))
}

const eapUsers = `"tls" TLS
"peap" PEAP
"ttls" TTLS
"fast" FAST
"peap-user" MSCHAPV2 "secret" [2]
"ttls-user" TTLS-MSCHAPV2,MSCHAPV2 "secret" [2]
"fast-user" MSCHAPV2 "secret" [2]
`

// eapServer is the configuration of hostapd's EAP server.
const eapServer = `eap_server=1
eap_user_file=users.txt
ca_cert=client.crt
server_cert=rsa.crt
private_key=rsa.key
tls_session_lifetime=3600
eap_fast_a_id=101112131415161718191a1b1c1d1e1f
eap_fast_a_id_info=example
eap_fast_prov=3
pac_opaque_encr_key=000102030405060708090a0b0c0d0e0f
`

// radiusServer starts hostapd as a RADIUS server.
func (st *stage) radiusServer(more string) *watched {
	st.in("users.txt", eapUsers)
	st.group("ffdhe2048.pem")
	st.in("clients.txt", "127.0.0.1/32 secret\n")
	st.in("radius.conf", fmt.Sprintf("driver=none\ninterface=lo\nradius_server_clients=clients.txt\nradius_server_auth_port=%d\n%s%s", st.port, eapServer, more))
	return st.server("AP-ENABLED", "hostapd", "-dd", "radius.conf")
}

// A peer configures an EAP peer.
type peer struct{ method, more string }

// network returns p as a configuration for wpa_supplicant and eapol_test.
func (p peer) network(keys string) string {
	s := "network={\n key_mgmt=" + keys + "\n eapol_flags=0\n eap=" + p.method + "\n ca_cert=\"rsa.crt\"\n"
	switch p.method {
	case "TLS":
		s += " identity=\"tls\"\n client_cert=\"client.crt\"\n private_key=\"client.key\"\n"
	default:
		m := strings.ToLower(p.method)
		s += fmt.Sprintf(" anonymous_identity=%q\n identity=\"%s-user\"\n password=\"secret\"\n phase2=\"auth=MSCHAPV2\"\n", m, m)
	}
	return s + p.more + "}\n"
}

// radius runs eapol_test, which acts as a NAS, once for each peer.
func radius(server string, args string, peers ...peer) func(*stage) []truth {
	return func(st *stage) []truth {
		w := st.radiusServer(server)
		var truths []truth
		for _, p := range peers {
			st.in("peer.conf", p.network("WPA-EAP"))
			before := len(w.output())
			out := st.client("", append([]string{"eapol_test", "-c", "peer.conf", "-a", "127.0.0.1", "-p", strconv.Itoa(st.port), "-s", "secret", "-t", "10"}, strings.Fields(args)...)...)
			time.Sleep(100 * time.Millisecond)
			truths = append(truths, readSupplicant("hostapd", out, w.output()[before:])...)
		}
		return truths
	}
}

var (
	eapVersion = regexp.MustCompile(`SSL: Using TLS version (\S+)`)
	eapSuite   = regexp.MustCompile(`OpenSSL: Server selected cipher suite (0x[0-9a-f]+)`)
	eapResumed = regexp.MustCompile(`OpenSSL: Handshake finished - resumed=([01])`)
	eapMethod  = regexp.MustCompile(`EAP vendor 0 method \d+ \((\w+)\) selected`)
	// The receiver of an alert logs it.
	eapAlert = regexp.MustCompile(`SSL: SSL3 alert: read \(remote end reported an error\):fatal:(.+)`)
)

// eapAlerts maps OpenSSL's names of alerts to numbers.
var eapAlerts = map[string]string{"unknown CA": "48", "handshake failure": "40", "protocol version": "70", "bad certificate": "42"}

// eapMethods maps the names of EAP methods to those in pfsight's records.
var eapMethods = map[string]string{"TLS": "eap-tls", "PEAP": "peap", "TTLS": "eap-ttls", "FAST": "eap-fast"}

// readSupplicant reads the handshakes from the log s of wpa_supplicant or
// eapol_test, and alerts also from the server's log of the same time.
func readSupplicant(stack, s, server string) []truth {
	var truths []truth
	for _, part := range strings.Split(s, "EAP authentication started")[1:] {
		t := truth{Stack: stack, Outcome: "rejected"}
		if m := eapMethod.FindStringSubmatch(part); m != nil {
			t.Upgrade = eapMethods[m[1]]
		}
		t.read(part)
		if m := eapResumed.FindStringSubmatch(part); m != nil {
			t.Outcome, t.Resumed = "established", ptr(m[1] == "1")
		} else if a := eapAlert.FindStringSubmatch(part + server); a != nil {
			t.Alert = eapAlerts[strings.TrimSpace(a[1])]
		}
		truths = append(truths, t)
	}
	return truths
}

func (t *truth) read(s string) {
	if m := eapVersion.FindAllStringSubmatch(s, -1); m != nil {
		t.Version = versions[m[len(m)-1][1]]
	}
	if m := eapSuite.FindAllStringSubmatch(s, -1); m != nil {
		id, err := strconv.ParseUint(m[len(m)-1][1], 0, 16)
		check(err)
		t.SuiteID = fmt.Sprintf("0x%04x", id)
	} else {
		t.Version = "" // no ServerHello
	}
}

// wired runs IEEE 802.1X over the cable: hostapd is the authenticator and the
// EAP server, wpa_supplicant the station.
func wired(authenticator string, p peer) func(*stage) []truth {
	return func(st *stage) []truth {
		st.in("users.txt", eapUsers)
		st.in("switch.conf", "driver=wired\ninterface="+switchEnd+"\nieee8021x=1\n"+eapServer+authenticator)
		st.server("AP-ENABLED", "hostapd", "-dd", "switch.conf")
		return readSupplicant("hostapd", st.station(stationEnd, "station.conf", p), "")
	}
}

// station runs wpa_supplicant for 3 s and returns its output.
func (st *stage) station(iface, conf string, p peer) string {
	st.in(conf, "ap_scan=0\n"+p.network("IEEE8021X"))
	return st.client("", "timeout", "3", "wpa_supplicant", "-dd", "-D", "wired", "-i", iface, "-c", conf)
}

// several runs a NAS that forwards the sessions of n stations at once to a RADIUS
// server, from one port.
func several(n int, p peer) func(*stage) []truth {
	return func(st *stage) []truth {
		st.cable()
		st.radiusServer("")
		st.in("switch.conf", fmt.Sprintf("driver=wired\ninterface=%s\nieee8021x=1\nown_ip_addr=127.0.0.1\nauth_server_addr=127.0.0.1\nauth_server_port=%d\nauth_server_shared_secret=secret\n", switchEnd, st.port))
		st.server("AP-ENABLED", "hostapd", "-dd", "switch.conf")
		out := make([]string, n)
		var wg sync.WaitGroup
		for i := range n {
			name := "station" + strconv.Itoa(i+1)
			run("ip", "link", "add", "link", stationEnd, "name", name, "address", fmt.Sprintf("02:00:00:00:01:%02x", i), "type", "macvlan", "mode", "private")
			run("ip", "link", "set", name, "up")
			st.stop = append(st.stop, func() { run("ip", "link", "del", name) })
			wg.Go(func() { out[i] = st.station(name, name+".conf", p) })
		}
		wg.Wait()
		var truths []truth
		for _, s := range out {
			truths = append(truths, readSupplicant("hostapd", s, "")...)
		}
		return truths
	}
}

func eapScenes() []framed {
	const (
		v12   = " phase1=\"tls_disable_tlsv1_3=1\"\n"
		v13   = " phase1=\"tls_disable_tlsv1_3=0\"\n"
		small = " fragment_size=300\n"
	)
	tools := []string{"hostapd", "eapol_test"}
	lan := []string{"hostapd", "wpa_supplicant"}
	udp := func(name, server, args string, p ...peer) framed {
		return framed{name, tools, "", "udp", radius(server, args, p...)}
	}
	return []framed{
		udp("eap-tls", "", "", peer{"TLS", v12}),
		udp("eap-tls13", "tls_flags=[ENABLE-TLSv1.3]\n", "", peer{"TLS", v13}),
		udp("eap-tls-rsa", "", "", peer{"TLS", v12 + " openssl_ciphers=\"kRSA\"\n"}),
		udp("eap-tls-fragments", "fragment_size=200\n", "", peer{"TLS", v12 + small}),
		udp("eap-tls-unknown-ca", "", "", peer{"TLS", v12 + " ca_cert=\"other.crt\"\n"}),
		udp("eap-tls-no-suite", "openssl_ciphers=ECDHE\n", "", peer{"TLS", v12 + " openssl_ciphers=\"kRSA\"\n"}),
		udp("eap-peap", "", "", peer{"PEAP", v12}),
		udp("eap-peap-resumed", "", "-r1", peer{"PEAP", v12}),
		udp("eap-ttls", "", "", peer{"TTLS", v12}),
		udp("eap-ttls-dhe", "openssl_ciphers=DHE\ndh_file=ffdhe2048.pem\n", "", peer{"TTLS", v12}),
		udp("eap-fast", "", "", peer{"FAST", " phase1=\"fast_provisioning=2\"\n pac_file=\"blob://pac\"\n"}),
		{"eap-several", lan, "", "udp", several(3, peer{"TLS", v12})},
		{"eap-wired", lan, switchEnd, "ether proto 0x888e", wired("", peer{"TLS", v12})},
		{"eap-wired-group", lan, switchEnd, "ether proto 0x888e", wired("use_pae_group_addr=1\n", peer{"PEAP", v12})},
		{"eap-wired-several", lan, switchEnd, "ether proto 0x888e", several(3, peer{"TLS", v12})},
	}
}
