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

func fieldOf(key []byte) field {
	switch string(key) {
	case "time":
		return fTime
	case "client_ip":
		return fClientIP
	case "client_port":
		return fClientPort
	case "client_mac":
		return fClientMAC
	case "server_mac":
		return fServerMAC
	case "server_ip":
		return fServerIP
	case "server_port":
		return fServerPort
	case "transport":
		return fTransport
	case "protocol":
		return fProtocol
	case "quic_version":
		return fQUICVersion
	case "upgrade":
		return fUpgrade
	case "upgrade_chain":
		return fUpgradeChain
	case "target":
		return fTarget
	case "encapsulation":
		return fEncapsulation
	case "source":
		return fSource
	case "server_name":
		return fServerName
	case "alpn":
		return fALPN
	case "version":
		return fVersion
	case "version_id":
		return fVersionID
	case "cipher_suite":
		return fCipherSuite
	case "cipher_suite_id":
		return fCipherSuiteID
	case "key_exchange":
		return fKeyExchange
	case "authentication":
		return fAuthentication
	case "group":
		return fGroup
	case "group_id":
		return fGroupID
	case "dh_bits":
		return fDHBits
	case "dh_prime":
		return fDHPrime
	case "curve_bits":
		return fCurveBits
	case "psk_mode":
		return fPSKMode
	case "resumed":
		return fResumed
	case "resumption":
		return fResumption
	case "session_time":
		return fSessionTime
	case "session_packet":
		return fSessionPacket
	case "session_source":
		return fSessionSource
	case "session_forward_secrecy":
		return fSessionVerdict
	case "early_data":
		return fEarlyData
	case "hello_retry_request":
		return fHelloRetryRequest
	case "hello_retry_group":
		return fRetryGroup
	case "ech":
		return fECH
	case "extended_master_secret":
		return fExtendedMaster
	case "encrypt_then_mac":
		return fEncryptThenMAC
	case "secure_renegotiation":
		return fRenegotiation
	case "forward_secrecy":
		return fForwardSecrecy
	case "reasons":
		return fReasons
	case "post_quantum":
		return fPostQuantum
	case "outcome":
		return fOutcome
	case "alert":
		return fAlert
	case "alert_from":
		return fAlertFrom
	case "one_direction":
		return fOneDirection
	case "certificate":
		return fCertificate
	case "client_certificate":
		return fClientCertificate
	case "ephemeral_key_id":
		return fEphemeralKeyID
	case "ticket_key_id":
		return fTicketKeyID
	case "ticket_lifetime":
		return fTicketLifetime
	case "ja3":
		return fJA3
	case "ja3s":
		return fJA3S
	case "ja4":
		return fJA4
	case "client_hello_packet":
		return fClientHelloPacket
	case "server_hello_packet":
		return fServerHelloPacket
	case "bytes_to_server":
		return fBytesToServer
	case "bytes_to_client":
		return fBytesToClient
	case "packets":
		return fPackets
	case "last_time":
		return fLastTime
	case "client_hello_split":
		return fClientHelloSplit
	case "gap":
		return fGap
	case "offered":
		return fOffered
	case "problems":
		return fProblems
	}
	return fUnknown
}
