package main

import (
	"maps"
	"slices"
)

// stackVerdicts are the verdicts of the captures of real servers and clients:
// STARTTLS, proxies and the web.
var stackVerdicts = func() map[string][]string {
	const (
		tls13     = "yes tls13_key_share"
		ephemeral = "yes ephemeral_key_exchange"
	)
	return map[string][]string{
		"upgrade-smtp": {tls13, ephemeral, tls13}, "upgrade-lmtp": {ephemeral, tls13}, "upgrade-imap": {tls13, ephemeral}, "upgrade-pop3": {tls13, ephemeral},
		"upgrade-sieve": {tls13}, "upgrade-nntp": {tls13}, "upgrade-xmpp": {tls13, ephemeral}, "upgrade-irc": {tls13},
		"upgrade-ftp":  {ephemeral, "conditional", tls13}, // the data connection resumes the session of the control connection
		"upgrade-ldap": {tls13, tls13, tls13}, "upgrade-postgresql": {tls13, ephemeral, tls13}, "upgrade-postgresql-direct": {tls13}, "upgrade-mysql": {tls13, ephemeral},
		"upgrade-tds": {ephemeral}, "upgrade-tds-login": {ephemeral}, "upgrade-rdp": {ephemeral, tls13}, "upgrade-http": {ephemeral, tls13},
		"upgrade-amqp": {tls13}, "upgrade-never": {}, "upgrade-sip": {tls13},
		"proxy-connect": {tls13, tls13, ephemeral, ephemeral}, "proxy-connect-password": {tls13, tls13}, "proxy-connect-smtp": {tls13, tls13, tls13},
		"proxy-socks": slices.Repeat([]string{tls13}, 6), "proxy-socks4a": {tls13, tls13}, "proxy-socks-password": {tls13, tls13}, "proxy-socks-connect": {tls13, tls13, tls13},
		"proxy-protocol": {tls13, tls13, tls13, tls13}, "proxy-protocol-smtp": {tls13, tls13}, "proxy-websocket": {tls13, tls13},
		"web-curl":          {ephemeral, ephemeral, "no rsa_key_transport", tls13},
		"web-resume-ticket": {ephemeral + " ticket_issued", "conditional ticket_resumption"}, "web-resume-session-id": {ephemeral, "conditional session_id_resumption"},
		"web-resume-tls13": {tls13, "yes psk_dhe_ke"}, "web-wget": {ephemeral, tls13}, "web-stunnel": {tls13, "yes psk_dhe_ke"},
		"web-chromium": {tls13, tls13}, "web-chromium-tls12": {ephemeral, ephemeral}, "web-chromium-mlkem": {tls13},
		"web-firefox": {tls13}, "web-firefox-mlkem": {tls13},
	}
}()

// merged merges tables.
func merged(tables ...map[string][]string) map[string][]string {
	all := map[string][]string{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}
