package filter_test

import (
	"fmt"

	"pfsight/capture/filter"
	"pfsight/capture/frametest"
	"pfsight/capture/packet"
)

func Example() {
	p, err := filter.Compile("udp dst port 53", uint32(packet.LinkRaw))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, port := range []uint16{53, 123} {
		b := frametest.UDP(40000, port, []byte("query"))
		fmt.Println(port, p.Match(b, len(b)))
	}
	_, err = filter.Compile("udp port", uint32(packet.LinkRaw))
	fmt.Println(err)
	// Output:
	// 53 true
	// 123 false
	// at 4: an address or a number is missing
}

// The output has the format of `tcpdump -ddd`.
func ExampleProgram_String() {
	p, err := filter.Compile("ip proto 50", uint32(packet.LinkRaw))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(p)
	// Output:
	// 7
	// 48 0 0 0
	// 84 0 0 240
	// 21 0 3 64
	// 48 0 0 9
	// 21 0 1 50
	// 6 0 0 262144
	// 6 0 0 0
}
