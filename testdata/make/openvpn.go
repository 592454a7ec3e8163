package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// openvpn runs both ends of a tunnel without a network device (--dev null), once
// for each list of client arguments. It adds the key and its direction to
// --tls-auth.
//
// There is no scene with renewed keys: since version 2.6 both ends encrypt
// that exchange (dynamic tls-crypt).
func openvpn(proto string, both, server string, clients ...string) func(*stage) []truth {
	return func(st *stage) []truth {
		run("openvpn", "--genkey", "secret", st.dir+"/ta.key")
		st.group("ffdhe2048.pem")
		port := strconv.Itoa(st.port)
		common := func(role string) []string {
			a := strings.Fields("--dev null --ifconfig-noexec --ping 1 --verb 4 --" + role + " " + both)
			for i := range a {
				if a[i] == "ta.key" {
					a[i] = "ta.key " + map[string]string{"tls-server": "0", "tls-client": "1"}[role]
				}
			}
			return strings.Fields(strings.Join(a, " "))
		}
		listen, connect := "udp4", "udp4"
		if proto == "tcp" {
			listen, connect = "tcp4-server", "tcp4-client"
		}
		ready := map[string]string{"udp": "link local (bound)", "tcp": "Listening for incoming TCP"}[proto]
		args := append([]string{"openvpn", "--proto", listen, "--local", "127.0.0.1", "--port", port,
			"--ca", "client.crt", "--cert", "rsa.crt", "--key", "rsa.key"}, common("tls-server")...)
		w := st.server(ready, append(args, strings.Fields(server)...)...)
		args = append([]string{"timeout", "4", "openvpn", "--proto", connect, "--remote", "127.0.0.1", port,
			"--ca", "rsa.crt", "--cert", "client.crt", "--key", "client.key"}, common("tls-client")...)
		var truths []truth
		for _, c := range clients {
			before := len(w.output())
			out := st.client("", append(slices.Clone(args), strings.Fields(c)...)...)
			time.Sleep(200 * time.Millisecond)
			truths = append(truths, readOpenVPN(out, w.output()[before:])...)
		}
		return truths
	}
}

var (
	openvpnChannel = regexp.MustCompile(`Control Channel: (TLSv\S+), cipher \S+ ([A-Za-z0-9_-]+)(?:.*peer temporary key: \d+ bits (\S+))?`)
	openvpnAlert   = regexp.MustCompile(`alert ([a-z ]+):.*SSL alert number (\d+)`)
)

// readOpenVPN reads the key exchanges from a client's log s.
func readOpenVPN(s, server string) []truth {
	var truths []truth
	for _, m := range openvpnChannel.FindAllStringSubmatch(s, -1) {
		t := truth{Stack: "openvpn", Upgrade: "openvpn", Outcome: "established", Version: versions[m[1]], Suite: ianaNames[m[2]], Group: opensslGroups[m[3]]}
		if t.Group == "" && m[3] == "ECprime256v1" {
			t.Group = "secp256r1"
		}
		truths = append(truths, t)
	}
	if len(truths) == 0 {
		t := truth{Stack: "openvpn", Upgrade: "openvpn", Outcome: "rejected"}
		for _, side := range []string{s, server} {
			if a := openvpnAlert.FindStringSubmatch(side); a != nil {
				t.Alert = a[2]
			}
		}
		truths = append(truths, t)
	}
	return truths
}

func openvpnScenes() []framed {
	scene := func(name, proto string, both, server string, clients ...string) framed {
		return framed{"openvpn-" + name, []string{"openvpn"}, "", proto, openvpn(proto, both, server, clients...)}
	}
	const (
		v12  = " --tls-version-max 1.2"
		port = "--local 127.0.0.1 --lport 14433"
	)
	return []framed{
		scene("udp", "udp", "", "--dh none", "--nobind"),
		scene("udp-tls-auth", "udp", "--tls-auth ta.key", "--dh none", "--nobind"),
		scene("udp-tls-auth-sha512", "udp", "--tls-auth ta.key --auth SHA512"+v12, "--dh none", "--nobind"),
		scene("udp-tls-auth-md5", "udp", "--tls-auth ta.key --auth MD5"+v12, "--dh none --tls-groups secp384r1", "--nobind"),
		scene("udp-rsa", "udp", "--tls-cipher TLS-RSA-WITH-AES-128-GCM-SHA256"+v12, "--dh none", "--nobind"),
		scene("udp-dhe", "udp", v12, "--dh ffdhe2048.pem --tls-cipher TLS-DHE-RSA-WITH-AES-256-GCM-SHA384", "--nobind"),
		scene("udp-same-port", "udp", "--tls-auth ta.key --auth SHA256", "--dh none", port, port+v12),
		scene("tcp", "tcp", "", "--dh none", "--nobind"),
		scene("tcp-tls-auth-sha256", "tcp", "--tls-auth ta.key --auth SHA256"+v12, "--dh none", "--nobind"),
	}
}
