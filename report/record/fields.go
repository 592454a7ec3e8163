package record

// A field is a field of the record.
type field uint8

const (
	fUnknown field = iota
	fTime
	fClientIP
	fClientPort
	fClientMAC
	fServerIP
	fServerPort
	fServerMAC
	fMigratedTo
	fTransport
	fProtocol
	fQUICVersion
	fUpgrade
	fUpgradeChain
	fTarget
	fEncapsulation
	fSource
	fServerName
	fALPN
	fVersion
	fVersionID
	fCipherSuite
	fCipherSuiteID
	fKeyExchange
	fAuthentication
	fGroup
	fGroupID
	fDHBits
	fDHPrime
	fCurveBits
	fPSKMode
	fResumed
	fResumption
	fSessionTime
	fSessionPacket
	fSessionSource
	fSessionVerdict
	fEarlyData
	fHelloRetryRequest
	fRetryGroup
	fECH
	fExtendedMaster
	fEncryptThenMAC
	fRenegotiation
	fForwardSecrecy
	fReasons
	fPostQuantum
	fOutcome
	fAlert
	fAlertFrom
	fOneDirection
	fCertificate
	fClientCertificate
	fEphemeralKeyID
	fTicketKeyID
	fTicketLifetime
	fJA3
	fJA3S
	fJA4
	fClientHelloPacket
	fServerHelloPacket
	fBytesToServer
	fBytesToClient
	fPackets
	fLastTime
	fClientHelloSplit
	fGap
	fOffered
	fProblems
	numFields
)

// fieldNames are the names of the fields; that of fUnknown is none.
var fieldNames = [numFields]string{
	fTime:              "time",
	fClientIP:          "client_ip",
	fClientPort:        "client_port",
	fClientMAC:         "client_mac",
	fServerMAC:         "server_mac",
	fServerIP:          "server_ip",
	fServerPort:        "server_port",
	fMigratedTo:        "migrated_to",
	fTransport:         "transport",
	fProtocol:          "protocol",
	fQUICVersion:       "quic_version",
	fUpgrade:           "upgrade",
	fUpgradeChain:      "upgrade_chain",
	fTarget:            "target",
	fEncapsulation:     "encapsulation",
	fSource:            "source",
	fServerName:        "server_name",
	fALPN:              "alpn",
	fVersion:           "version",
	fVersionID:         "version_id",
	fCipherSuite:       "cipher_suite",
	fCipherSuiteID:     "cipher_suite_id",
	fKeyExchange:       "key_exchange",
	fAuthentication:    "authentication",
	fGroup:             "group",
	fGroupID:           "group_id",
	fDHBits:            "dh_bits",
	fDHPrime:           "dh_prime",
	fCurveBits:         "curve_bits",
	fPSKMode:           "psk_mode",
	fResumed:           "resumed",
	fResumption:        "resumption",
	fSessionTime:       "session_time",
	fSessionPacket:     "session_packet",
	fSessionSource:     "session_source",
	fSessionVerdict:    "session_forward_secrecy",
	fEarlyData:         "early_data",
	fHelloRetryRequest: "hello_retry_request",
	fRetryGroup:        "hello_retry_group",
	fECH:               "ech",
	fExtendedMaster:    "extended_master_secret",
	fEncryptThenMAC:    "encrypt_then_mac",
	fRenegotiation:     "secure_renegotiation",
	fForwardSecrecy:    "forward_secrecy",
	fReasons:           "reasons",
	fPostQuantum:       "post_quantum",
	fOutcome:           "outcome",
	fAlert:             "alert",
	fAlertFrom:         "alert_from",
	fOneDirection:      "one_direction",
	fCertificate:       "certificate",
	fClientCertificate: "client_certificate",
	fEphemeralKeyID:    "ephemeral_key_id",
	fTicketKeyID:       "ticket_key_id",
	fTicketLifetime:    "ticket_lifetime",
	fJA3:               "ja3",
	fJA3S:              "ja3s",
	fJA4:               "ja4",
	fClientHelloPacket: "client_hello_packet",
	fServerHelloPacket: "server_hello_packet",
	fBytesToServer:     "bytes_to_server",
	fBytesToClient:     "bytes_to_client",
	fPackets:           "packets",
	fLastTime:          "last_time",
	fClientHelloSplit:  "client_hello_split",
	fGap:               "gap",
	fOffered:           "offered",
	fProblems:          "problems",
}

// leads are the fields as they begin: the name and what is around it. That of
// fUnknown is nothing's.
var leads = func() (l [numFields]string) {
	for f, name := range fieldNames {
		l[f] = `"` + name + `":`
	}
	l[fUnknown] = "\x00"
	return l
}()

// byName finds a field by its name.
var byName = func() map[string]field {
	m := make(map[string]field, numFields)
	for f, name := range fieldNames {
		m[name] = field(f)
	}
	delete(m, "")
	return m
}()

// IsField reports whether name is that of a field of the record.
func IsField(name string) bool { return byName[name] != fUnknown }

func fieldOf(key []byte) field { return byName[string(key)] }
