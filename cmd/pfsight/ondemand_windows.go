package main

// onDemand does nothing where there is no SIGUSR1.
func (a *app) onDemand(*joiner, *options) (stop func()) { return func() {} }
