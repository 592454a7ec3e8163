package web

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

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"
)

// reloadEvery is the minimum time between two checks whether the configuration or
// its keys have changed. A connection or a request triggers a check.
const reloadEvery = time.Second

// settings are the content of the file of --web-config. The exporter toolkit
// validates the file and makes the TLS settings.
type settings struct {
	tls        *tls.Config // nil: no TLS
	clients    bool        // clients must have a certificate
	http2      bool
	users      map[string]string // hashes of passwords
	decoy      string            // a hash of no password, as costly to check as the users'
	headers    map[string]string
	limitEvery time.Duration // 0: no rate_limit
	limitBurst int
}

// readSettings reads a configuration and the keys that it names.
func readSettings(file string) (*settings, error) {
	if err := toolkit.Validate(file); err != nil {
		return nil, err
	}
	c, err := readConfig(file)
	if err != nil {
		return nil, err
	}
	c.TLSConfig.SetDirectory(filepath.Dir(file))
	s := &settings{
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
	if s.tls, err = toolkit.ConfigToTLSConfig(&c.TLSConfig); err != nil {
		return nil, err
	}
	// GetCertificate reads the files again for each connection.
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

func readConfig(file string) (*toolkit.Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c := &toolkit.Config{TLSConfig: toolkit.TLSConfig{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13}, HTTPConfig: toolkit.HTTPConfig{HTTP2: true}}
	return c, yaml.Unmarshal(b, c)
}

// A reloader returns the settings of a file, and reads it again when it or a key
// has changed. If that fails, it logs the error and keeps the settings.
type reloader struct {
	file string
	log  *slog.Logger

	mu    sync.Mutex
	now   *settings
	stamp string
	until time.Time // no check of the stamp before
}

func newReloader(file string, log *slog.Logger) (*reloader, error) {
	w := &reloader{file: file, log: log, now: &settings{}}
	if file == "" {
		return w, nil
	}
	w.stamp = stampOf(file)
	var err error
	if w.now, err = readSettings(file); err != nil {
		return nil, fmt.Errorf("--web-config %s: %w", file, err)
	}
	return w, nil
}

// settings returns the current settings.
func (w *reloader) settings() *settings {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if w.file == "" || now.Before(w.until) {
		return w.now
	}
	w.until = now.Add(reloadEvery)
	stamp := stampOf(w.file)
	if stamp == w.stamp {
		return w.now
	}
	w.stamp = stamp
	s, err := readSettings(w.file)
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

// stampOf returns a text that changes when the configuration or a file that it
// names does.
func stampOf(file string) string {
	var b strings.Builder
	files, err := ConfigFiles(file)
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

// protect makes the server use TLS with the settings current at each connection.
func (w *reloader) protect(s *http.Server) {
	if w.now.tls == nil {
		return
	}
	s.TLSConfig = w.now.tls.Clone()
	s.TLSConfig.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return w.settings().tls, nil }
	if !w.now.http2 {
		s.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
}

// ConfigFiles returns file, a configuration, and the files that it names. All are
// read again while serving. Names are relative to the directory of file.
func ConfigFiles(file string) ([]string, error) {
	c, err := readConfig(file)
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
