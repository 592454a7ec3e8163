package packet

import "strconv"

// A LinkType is a LINKTYPE_ value of the registry at
// https://www.tcpdump.org/linktypes.html: the kind of header that frames begin
// with.
type LinkType uint16

// The supported link types.
const (
	LinkNull       LinkType = 0
	LinkEthernet   LinkType = 1
	LinkTokenRing  LinkType = 6
	LinkPPP        LinkType = 9
	LinkFDDI       LinkType = 10
	LinkRaw12      LinkType = 12 // DLT_RAW of most systems, found in files
	LinkRaw14      LinkType = 14 // DLT_RAW of OpenBSD
	LinkPPPHDLC    LinkType = 50
	LinkPPPoE      LinkType = 51
	LinkATM        LinkType = 100 // RFC 2684
	LinkRaw        LinkType = 101
	LinkCHDLC      LinkType = 104
	LinkIEEE80211  LinkType = 105
	LinkFrameRelay LinkType = 107
	LinkLoop       LinkType = 108
	LinkEnc        LinkType = 109 // OpenBSD's encapsulating interface
	LinkSLL        LinkType = 113
	LinkPFLog      LinkType = 117
	LinkPrism      LinkType = 119
	LinkRadiotap   LinkType = 127
	LinkDOCSIS     LinkType = 143
	LinkUser2      LinkType = 149 // PKTAP of older Apple systems, detected by its content
	LinkAVS        LinkType = 163
	LinkPPPD       LinkType = 166
	LinkPPI        LinkType = 192
	LinkPPPDir     LinkType = 204
	LinkIPNET      LinkType = 226
	LinkIPv4       LinkType = 228
	LinkIPv6       LinkType = 229
	LinkNFLOG      LinkType = 239
	LinkNetA       LinkType = 240 // NETANALYZER
	LinkNetATransp LinkType = 241 // NETANALYZER_TRANSPARENT
	LinkPKTAP      LinkType = 258
	LinkSLL2       LinkType = 276
)

