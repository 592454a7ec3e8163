package schema

import (
	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/secrecy"
)

type offer = report.Offer

// OfferFields are the fields of offered.
var OfferFields = []Field[offer]{
	{Name: "versions", Meaning: "versions of supported_versions, else legacy_version", Absent: notSent,
		Value: codes(Versions, func(o *offer) *[]iana.Version { return &o.Versions })},
	{Name: "cipher_suites", Meaning: "cipher suites by name or number; of an SSL 2.0 ClientHello cipher kinds too", Absent: notSent,
		Value: Codes[offer]{Suites, eachSuite, setSuites, setIncomplete}},
	{Name: "groups", Meaning: "supported_groups", Absent: notSent,
		Value: codes(Groups, func(o *offer) *[]iana.Group { return &o.Groups })},
	{Name: "key_shares", Meaning: "groups of key_share", Absent: notSent,
		Value: codes(Groups, func(o *offer) *[]iana.Group { return &o.KeyShares })},
	{Name: "signature_algorithms", Meaning: "signature_algorithms", Absent: notSent,
		Value: codes(Schemes, func(o *offer) *[]iana.SignatureScheme { return &o.SignatureAlgorithms })},
	{Name: "alpn", Meaning: "protocols of ALPN, RFC 7301", Absent: notSent,
		Value: Texts[offer]{func(o *offer) *[]string { return &o.ALPN }}},
	{Name: "psk_modes", Meaning: "psk_key_exchange_modes: psk_ke, psk_dhe_ke, or a number", Absent: notSent,
		Value: codes(PSKModes, func(o *offer) *[]uint8 { return &o.PSKModes })},
	{Name: "supported_versions", Meaning: "the extension was sent", Absent: "undetermined",
		Value: Tri[offer]{func(o *offer) *secrecy.Tri { return &o.SupportedVersions }}},
	{Name: "extended_master_secret", Meaning: "the extension was sent", Absent: "undetermined",
		Value: Tri[offer]{func(o *offer) *secrecy.Tri { return &o.ExtendedMaster }}},
	{Name: "renegotiation_info", Meaning: "the extension was sent", Absent: "undetermined",
		Value: Tri[offer]{func(o *offer) *secrecy.Tri { return &o.RenegotiationInfo }}},
	{Name: "compressed_points_only", Meaning: "ec_point_formats was sent without uncompressed", Absent: "it was not",
		Value: Flag[offer]{At: func(o *offer) *bool { return &o.CompressedPointsOnly }}},
	{Name: "incomplete", Meaning: "the end of the ClientHello was not seen, so that absent fields of it are undetermined", Absent: "it was seen",
		Value: Flag[offer]{At: func(o *offer) *bool { return &o.Incomplete }}},
}

const notSent = "not sent, or not seen where incomplete is true"

// codes makes the value of a list of code points.
func codes[C ~uint8 | ~uint16](p *Points, at func(o *offer) *[]C) Codes[offer] {
	return Codes[offer]{
		Points: p,
		Each:   func(o *offer, yield func(c Code) bool) { eachCode(*at(o), yield) },
		Set:    func(o *offer, list []Code) { *at(o) = codesOf[C](list) },

		LeftOut: setIncomplete,
	}
}

func setIncomplete(o *offer) { o.Incomplete = true }

func eachCode[C ~uint8 | ~uint16](list []C, yield func(c Code) bool) {
	for _, c := range list {
		if !yield(Code(c)) {
			return
		}
	}
}

func codesOf[C ~uint8 | ~uint16](list []Code) []C {
	if len(list) == 0 {
		return nil
	}
	out := make([]C, len(list))
	for i, c := range list {
		out[i] = C(c)
	}
	return out
}

// eachSuite yields the cipher kinds of an SSL 2.0 ClientHello, then the cipher
// suites.
func eachSuite(o *offer, yield func(c Code) bool) {
	for _, k := range o.SSLv2Kinds {
		if !yield(SSLv2 | Code(k)) {
			return
		}
	}
	eachCode(o.CipherSuites, yield)
}

func setSuites(o *offer, list []Code) {
	var suites []Code
	for _, c := range list {
		if c&SSLv2 != 0 {
			o.SSLv2Kinds = append(o.SSLv2Kinds, iana.SSLv2Kind(c&^SSLv2))
		} else {
			suites = append(suites, c)
		}
	}
	o.CipherSuites = codesOf[iana.CipherSuite](suites)
}
