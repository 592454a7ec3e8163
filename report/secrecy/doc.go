// Package secrecy decides whether a connection is forward secret: whether its
// keys come from an ephemeral exchange of this connection, and why or why not.
//
// [Judge] is a pure function of a parse.Handshake. It keeps four questions
// apart: forward secrecy, authentication, strength and post-quantum. Every
// claim has three states; what was not seen is undetermined. Each verdict
// carries [Reasons], stable codes with documentation, see [Reason.Doc].
//
//	secrecy.go  Verdict, Tri
//	judge.go    Judge: the verdict on a handshake
//	family.go   the meaning of each key exchange
//	reason.go   Reason, Reasons: the codes
//	docs.go     the documentation of the codes
package secrecy
