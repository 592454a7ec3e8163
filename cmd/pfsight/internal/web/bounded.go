package web

import (
	"bytes"
	"maps"
	"net/http"
	"strconv"
	"time"
)

const (
	maxRequests = 8 // answers made at once; more requests get status 503
	maxScrapes  = 2 // answers made at once for /metrics and /healthz, in addition
	// scrapeWait is how long a scrape waits for its turn.
	scrapeWait = 3 * time.Second
)

// bounded limits how many answers next makes at once. /metrics and /healthz have
// separate places. An answer is complete before its first byte is sent, so a slow
// client holds only a connection.
func bounded(next http.Handler) http.Handler {
	room, scrapes := make(chan struct{}, maxRequests), make(chan struct{}, maxScrapes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place, wait := room, time.Duration(0)
		if r.URL.Path == "/metrics" || r.URL.Path == "/healthz" {
			place, wait = scrapes, scrapeWait
		}
		if !enter(place, wait, r) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
			return
		}
		c := guestFrom(r)
		c.become(phaseAnswer)
		a := &answer{header: http.Header{}, status: http.StatusOK}
		func() {
			defer func() {
				<-place
				c.become(phaseTaking)
			}()
			next.ServeHTTP(a, r)
		}()
		a.send(w)
	})
}

// enter takes a place, and reports whether one was free in time.
func enter(place chan struct{}, wait time.Duration, r *http.Request) bool {
	select {
	case place <- struct{}{}:
		return true
	default:
	}
	if wait == 0 {
		return false
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case place <- struct{}{}:
		return true
	case <-t.C:
	case <-r.Context().Done():
	}
	return false
}

// An answer is an http.ResponseWriter that buffers.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// send writes the answer to w.
func (a *answer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes())
}
