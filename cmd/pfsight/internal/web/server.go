package web

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"pfsight/cmd/pfsight/internal/livestate"
	"pfsight/cmd/pfsight/internal/process"
)

//go:embed static
var files embed.FS

// Limits of the server.
const (
	maxConnections = 64 // open at once; see gate
	maxHeaderBytes = 16 << 10
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 2 * time.Minute // longer than Prometheus usually waits between scrapes
	stopTimeout    = 3 * time.Second // for answers in progress when the capture ends
)

// A Server serves a livestate.State. Start makes one.
type Server struct {
	addr net.Addr
	http *http.Server
	done chan struct{}
	err  error
}

// Start serves the page, the API and the metrics of st at listen, an address such
// as 127.0.0.1:9477. An address that other hosts reach needs configFile, which
// names TLS keys, users or both in the format of the Prometheus exporter toolkit.
// The server ends with ctx or by Stop.
func Start(ctx context.Context, st *livestate.State, listen, configFile string, log *slog.Logger) (*Server, error) {
	addr, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("--listen %q: use an address and a port such as 127.0.0.1:9477: %w", listen, err)
	}
	loopback := addr.IP.IsLoopback()
	config, err := newReloader(configFile, log)
	if err != nil {
		return nil, err
	}
	if err := checkSettings(listen, configFile, loopback, config.now, log); err != nil {
		return nil, err
	}
	l, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--listen %q: %w", listen, err)
	}
	g := newGate(l, maxConnections)
	s := &Server{addr: l.Addr(), done: make(chan struct{})}
	s.http = &http.Server{
		Handler: newHandler(st, loopback, func(next http.Handler) http.Handler {
			return newLogin(next, config.settings, log)
		}),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ConnState:      g.state, ConnContext: g.context,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // malformed requests
	}
	config.protect(s.http)
	log.Info("listening", "address", l.Addr().String(), "tls", s.http.TLSConfig != nil)
	go func() {
		defer close(s.done)
		var err error
		if s.http.TLSConfig != nil {
			err = s.http.ServeTLS(g, "", "")
		} else {
			err = s.http.Serve(g)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			s.err = err
			log.Error("the web server has ended", "err", err)
		}
	}()
	context.AfterFunc(ctx, func() { _ = s.Stop() })
	return s, nil
}

// Addr returns the address that the server listens at.
func (s *Server) Addr() net.Addr { return s.addr }

// Stop ends the server. It waits for answers in progress, up to stopTimeout.
func (s *Server) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close()
	}
	<-s.done
	return s.err
}

// checkSettings refuses to serve other hosts without protection.
func checkSettings(listen, file string, loopback bool, s *settings, log *slog.Logger) error {
	switch {
	case loopback:
	case file == "":
		return process.Usagef("--listen %s: others could read who talks to whom; give --web-config FILE with TLS keys and users, or listen on 127.0.0.1", listen)
	case s.tls == nil && len(s.users) == 0:
		return process.Usagef("--web-config %s: it has neither tls_server_config nor basic_auth_users, and others could read who talks to whom", file)
	case s.tls == nil:
		log.Warn("the web server has users and no TLS: passwords pass in the clear", "listen", listen)
	case len(s.users) == 0 && !s.clients:
		log.Warn("the web server has TLS and no users: whoever reaches it reads who talks to whom", "listen", listen)
	}
	return nil
}
