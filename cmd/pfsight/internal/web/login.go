package web

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

// Limits of logins. bcrypt is slow by design: an attacker who tries passwords must
// not be able to keep a core busy.
const (
	// Checks take at most 1/loginShare of a core.
	loginShare = 20
	// loginEvery is the minimum average time between two checks for all
	// addresses together. loginBurst checks may come at once.
	loginEvery = time.Second
	loginBurst = 10
	// sourceEvery and sourceBurst are the same limits for one IPv4 address or
	// one IPv6 /64, so that one source does not use up the checks of others.
	sourceEvery = 10 * time.Second
	sourceBurst = 5
	// maxSources is for how many sources checks are counted separately.
	maxSources = 1024
	// maxLogins is how many results of checks are cached.
	maxLogins = 128
	// failureEvery is the time between two messages about failed logins after
	// the first failureBurst.
	failureEvery = 10 * time.Second
	failureBurst = 5
	// maxUserShown is how many bytes of a user's name are shown in a message.
	maxUserShown = 64
)

// A bucket is a token bucket. Its zero value is full.
type bucket struct {
	left float64
	at   time.Time // when left was computed
}

// allow takes a token and reports whether there was one. The bucket holds burst
// tokens and gains one each every.
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

// A login protects a handler with the users of the web configuration.
type login struct {
	next     http.Handler
	settings func() *settings
	log      *slog.Logger
	now      func() time.Time
	check    func(hash, password []byte) error

	checking sync.Mutex // one check at a time

	mu       sync.Mutex
	secret   [32]byte          // HMAC key of the keys of known
	known    map[[32]byte]bool // cached results: whether the password is right
	all      bucket
	every    time.Duration // between two checks: loginEvery, or more if checks take long
	sources  map[netip.Prefix]*bucket
	requests bucket // of rate_limit
	messages bucket
	silent   uint64 // failures without a message since the latest message
}

func newLogin(next http.Handler, settings func() *settings, log *slog.Logger) *login {
	l := &login{next: next, settings: settings, log: log, now: time.Now, check: bcrypt.CompareHashAndPassword,
		known: map[[32]byte]bool{}, sources: map[netip.Prefix]*bucket{}, every: loginEvery}
	_, _ = rand.Read(l.secret[:]) // it never fails
	return l
}

// Results of a login.
type loginAnswer int

const (
	loginWrong loginAnswer = iota
	loginRight
	loginLater // not checked
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

// source returns the network by which the checks of a request are counted.
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

// ask checks a password.
func (l *login) ask(s *settings, from netip.Prefix, user, password string) loginAnswer {
	hash, there := s.users[user]
	if !there {
		hash = s.decoy // takes as long to check, and is never right
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
	if right, ok := l.remembered(key); ok { // another request checked it meanwhile
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

// forget removes a cached result: a wrong login, or any if there is none. mu is
// held.
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

// key identifies a login without revealing its password.
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

// bucket returns the bucket of a source. If there are too many, another one is
// removed: the bucket of all sources still bounds the checks. mu is held.
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

// failed logs a failed login, at a limited rate.
func (l *login) failed(r *http.Request, user, why string) {
	l.mu.Lock()
	ok := l.messages.allow(l.now(), failureEvery, failureBurst)
	silent := l.silent
	if l.silent = 0; !ok {
		l.silent = silent + 1
	}
	l.mu.Unlock()
	if !ok {
		return
	}
	args := []any{"user", user[:min(len(user), maxUserShown)], "from", r.RemoteAddr, "why", why}
	if silent > 0 {
		args = append(args, "others_since_the_last_message", silent)
	}
	l.log.Warn("failed login", args...)
}
