package rdpudp

// What tests outside of the package make datagrams with.
var (
	SYN      = synOf
	SourceV1 = sourceV1
	SourceV2 = sourceV2
)
