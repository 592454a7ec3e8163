package fingerprint_test

import (
	"fmt"

	"pfsight/parse/fingerprint"
)

// The ClientHello of Chrome that FoxIO's specification of JA4 uses.
func ExampleHasher_Client() {
	var h fingerprint.Hasher
	_, ja4 := h.Client(&fingerprint.Client{
		Transport:     't',
		LegacyVersion: 0x0303,
		Versions:      []uint16{0x0304, 0x0303},
		CipherSuites: []uint16{0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8,
			0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035},
		Extensions: []uint16{0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d,
			0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015},
		SignatureSchemes: []uint16{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601},
		HasServerName:    true,
		ALPN:             []byte("h2"),
	})
	fmt.Println(ja4)
	// Output: t13d1516h2_8daaf6152771_e5627efa2ab1
}

func ExampleHasher_Server() {
	var h fingerprint.Hasher
	fmt.Println(h.Server(&fingerprint.Server{LegacyVersion: 769, CipherSuite: 47, Extensions: []uint16{65281, 0, 11, 35, 5, 16}}))
	// Output: 836ce314215654b5b1f85f97c73e506f
}
