package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

//go:embed web
var webFiles embed.FS

// Limits of the server: whoever asks cannot hold it up.
const (
	webConnections = 64 // open at once; see gate
	webHeaderBytes = 16 << 10
	webHeaderTime  = 5 * time.Second
	webReadTime    = 10 * time.Second
	webWriteTime   = 30 * time.Second
	webIdleTime    = 2 * time.Minute // longer than Prometheus is wont to wait between two scrapes
	webStopTime    = 3 * time.Second // for answers under way when the capture ends
)

// A webServer serves what a liveState shows.
type webServer struct {
	addr net.Addr
	http *http.Server
	done chan struct{}
	err  error
}

// startWeb serves the page, the API and the metrics of st at listen, an
// address such as 127.0.0.1:9477. An address that others reach needs
// webConfig, a file that names TLS keys, users or both in the form of the
// Prometheus exporter toolkit. The server ends with ctx or by stop, which
// waits a little for answers under way.
func startWeb(ctx context.Context, st *liveState, listen, webConfig string, log *slog.Logger) (stop func() error, err error) {
	s, err := newWebServer(ctx, st, listen, webConfig, log)
	if err != nil {
		return nil, err
	}
	return s.stop, nil
}

func newWebServer(ctx context.Context, st *liveState, listen, webConfig string, log *slog.Logger) (*webServer, error) {
	addr, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("--listen %q: use an address and a port such as 127.0.0.1:9477: %w", listen, err)
	}
	loopback := addr.IP.IsLoopback()
	config, err := newWebReloader(webConfig, log)
	if err != nil {
		return nil, err
	}
	if err := checkWebSettings(listen, webConfig, loopback, config.now, log); err != nil {
		return nil, err
	}
	l, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--listen %q: %w", listen, err)
	}
	g := newGate(l, webConnections)
	s := &webServer{addr: l.Addr(), done: make(chan struct{})}
	s.http = &http.Server{
		Handler: newWebHandler(st, loopback, func(next http.Handler) http.Handler {
			return newLogin(next, config.settings, log)
		}),
		ReadHeaderTimeout: webHeaderTime, ReadTimeout: webReadTime, WriteTimeout: webWriteTime, IdleTimeout: webIdleTime,
		MaxHeaderBytes: webHeaderBytes,
		ConnState:      g.state, ConnContext: g.context,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what strangers send wrong
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
	context.AfterFunc(ctx, func() { _ = s.stop() })
	return s, nil
}

// stop ends the server.
func (s *webServer) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), webStopTime)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close()
	}
	<-s.done
	return s.err
}

// checkWebSettings refuses to show strangers what passes on the network.
func checkWebSettings(listen, file string, loopback bool, s *webSettings, log *slog.Logger) error {
	switch {
	case loopback:
	case file == "":
		return usagef("--listen %s: others could read who talks to whom; give --web-config FILE with TLS keys and users, or listen on 127.0.0.1", listen)
	case s.tls == nil && len(s.users) == 0:
		return usagef("--web-config %s: it has neither tls_server_config nor basic_auth_users, and others could read who talks to whom", file)
	case s.tls == nil:
		log.Warn("the web server has users and no TLS: passwords pass in the clear", "listen", listen)
	case len(s.users) == 0 && !s.clients:
		log.Warn("the web server has TLS and no users: whoever reaches it reads who talks to whom", "listen", listen)
	}
	return nil
}
