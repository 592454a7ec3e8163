//go:build !linux

package main

import "errors"

// giveUp knows no way here.
func giveUp(who *identity) ([]string, error) {
	if who != nil {
		return nil, errors.New("--user: this system is not known well enough; start pfsight as that user, with the right to capture")
	}
	return nil, nil
}

// sandbox knows no way here.
func sandbox(reach) ([]string, error) { return nil, nil }

// calls are the system calls that a process still needs.
type calls struct{}

func (n *reach) calls() calls { return calls{} }

// filterSystemCalls knows no way here.
func filterSystemCalls(calls) (string, error) { return "", nil }
