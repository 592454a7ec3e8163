// Package fingerprint computes JA3, JA3S and JA4, which identify the software
// behind a ClientHello or a ServerHello.
//
// JA3 and JA3S are MD5 digests of a hello's fields (Salesforce, 2017). JA4 is
// specified by FoxIO. All leave out the GREASE values of RFC 8701.
//
//	fingerprint.go  the algorithms
//	cache.go        Hasher.Client and Hasher.Server, which cache results
package fingerprint
