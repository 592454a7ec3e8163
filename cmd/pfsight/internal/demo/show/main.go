// Command show displays made-up traffic for a look at the page and the screen:
//
//	go run ./cmd/pfsight/internal/demo/show [-listen 127.0.0.1:9477]
//
// With -listen it serves the page; otherwise it shows the screen.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"

	"pfsight/cmd/pfsight/internal/demo"
	"pfsight/cmd/pfsight/internal/livestate"
	"pfsight/cmd/pfsight/internal/tui"
	"pfsight/cmd/pfsight/internal/web"
)

type tb struct{}

func (tb) Helper()                           {}
func (tb) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }

func main() {
	listen := flag.String("listen", "", "serve the page at `ADDR`")
	captures := flag.String("captures", "testdata/captures", "`DIR` of captures")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	st := livestate.New(livestate.Options{Version: "demo"})
	go demo.Traffic(ctx, st, demo.Connections(tb{}, demo.Captures(tb{}, *captures)...), 40)
	if *listen == "" {
		if err := tui.Run(ctx, st, os.Stdin, os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	server, err := web.Start(ctx, st, *listen, "", slog.Default())
	if err != nil {
		log.Fatal(err)
	}
	<-ctx.Done()
	if err := server.Stop(); err != nil {
		log.Fatal(err)
	}
}
