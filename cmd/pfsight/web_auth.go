package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Limits of logins. A password is checked with bcrypt, which takes long by
// design, and must not keep a core busy for whoever tries passwords.
const (
	// loginShare is the share of a core that checks may take, 1/loginShare.
	loginShare = 20
	// loginEvery is the least time between two checks of all addresses
	// together, and loginBurst how many may come at once.
	loginEvery = time.Second
	loginBurst = 10
	// sourceEvery and sourceBurst are those of one address, or of one /64 of
	// IPv6, so that one does not use up the checks of others.
	sourceEvery = 10 * time.Second
	sourceBurst = 5
	// maxSources is how many addresses are told apart.
	maxSources = 1024
	// maxLogins is how many logins are known to be right or wrong without
	// another check.
	maxLogins = 128
	// failureEvery is the time between two messages on failed logins beyond
	// the first failureBurst.
	failureEvery = 10 * time.Second
	failureBurst = 5
	// maxUserShown is how many bytes of a user's name are shown in a message.
	maxUserShown = 64
)

// A bucket allows burst things at once, and one more each time every.
type bucket struct {
	left float64
	at   time.Time // when left was so
}

// allow reports whether one may be done now, and counts it.
func (b *bucket) allow(now time.Time, every time.Duration, burst int) bool {
	if b.at.IsZero() {
		b.left = float64(burst)
	} else if d := now.Sub(b.at); d > 0 {
		b.left = math.Min(float64(burst), b.left+float64(d)/float64(every))
	}
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// A login guards a handler with the users of the web configuration.
type login struct {
	next     http.Handler
	settings func() *webSettings
	log      *slog.Logger
	now      func() time.Time
	check    func(hash, password []byte) error

	checking sync.Mutex // one check at a time

	mu       sync.Mutex
	secret   [32]byte          // of the keys of known
	known    map[[32]byte]bool // logins that were checked, and whether they are right
	all      bucket
	every    time.Duration // between two checks: more where they take long
	sources  map[netip.Prefix]*bucket
	requests bucket // of rate_limit
	told     bucket
	untold   uint64
}

func newLogin(next http.Handler, settings func() *webSettings, log *slog.Logger) *login {
	l := &login{next: next, settings: settings, log: log, now: time.Now, check: bcrypt.CompareHashAndPassword,
		known: map[[32]byte]bool{}, sources: map[netip.Prefix]*bucket{}, every: loginEvery}
	_, _ = rand.Read(l.secret[:]) // it never fails
	return l
}

// Answers to a login.
type loginAnswer int

const (
	loginWrong loginAnswer = iota
	loginRight
	loginLater // it was not checked
)

// ServeHTTP implements http.Handler.
func (l *login) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := l.settings()
	for k, v := range s.headers {
		w.Header().Set(k, v)
	}
	if s.limitEvery > 0 {
		l.mu.Lock()
		ok := l.requests.allow(l.now(), s.limitEvery, s.limitBurst)
		l.mu.Unlock()
		if !ok {
			later(w, s.limitEvery)
			return
		}
	}
	if len(s.users) == 0 {
		l.next.ServeHTTP(w, r)
		return
	}
	if user, password, ok := r.BasicAuth(); ok {
		switch l.ask(s, guestFrom(r).source(r), user, password) {
		case loginRight:
			l.next.ServeHTTP(w, r)
			return
		case loginLater:
			l.failed(r, user, "not checked: too many failed")
			later(w, sourceEvery)
			return
		}
		l.failed(r, user, "wrong")
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="pfsight"`)
	http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
}

func later(w http.ResponseWriter, after time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
	http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
}

// source returns the network that a request comes from, as far as checks are
// counted by it.
func (c *guest) source(r *http.Request) netip.Prefix {
	var a netip.Addr
	if c != nil {
		a = c.from
	} else if p, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		a = p.Addr().Unmap()
	}
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// ask says whether a password is right.
func (l *login) ask(s *webSettings, from netip.Prefix, user, password string) loginAnswer {
	hash, there := s.users[user]
	if !there {
		hash = s.decoy // which takes as long, and is never right
	}
	key := l.key(user, hash, password)
	if right, ok := l.remembered(key); ok {
		return answerOf(right)
	}
	l.mu.Lock()
	now := l.now()
	may := l.bucket(from).allow(now, max(sourceEvery, l.every), sourceBurst) && l.all.allow(now, l.every, loginBurst)
	l.mu.Unlock()
	if !may {
		return loginLater
	}
	l.checking.Lock()
	defer l.checking.Unlock()
	if right, ok := l.remembered(key); ok { // by another request meanwhile
		return answerOf(right)
	}
	start := time.Now()
	right := l.check([]byte(hash), []byte(password)) == nil && there
	took := time.Since(start)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.every = max(loginEvery, loginShare*took)
	if len(l.known) >= maxLogins {
		l.forget()
	}
	l.known[key] = right
	return answerOf(right)
}

// forget makes room among the known logins: that of one that is wrong, and
// only without those of any. mu is held.
func (l *login) forget() {
	var any [32]byte
	for k, right := range l.known {
		if any = k; !right {
			break
		}
	}
	delete(l.known, any)
}

func answerOf(right bool) loginAnswer {
	if right {
		return loginRight
	}
	return loginWrong
}

// key names a login, without keeping its password.
func (l *login) key(parts ...string) (key [32]byte) {
	h := hmac.New(sha256.New, l.secret[:])
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	h.Sum(key[:0])
	return key
}

func (l *login) remembered(key [32]byte) (right, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	right, ok = l.known[key]
	return right, ok
}

// bucket returns that of an address. Where there are too many, any other is
// forgotten: the bucket of all still bounds the checks. mu is held.
func (l *login) bucket(from netip.Prefix) *bucket {
	b := l.sources[from]
	if b == nil {
		if len(l.sources) >= maxSources {
			for other := range l.sources {
				delete(l.sources, other)
				break
			}
		}
		b = new(bucket)
		l.sources[from] = b
	}
	return b
}

// failed tells of a failed login, but not of each where there are many.
func (l *login) failed(r *http.Request, user, why string) {
	l.mu.Lock()
	ok := l.told.allow(l.now(), failureEvery, failureBurst)
	untold := l.untold
	if l.untold = 0; !ok {
		l.untold = untold + 1
	}
	l.mu.Unlock()
	if !ok {
		return
	}
	args := []any{"user", user[:min(len(user), maxUserShown)], "from", r.RemoteAddr, "why", why}
	if untold > 0 {
		args = append(args, "others_since_the_last_message", untold)
	}
	l.log.Warn("failed login", args...)
}
