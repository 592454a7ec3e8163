package main

import "os"

// notifyLive has no signals to ask for here.
func notifyLive(hup, usr1 chan os.Signal) (stop func()) { return func() {} }
