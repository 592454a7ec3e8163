package where_test

import (
	"fmt"
	"net/netip"

	"pfsight/parse/iana"
	"pfsight/report"
	"pfsight/report/secrecy"
	"pfsight/report/where"
)

func ExampleCompile() {
	f, err := where.Compile(`forward_secrecy == no and version <= "TLS 1.2"`)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range []report.Connection{
		{ServerName: "old.example.org", Version: iana.TLS10, ForwardSecrecy: secrecy.No},
		{ServerName: "new.example.org", Version: iana.TLS13, ForwardSecrecy: secrecy.Yes},
	} {
		fmt.Println(c.ServerName, f.Match(&c))
	}
	// Output:
	// old.example.org true
	// new.example.org false
}

// A comparison with an absent value is undetermined, and so is its negation.
// Neither selects the connection.
func ExampleFilter_Match() {
	c := &report.Connection{Client: report.Endpoint{AddrPort: netip.MustParseAddrPort("192.0.2.1:50000")}} // no ServerHello was seen
	for _, expr := range []string{
		"client_ip in 192.0.2.0/24",
		"version == 'TLS 1.3'",
		"not (version == 'TLS 1.3')",
		"version is unknown",
	} {
		f, err := where.Compile(expr)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: %v\n", f, f.Match(c))
	}
	// Output:
	// client_ip in 192.0.2.0/24: true
	// version == 'TLS 1.3': false
	// not (version == 'TLS 1.3'): false
	// version is unknown: true
}

func ExampleError() {
	_, err := where.Compile("server_name == example.org and forwrd_secrecy == no")
	fmt.Println(err)
	// Output:
	// at column 32: "forwrd_secrecy" is not a field; did you mean forward_secrecy?
	//   server_name == example.org and forwrd_secrecy == no
	//                                  ^
}
