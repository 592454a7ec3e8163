package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"
)

// webReloadEvery is how often it is looked, where somebody connects or asks,
// whether the configuration or its keys have changed.
const webReloadEvery = time.Second

// webSettings are what the file of --web-config says. The exporter toolkit
// checks the file and makes the TLS settings of it.
type webSettings struct {
	tls        *tls.Config // nil: without
	clients    bool        // clients must have a certificate
	http2      bool
	users      map[string]string // hashes of passwords
	decoy      string            // the hash of no password, as costly to check as the users'
	headers    map[string]string
	limitEvery time.Duration // 0: no rate_limit
	limitBurst int
}

// readWebSettings reads a configuration and the keys that it names.
func readWebSettings(file string) (*webSettings, error) {
	if err := web.Validate(file); err != nil {
		return nil, err
	}
	c, err := readWebConfig(file)
	if err != nil {
		return nil, err
	}
	c.TLSConfig.SetDirectory(filepath.Dir(file))
	s := &webSettings{
		http2: c.HTTPConfig.HTTP2, headers: c.HTTPConfig.Header, users: map[string]string{},
		limitEvery: c.RateLimiterConfig.Interval, limitBurst: max(c.RateLimiterConfig.Burst, 1),
	}
	cost := bcrypt.MinCost
	for user, hash := range c.Users {
		s.users[user] = string(hash)
		if n, err := bcrypt.Cost([]byte(hash)); err == nil {
			cost = max(cost, n)
		}
	}
	if len(s.users) > 0 {
		decoy, err := bcrypt.GenerateFromPassword([]byte("no password"), cost)
		if err != nil {
			return nil, err
		}
		s.decoy = string(decoy)
	}
	if !c.TLSConfig.IsEnabled() {
		return s, nil
	}
	if s.tls, err = web.ConfigToTLSConfig(&c.TLSConfig); err != nil {
		return nil, err
	}
	// It would read the files at each connection.
	cert, err := s.tls.GetCertificate(nil)
	if err != nil {
		return nil, err
	}
	s.tls.Certificates, s.tls.GetCertificate = []tls.Certificate{*cert}, nil
	s.tls.NextProtos = []string{"http/1.1"}
	if s.http2 {
		s.tls.NextProtos = []string{"h2", "http/1.1"}
	}
	s.clients = s.tls.ClientAuth == tls.RequireAnyClientCert || s.tls.ClientAuth == tls.RequireAndVerifyClientCert
	return s, nil
}

func readWebConfig(file string) (*web.Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c := &web.Config{TLSConfig: web.TLSConfig{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13}, HTTPConfig: web.HTTPConfig{HTTP2: true}}
	return c, yaml.Unmarshal(b, c)
}

// A webReloader gives the settings of a file, and reads it again when it or a
// key has changed. What cannot be read then is told, and the settings stay.
type webReloader struct {
	file string
	log  *slog.Logger

	mu    sync.Mutex
	now   *webSettings
	stamp string
	until time.Time // the stamp is not looked at before
}

func newWebReloader(file string, log *slog.Logger) (*webReloader, error) {
	w := &webReloader{file: file, log: log, now: &webSettings{}}
	if file == "" {
		return w, nil
	}
	w.stamp = webStamp(file)
	var err error
	if w.now, err = readWebSettings(file); err != nil {
		return nil, fmt.Errorf("--web-config %s: %w", file, err)
	}
	return w, nil
}

// settings returns what holds now.
func (w *webReloader) settings() *webSettings {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if w.file == "" || now.Before(w.until) {
		return w.now
	}
	w.until = now.Add(webReloadEvery)
	stamp := webStamp(w.file)
	if stamp == w.stamp {
		return w.now
	}
	w.stamp = stamp
	s, err := readWebSettings(w.file)
	if err == nil && (s.tls == nil) != (w.now.tls == nil) {
		err = errors.New("TLS is turned on and off by a new start alone")
	}
	if err != nil {
		w.log.Error("the web configuration stays as it was", "file", w.file, "err", err)
		return w.now
	}
	w.now = s
	return s
}

// webStamp changes when the configuration or a file that it names does.
func webStamp(file string) string {
	var b strings.Builder
	files, err := webConfigFiles(file)
	if err != nil {
		files = []string{file}
	}
	for _, name := range files {
		if st, err := os.Stat(name); err == nil {
			fmt.Fprintf(&b, "%s %d %d %v\n", name, st.Size(), st.ModTime().UnixNano(), inode(st))
		} else {
			fmt.Fprintf(&b, "%s %v\n", name, err)
		}
	}
	return b.String()
}

// protect has the server use TLS as the settings say, those of each time.
func (w *webReloader) protect(s *http.Server) {
	if w.now.tls == nil {
		return
	}
	s.TLSConfig = w.now.tls.Clone()
	s.TLSConfig.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return w.settings().tls, nil }
	if !w.now.http2 {
		s.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
}

// webConfigFiles returns the file itself and those that it names, which are
// read again while serving. Names are relative to the file's folder.
func webConfigFiles(file string) ([]string, error) {
	c, err := readWebConfig(file)
	if err != nil {
		return nil, fmt.Errorf("--web-config %s: %w", file, err)
	}
	files := []string{file}
	c.TLSConfig.SetDirectory(filepath.Dir(file))
	for _, name := range []string{c.TLSConfig.TLSCertPath, c.TLSConfig.TLSKeyPath, c.TLSConfig.ClientCAs} {
		if name != "" {
			files = append(files, name)
		}
	}
	return files, nil
}
