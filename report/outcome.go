package report

import (
	"pfsight/capture/stream"
	"pfsight/parse"
	"pfsight/report/secrecy"
)

// outcome sets how the handshake ended. A handshake is established if both
// sides finished or, if only one side was seen, that side finished. A fatal
// alert before that rejects it, and so does a close when an answer was due.
func (r *Connection) outcome(h *parse.Handshake, client, server *stream.Half) {
	// A client may send data before the server's Finished, RFC 7918. A server
	// may not send data before the client's Finished.
	finished := !h.ClientRefused && !h.AnswerUnseen && (h.ClientFinished && h.ServerFinished || h.ServerData ||
		h.ServerHello != nil && h.ServerHello.Version().IsTLS13() && h.ClientFinished || // the client finishes last
		r.OneWay == "server" && h.ServerFinished && r.Resumed == secrecy.False && !r.Version.IsTLS13() || // in a resumption the client finishes last
		r.OneWay == "client" && h.ClientFinished && h.ClientData)
	for i := range h.Alerts {
		a := &h.Alerts[i]
		own, peer := server, client
		if a.From == stream.ToServer {
			own, peer = client, server
		}
		switch {
		case a.Encrypted && finished && !a.Fatal:
			continue // most likely close_notify
		case a.Encrypted && !r.Version.IsTLS13() && (damaged(peer) || !peer.Seen() || h.Protocol == parse.DTLS):
			continue // the Finished may have been lost; in DTLS a loss is undetectable
		case a.Encrypted && (damaged(own) || h.Lost[a.From]) && !h.ClientRefused:
			continue // its Finished may be in the missing part
		case a.Encrypted && !r.Version.IsTLS13() && h.Lost[a.From.Opposite()]:
			continue // the peer's Finished may be in the missing part
		case a.Encrypted && a.From == stream.ToServer && client.Midstream && h.ClientHello == nil:
			continue // the Finished may precede the capture
		case !a.Encrypted && !a.Fatal:
			continue
		}
		r.Alert = "encrypted"
		if !a.Encrypted {
			r.Alert = a.Code.String()
		}
		r.AlertFrom = "client"
		if a.From == stream.ToClient {
			r.AlertFrom = "server"
		}
		if !finished {
			r.Outcome = Rejected
			return
		}
		break
	}
	switch {
	case finished:
		r.Outcome = Established
	case h.CarrierFailed:
		r.Outcome = Rejected
	case h.Carried == nil && !h.CarrierSucceeded && !h.ServerSeen && h.ClientHello != nil && !h.ClientHello.Incomplete && (server.FIN || server.RST) && !damaged(server) && !h.Lost[stream.ToClient]:
		r.Outcome = Rejected // a close instead of an answer
	}
}

// damaged reports whether bytes of a half are missing.
func damaged(h *stream.Half) bool { return h.Cut || h.Full || h.Lost || len(h.Gaps) > 0 }

// Close sets what is known only at the end of the connection.
func (r *Connection) Close(t stream.Totals) {
	r.Totals = t
	if r.Swapped {
		r.Totals.Bytes[0], r.Totals.Bytes[1] = t.Bytes[1], t.Bytes[0]
	}
}