// linkNames are names of the registry, except those of rare hardware.
var linkNames = map[LinkType]string{
	LinkNull: "NULL", LinkEthernet: "Ethernet", LinkTokenRing: "IEEE 802.5", LinkPPP: "PPP", LinkFDDI: "FDDI", LinkRaw12: "raw IP", LinkRaw14: "raw IP", LinkPPPHDLC: "PPP over HDLC",
	LinkPPPoE: "PPPoE", LinkATM: "ATM RFC 1483", LinkRaw: "raw IP", LinkCHDLC: "Cisco HDLC", LinkIEEE80211: "IEEE 802.11", LinkFrameRelay: "Frame Relay", LinkLoop: "LOOP",
	LinkEnc: "ENC", LinkSLL: "Linux SLL", LinkPFLog: "PFLOG", LinkPrism: "Prism", LinkRadiotap: "radiotap", LinkDOCSIS: "DOCSIS", LinkAVS: "AVS", LinkPPPD: "PPP of pppd",
	LinkPPI: "PPI", LinkPPPDir: "PPP with direction", LinkIPNET: "IPNET", LinkIPv4: "raw IPv4", LinkIPv6: "raw IPv6", LinkNFLOG: "NFLOG", LinkNetA: "NETANALYZER",
	LinkNetATransp: "NETANALYZER_TRANSPARENT", LinkPKTAP: "PKTAP", LinkSLL2: "Linux SLL2",

	3: "AX25", 7: "ARCNET", 8: "SLIP", 99: "SYMANTEC_FIREWALL", 114: "LTALK", 122: "IP_OVER_FC", 123: "SUNATM", 129: "ARCNET_LINUX", 138: "APPLE_IP_OVER_IEEE1394",
	139: "MTP2_WITH_PHDR", 140: "MTP2", 141: "MTP3", 142: "SCCP", 144: "LINUX_IRDA",
	147: "USER0", 148: "USER1", LinkUser2: "USER2", 150: "USER3", 151: "USER4", 152: "USER5", 153: "USER6", 154: "USER7", 155: "USER8", 156: "USER9",
	157: "USER10", 158: "USER11", 159: "USER12", 160: "USER13", 161: "USER14", 162: "USER15", 165: "BACNET_MS_TP", 167: "JUNIPER_PPPOE", 169: "GPRS_LLC", 174: "JUNIPER_PPPOE_ATM",
	177: "LINUX_LAPD", 178: "JUNIPER_ETHER", 179: "JUNIPER_PPP", 180: "JUNIPER_FRELAY", 181: "JUNIPER_CHDLC", 182: "MFR", 186: "USB_FREEBSD",
	187: "BLUETOOTH_HCI_H4", 189: "USB_LINUX", 190: "CAN20B", 195: "IEEE802_15_4_WITHFCS", 196: "SITA", 197: "ERF", 201: "BLUETOOTH_HCI_H4_WITH_PHDR", 202: "AX25_KISS",
	203: "LAPD", 205: "C_HDLC_WITH_DIR", 206: "FRELAY_WITH_DIR", 209: "IPMB_LINUX", 210: "FLEXRAY", 212: "LIN", 215: "IEEE802_15_4_NONASK_PHY", 220: "USB_LINUX_MMAPPED", 224: "FC_2", 225: "FC_2_WITH_FRAME_DELIMS",
	227: "CAN_SOCKETCAN", 230: "IEEE802_15_4_NOFCS", 231: "DBUS", 235: "DVB_CI", 236: "MUX27010", 237: "STANAG_5066_D_PDU", 242: "IPOIB", 243: "MPEG_2_TS", 244: "NG40",
	245: "NFC_LLCP", 247: "INFINIBAND", 248: "SCTP", 249: "USBPCAP", 250: "RTAC_SERIAL", 251: "BLUETOOTH_LE_LL", 252: "WIRESHARK_UPPER_PDU", 253: "NETLINK", 254: "BLUETOOTH_LINUX_MONITOR",
	255: "BLUETOOTH_BREDR_BB", 256: "BLUETOOTH_LE_LL_WITH_PHDR", 257: "PROFIBUS_DL", 259: "EPON", 260: "IPMI_HPM_2", 261: "ZWAVE_R1_R2", 262: "ZWAVE_R3", 263: "WATTSTOPPER_DLM",
	264: "ISO_14443", 265: "RDS", 266: "USB_DARWIN", 267: "OPENFLOW", 268: "SDLC", 269: "TI_LLN_SNIFFER", 270: "LORATAP", 271: "VSOCK", 272: "NORDIC_BLE",
	273: "DOCSIS31_XRA31", 274: "ETHERNET_MPACKET", 275: "DISPLAYPORT_AUX", 277: "SERCOS_MONITOR", 278: "OPENVIZSLA", 279: "EBHSCR", 280: "VPP_DISPATCH", 281: "DSA_TAG_BRCM", 282: "DSA_TAG_BRCM_PREPEND",
	283: "IEEE802_15_4_TAP", 284: "DSA_TAG_DSA", 285: "DSA_TAG_EDSA", 286: "ELEE", 287: "Z_WAVE_SERIAL", 288: "USB_2_0", 289: "ATSC_ALP", 290: "ETW",
	292: "ZBOSS_NCP", 293: "USB_2_0_LOW_SPEED", 294: "USB_2_0_FULL_SPEED", 295: "USB_2_0_HIGH_SPEED", 296: "AUERSWALD_LOG", 298: "SILABS_DEBUG_CHANNEL",
}

// String returns the name of l, or "link type N" if it has none.
func (l LinkType) String() string {
	if name, ok := linkNames[l]; ok {
		return name
	}
	return "link type " + strconv.Itoa(int(l))
}

// Numbered returns the name of l with its number: "USER0 (link type 147)".
func (l LinkType) Numbered() string {
	n := "link type " + strconv.Itoa(int(l))
	if name, ok := linkNames[l]; ok {
		return name + " (" + n + ")"
	}
	return n
}
