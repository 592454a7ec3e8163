package secrecy

import "pfsight/parse/iana"

// A family is the meaning of a key exchange in a full handshake.
type family struct {
	verdict   Verdict
	reason    Reason
	anonymous bool
	quantum   Tri // resists a quantum computer
	text      string
}

var families = map[iana.KeyExchange]family{
	iana.KexUnknown:      {Unknown, UnknownSuite, false, Undetermined, "a code point without a registered key exchange"},
	iana.KexNULL:         {No, NullKeyExchange, false, Undetermined, "no key exchange at all"},
	iana.KexRSA:          {No, RSAKeyTransport, false, False, "the client encrypts the premaster secret to the server's RSA key"},
	iana.KexRSAExport:    {No, RSAKeyTransport, false, False, "RSA with a key of at most 512 or 1024 bits, which may be a temporary one"},
	iana.KexDH:           {No, StaticDH, false, False, "finite-field Diffie-Hellman with the fixed key of the server's certificate"},
	iana.KexDHE:          {Yes, EphemeralKeyExchange, false, False, "ephemeral finite-field Diffie-Hellman, signed"},
	iana.KexDHEExport:    {Yes, EphemeralKeyExchange, false, False, "ephemeral finite-field Diffie-Hellman of at most 512 or 1024 bits, signed"},
	iana.KexDHAnon:       {Yes, EphemeralKeyExchange, true, False, "ephemeral finite-field Diffie-Hellman, not signed"},
	iana.KexDHAnonExport: {Yes, EphemeralKeyExchange, true, False, "ephemeral finite-field Diffie-Hellman of at most 512 bits, not signed"},
	iana.KexECDH:         {No, StaticDH, false, False, "elliptic-curve Diffie-Hellman with the fixed key of the server's certificate"},
	iana.KexECDHE:        {Yes, EphemeralKeyExchange, false, False, "ephemeral elliptic-curve Diffie-Hellman, signed"},
	iana.KexECDHAnon:     {Yes, EphemeralKeyExchange, true, False, "ephemeral elliptic-curve Diffie-Hellman, not signed"},
	iana.KexPSK:          {No, PSKOnly, false, Undetermined, "a pre-shared key alone"},
	iana.KexRSAPSK:       {No, RSAPSK, false, Undetermined, "a pre-shared key, and a secret encrypted to the server's RSA key"},
	iana.KexDHEPSK:       {Yes, EphemeralKeyExchange, false, Undetermined, "ephemeral finite-field Diffie-Hellman, authenticated by a pre-shared key"},
	iana.KexECDHEPSK:     {Yes, EphemeralKeyExchange, false, Undetermined, "ephemeral elliptic-curve Diffie-Hellman, authenticated by a pre-shared key"},
	iana.KexSRP:          {Yes, EphemeralKeyExchange, false, False, "Secure Remote Password: an ephemeral exchange, authenticated by a password"},
	iana.KexKRB5:         {No, KerberosTicket, false, Undetermined, "a secret encrypted under a Kerberos session key"},
	iana.KexKRB5Export:   {No, KerberosTicket, false, Undetermined, "a secret encrypted under a Kerberos session key, with export-grade encryption"},
	iana.KexGOST:         {No, GOSTKeyTransport, false, False, "a secret wrapped by a GOST agreement with the server's certificate key"},
	iana.KexSM2Enc:       {No, SM2KeyTransport, false, False, "a secret encrypted to the server's SM2 key"},
	iana.KexSM2DHE:       {Yes, EphemeralKeyExchange, false, False, "SM2 key exchange with ephemeral keys of both sides"},
	iana.KexSM9Enc:       {No, SM2KeyTransport, false, False, "a secret encrypted to the server's SM9 identity"},
	iana.KexSM9DHE:       {Yes, EphemeralKeyExchange, false, False, "SM9 key exchange with ephemeral keys of both sides"},
	iana.KexECCPWD:       {Yes, EphemeralKeyExchange, false, False, "TLS-PWD: an ephemeral exchange, authenticated by a password"},
	iana.KexECJPAKE:      {Yes, EphemeralKeyExchange, false, False, "J-PAKE over an elliptic curve: an ephemeral exchange, authenticated by a password"},
	iana.KexCECPQ1:       {Yes, EphemeralKeyExchange, false, True, "X25519 and NewHope together, both ephemeral; an experiment of 2016"},
	iana.KexFortezza:     {No, FortezzaKEA, false, False, "KEA with the fixed keys of the FORTEZZA certificates"},
	iana.KexTLS13:        {Unknown, UnknownSuite, false, Undetermined, "TLS 1.3: the suite does not say; key_share and pre_shared_key do"},
}

// Family describes a key exchange, and returns the verdict and the reason of a
// full handshake with it. For TLS 1.3 the verdict is Unknown, because it
// depends on the extensions of the ServerHello.
func Family(k iana.KeyExchange) (text string, v Verdict, why Reason) {
	f := families[k]
	return f.text, f.verdict, f.reason
}
