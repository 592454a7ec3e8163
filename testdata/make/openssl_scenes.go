package main

func opensslScenes() []scene {
	level0 := ":@SECLEVEL=0"
	tls12 := func(name, suite string) scene {
		return scene{name, "", openssl("-tls1_2 -cipher "+suite+level0, "-tls1_2 -cipher "+suite+level0)}
	}
	psk := func(name, suite, server string) scene {
		return scene{name, "", openssl("-tls1_2 -psk 1a2b3c4d5e6f -cipher "+suite+level0+" "+server, "-tls1_2 -psk 1a2b3c4d5e6f -psk_identity me -cipher "+suite+level0)}
	}
	both := func(name, server, client string) scene { return scene{name, "", openssl(server, client)} }
	return []scene{
		tls12("rsa", "AES128-GCM-SHA256"),
		tls12("dhe-2048", "DHE-RSA-AES128-GCM-SHA256"),
		both("dhe-1024", "-tls1_2 -dhparam dh1024.pem -cipher DHE-RSA-AES256-SHA"+level0, "-tls1_2 -cipher DHE-RSA-AES256-SHA"+level0),
		both("ecdhe-p256", "-tls1_2 -groups P-256", "-tls1_2 -servername rsa.example -alpn http/1.1"),
		both("ecdhe-p384", "-tls1_2 -groups P-384", "-tls1_2"),
		both("ecdhe-p521", "-tls1_2 -groups P-521", "-tls1_2"),
		both("ecdhe-x25519", "-tls1_2 -groups X25519", "-tls1_2"),
		both("ecdhe-x448", "-tls1_2 -groups X448", "-tls1_2"),
		both("ecdhe-ecdsa", "-tls1_2 -cert ecdsa.crt -key ecdsa.key", "-tls1_2"),
		both("ecdhe-ed25519", "-tls1_2 -cert ed25519.crt -key ed25519.key", "-tls1_2"),
		both("adh", "-tls1_2 -nocert -cipher ADH-AES128-SHA256"+level0, "-tls1_2 -cipher ADH-AES128-SHA256"+level0),
		both("aecdh", "-tls1_2 -nocert -cipher AECDH-AES128-SHA"+level0, "-tls1_2 -cipher AECDH-AES128-SHA"+level0),
		psk("psk", "PSK-AES128-GCM-SHA256", "-nocert"),
		psk("rsa-psk", "RSA-PSK-AES128-GCM-SHA256", ""),
		psk("dhe-psk", "DHE-PSK-AES128-GCM-SHA256", "-nocert"),
		psk("ecdhe-psk", "ECDHE-PSK-AES128-CBC-SHA256", "-nocert"),
		tls12("null", "NULL-SHA256"),
		tls12("ecdhe-null", "ECDHE-RSA-NULL-SHA"),
		both("tls10-rsa", "-tls1 -cipher AES128-SHA"+level0, "-tls1 -cipher AES128-SHA"+level0),
		both("tls10-ecdhe", "-tls1 -cipher ECDHE-RSA-AES128-SHA"+level0, "-tls1 -cipher ECDHE-RSA-AES128-SHA"+level0),
		both("tls11-dhe", "-tls1_1 -cipher DHE-RSA-AES128-SHA"+level0, "-tls1_1 -cipher DHE-RSA-AES128-SHA"+level0),
		both("tls13-x25519", "-tls1_3 -groups X25519", "-tls1_3 -servername rsa.example -msg"),
		both("tls13-p256", "-tls1_3 -groups P-256", "-tls1_3 -groups P-256"),
		both("tls13-ffdhe2048", "-tls1_3 -groups ffdhe2048", "-tls1_3 -groups ffdhe2048"),
		both("tls13-hrr", "-tls1_3 -groups P-384", "-tls1_3 -groups X25519:P-384 -msg"),
		both("tls13-chacha", "-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256", "-tls1_3"),
		{"tls13-psk-dhe-ke", "", openssl("-tls1_3", "-tls1_3 -sess_out s", "-tls1_3 -sess_in s")},
		{"tls13-early-data", "", openssl("-tls1_3 -early_data -max_early_data 1000", "-tls1_3 -sess_out s", "-tls1_3 -sess_in s -early_data early.txt")},
		{"session-id-rsa", "", openssl("-tls1_2 -no_ticket -cipher AES128-SHA256", "-tls1_2 -no_ticket -sess_out s -cipher AES128-SHA256", "-tls1_2 -no_ticket -sess_in s -cipher AES128-SHA256")},
		{"session-id-ecdhe", "", openssl("-tls1_2 -no_ticket", "-tls1_2 -no_ticket -sess_out s", "-tls1_2 -no_ticket -sess_in s")},
		{"ticket-rsa", "", openssl("-tls1_2 -cipher AES128-SHA256", "-tls1_2 -sess_out s -cipher AES128-SHA256", "-tls1_2 -sess_in s -cipher AES128-SHA256")},
		{"ticket-ecdhe", "", openssl("-tls1_2", "-tls1_2 -sess_out s", "-tls1_2 -sess_in s")},
		both("client-certificate", "-tls1_2 -Verify 1 -CAfile client.crt", "-tls1_2 -cert client.crt -key client.key"),
		both("tls13-client-certificate", "-tls1_3 -Verify 1 -CAfile client.crt", "-tls1_3 -cert client.crt -key client.key"),
		both("failed-version", "-tls1_3", "-tls1_2"),
		both("failed-suite", "-tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384", "-tls1_2 -cipher AES128-SHA"),
		both("failed-unknown-ca", "-tls1_2", "-tls1_2 -verify_return_error -CAfile other.crt"),
		both("failed-no-client-cert", "-tls1_2 -Verify 1", "-tls1_2"),
		both("tls13-failed-group", "-tls1_3 -groups P-521", "-tls1_3 -groups X25519"),
		both("tls13-failed-unknown-ca", "-tls1_3", "-tls1_3 -verify_return_error -CAfile other.crt"),
		both("failed-bad-certificate", "-tls1_2", "-tls1_2 -verify_return_error -CAfile rsa.crt -verify_hostname wrong.example"),
		both("failed-fallback", "-min_protocol TLSv1 -cipher ALL"+level0, "-tls1_1 -fallback_scsv -cipher ALL"+level0),
		both("tls13-failed-no-client-cert", "-tls1_3 -Verify 1", "-tls1_3"),
		both("warning-alert", "-tls1_2 -servername other.example -cert2 rsa.crt -key2 rsa.key", "-tls1_2 -servername unknown.example"),
		both("ecdhe-brainpool", "-tls1_2 -groups brainpoolP256r1", "-tls1_2 -groups brainpoolP256r1"),
		both("ecdhe-secp256k1", "-tls1_2 -groups secp256k1", "-tls1_2 -groups secp256k1"),
		both("dhe-dss", "-tls1_2 -cert dsa.crt -key dsa.key -cipher DHE-DSS-AES128-SHA256"+level0, "-tls1_2 -cipher DHE-DSS-AES128-SHA256"+level0),
		both("ipv6-ecdhe", "-tls1_2 -6 ", "-tls1_2"),
		both("ipv6-tls13", "-tls1_3 -6 ", "-tls1_3"),
		{"tls13-psk-ke", "", openssl("-tls1_3 -allow_no_dhe_kex -groups P-256", "-tls1_3 -sess_out s -groups P-256", "-tls1_3 -sess_in s -allow_no_dhe_kex -groups X25519")},
		{"tls13-early-data-rejected", "", openssl("-tls1_3 -groups P-256 -early_data -max_early_data 1000",
			"-tls1_3 -sess_out s -groups P-256", "-tls1_3 -sess_in s -early_data early.txt -groups X25519:P-256 -msg")},
		both("tls13-external-psk", "-tls1_3 -nocert -psk 1a2b3c4d5e6f -psk_identity me", "-tls1_3 -psk 1a2b3c4d5e6f -psk_identity me"),
	}
}
