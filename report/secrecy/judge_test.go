package secrecy

import (
	"encoding/csv"
	"os"
	"strconv"
	"testing"

	"pfsight/parse"
	"pfsight/parse/iana"
)

// A shape is a kind of TLS <= 1.2 session, as far as it was seen.
type shape struct {
	name string
	set  func(h *parse.Handshake)
}

var (
	id1 = []byte("0123456789abcdef0123456789abcdef")
	id2 = []byte("another session, of the same len")
)

var shapes = []shape{
	{"full", func(h *parse.Handshake) { h.CertificatesSeen, h.ServerHelloDone = true, true }},
	{"full, ticket issued", func(h *parse.Handshake) {
		h.ServerHelloDone = true
		h.Ticket = &parse.NewSessionTicket{Lifetime: 300, Ticket: make([]byte, 160)}
	}},
	{"session ID", func(h *parse.Handshake) {
		h.ClientHello.SessionID, h.ServerHello.SessionID, h.ServerCCS = id1, id1, true
	}},
	{"another session ID", func(h *parse.Handshake) {
		h.ClientHello.SessionID, h.ServerHello.SessionID, h.ServerHelloDone = id1, id2, true
	}},
	{"ticket", func(h *parse.Handshake) {
		h.ClientHello.SessionID, h.ServerHello.SessionID = id1, id1
		h.ClientHello.HasTicket, h.ClientHello.Ticket, h.ServerCCS = true, make([]byte, 160), true
	}},
	{"ticket, no session ID", func(h *parse.Handshake) {
		h.ClientHello.HasTicket, h.ClientHello.Ticket, h.ServerCCS = true, make([]byte, 160), true
	}},
	{"ticket refused", func(h *parse.Handshake) {
		h.ClientHello.HasTicket, h.ClientHello.Ticket, h.CertificatesSeen = true, make([]byte, 160), true
	}},
	{"ticket offered, answer not seen", func(h *parse.Handshake) { h.ClientHello.HasTicket, h.ClientHello.Ticket = true, make([]byte, 160) }},
	{"server's direction only, resumed", func(h *parse.Handshake) { h.ClientHello, h.ServerCCS = nil, true }},
	{"server's direction only, cut behind the hello", func(h *parse.Handshake) { h.ClientHello = nil }},
}

// TestSuites is the truth table: every suite with every shape. It checks the
// verdict against the rules of the definition, which it derives from the
// registry on its own.
func TestSuites(t *testing.T) {
	f, err := os.Open("testdata/suites.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, row := range rows[1:] {
		v, err := strconv.ParseUint(row[0], 0, 16)
		if err != nil || len(row[0]) != len("0x0000") {
			continue // three-byte cipher kinds of SSL 2.0
		}
		suite, name, kex, ephemeral, export, null := iana.CipherSuite(v), row[1], row[3], row[5], row[6] == "Y", row[7] == "Y"
		if ephemeral == "n/a" {
			continue // signalling values are not suites
		}
		for _, s := range shapes {
			n++
			h := &parse.Handshake{ClientHello: &parse.ClientHello{}, ServerHello: &parse.ServerHello{LegacyVersion: iana.TLS12, CipherSuite: suite}}
			s.set(h)
			got := Judge(h)
			resumed := s.name == "session ID" || s.name == "ticket" || s.name == "ticket, no session ID" || s.name == "server's direction only, resumed"
			undetermined := s.name == "ticket offered, answer not seen" || s.name == "server's direction only, cut behind the hello"
			want := Unknown
			switch {
			case ephemeral == "tls13": // a TLS 1.3 suite has no key exchange in TLS 1.2
			case null, ephemeral == "no":
				want = No
			case resumed:
				want = Conditional
			case !undetermined:
				want = Yes
			}
			if got.Verdict != want {
				t.Errorf("%s (%s), %s: verdict %s, want %s", name, kex, s.name, got.Verdict, want)
			}
			check := func(r Reason, want bool) {
				t.Helper()
				if got.Reasons.Has(r) != want {
					t.Errorf("%s (%s), %s: reason %s: %v, want %v", name, kex, s.name, r, got.Reasons.Has(r), want)
				}
			}
			real := ephemeral != "tls13"
			check(NullEncryption, null && real)
			check(ExportGrade, export)
			check(Anonymous, real && (kex == "DH_anon" || kex == "ECDH_anon" || kex == "DH_anon_EXPORT"))
			check(TicketIssued, h.Ticket != nil && want == Yes)
			check(ResumedNotForwardSecret, resumed && ephemeral == "no")
			check(UnknownSuite, !real)
			switch kex {
			case "RSA", "RSA_EXPORT":
				check(RSAKeyTransport, true)
			case "DH", "ECDH":
				check(StaticDH, true)
			case "PSK":
				check(PSKOnly, true)
			case "RSA_PSK":
				check(RSAPSK, true)
			}
			if _, ok := got.Reasons.First(); !ok {
				t.Errorf("%s, %s: a verdict without a reason", name, s.name)
			}
		}
	}
	if n < 3000 {
		t.Errorf("only %d cases", n)
	}
}

