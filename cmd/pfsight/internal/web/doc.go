// Package web serves a live capture over HTTP: the page, the API, /metrics and
// /healthz.
//
//	server.go    Start, Stop, timeouts
//	gate.go      which connections are accepted
//	login.go     users and rate limits
//	bounded.go   how many answers are made at once
//	handler.go   the answers
//	config.go    the file of --web-config, reloaded when it changes
//	static/      files of the page
//
// A request passes gate, guard, login and bounded, in this order. Each has a limit,
// so that no client can hold up the server.
package web
