package main

import "pfsight/cmd/pfsight/internal/analyze"

// summaryOnSignal does nothing: there is no SIGUSR1.
func (a *app) summaryOnSignal(*analyze.Run, *readReport, *readOptions) (stop func()) {
	return func() {}
}