// TestTLS13 judges the possible ServerHellos of TLS 1.3.
func TestTLS13(t *testing.T) {
	type c struct {
		name    string
		sh      parse.ServerHello
		set     func(h *parse.Handshake)
		verdict Verdict
		reason  Reason
		kex     string
		quantum Tri
		resumed Tri
	}
	ch := func() *parse.ClientHello {
		return &parse.ClientHello{PSKs: []parse.PSK{{Identity: id1, ObfuscatedAge: 77}, {Identity: []byte("me")}}, HasPSK: true}
	}
	for _, c := range []c{
		{"x25519", parse.ServerHello{HasKeyShare: true, Group: 29}, nil, Yes, TLS13KeyShare, "ECDHE", False, False},
		{"ffdhe2048", parse.ServerHello{HasKeyShare: true, Group: 256}, nil, Yes, TLS13KeyShare, "DHE", False, False},
		{"X25519MLKEM768", parse.ServerHello{HasKeyShare: true, Group: 4588}, nil, Yes, TLS13KeyShare, "hybrid", True, False},
		{"X25519Kyber768Draft00", parse.ServerHello{HasKeyShare: true, Group: 25497}, nil, Yes, TLS13KeyShare, "hybrid", True, False},
		{"MLKEM768", parse.ServerHello{HasKeyShare: true, Group: 513}, nil, Yes, TLS13KeyShare, "KEM", True, False},
		{"unknown group", parse.ServerHello{HasKeyShare: true, Group: 0x4a4b}, nil, Yes, TLS13KeyShare, "", Undetermined, False},
		{"psk_dhe_ke", parse.ServerHello{HasKeyShare: true, Group: 29, HasPSK: true}, nil, Yes, PSKWithKeyShare, "ECDHE", False, True},
		{"psk_ke", parse.ServerHello{HasPSK: true}, nil, No, PSKKE, "PSK", Undetermined, True},
		{"external psk_ke", parse.ServerHello{HasPSK: true, SelectedPSK: 1}, nil, No, ExternalPSK, "PSK", Undetermined, False},
		{"client not seen", parse.ServerHello{HasKeyShare: true, Group: 29, HasPSK: true}, func(h *parse.Handshake) { h.ClientHello = nil }, Yes, PSKWithKeyShare, "ECDHE", False, Undetermined},
		{"neither", parse.ServerHello{}, nil, Unknown, Damaged, "", Undetermined, False},
		{"cut", parse.ServerHello{Incomplete: true, HasPSK: true}, nil, Unknown, Damaged, "", Undetermined, True},
		{"integrity only", parse.ServerHello{HasKeyShare: true, Group: 29, CipherSuite: 0xc0b4}, nil, No, NullEncryption, "ECDHE", False, False},
		{"early data", parse.ServerHello{HasKeyShare: true, Group: 29, HasPSK: true}, func(h *parse.Handshake) { h.ClientHello.EarlyData, h.EarlyDataSent = true, true }, Yes, EarlyData, "ECDHE", False, True},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.sh.SelectedVersion, c.sh.LegacyVersion = iana.TLS13, iana.TLS12
			if c.sh.CipherSuite == 0 {
				c.sh.CipherSuite = 0x1301
			}
			h := &parse.Handshake{ClientHello: ch(), ServerHello: &c.sh}
			if c.set != nil {
				c.set(h)
			}
			j := Judge(h)
			if j.Verdict != c.verdict || !j.Reasons.Has(c.reason) || j.PostQuantum != c.quantum || j.Resumed != c.resumed || c.kex != "" && j.KeyExchange != c.kex {
				t.Errorf("got %+v", j)
			}
		})
	}
	// Without a ServerHello the verdict is unknown, whatever was offered.
	for _, h := range []*parse.Handshake{{ClientHello: ch()}, {}} {
		if j := Judge(h); j.Verdict != Unknown || !j.Reasons.Has(NoServerHello) {
			t.Errorf("without a ServerHello: %+v", j)
		}
	}
}

func TestEveryReasonIsExplained(t *testing.T) {
	seen := map[string]bool{}
	for r := Reason(0); r < NumReasons; r++ {
		d := docs[r]
		if d.Code == "" || d.Title == "" || d.Meaning == "" || d.Advice == "" || len(d.References) == 0 && r != OneDirection && r != Damaged {
			t.Errorf("reason %d: %+v", r, d)
		}
		if seen[d.Code] || r.String() != d.Code {
			t.Errorf("code %q", d.Code)
		}
		seen[d.Code] = true
	}
}

func TestEveryKeyExchangeIsJudged(t *testing.T) {
	for k := range families {
		if text, _, _ := Family(k); text == "" {
			t.Errorf("%s has no text", k)
		}
	}
}
