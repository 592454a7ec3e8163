//go:build !linux

package confine

import "errors"

// giveUp supports no user on this system.
func giveUp(who *User) ([]string, error) {
	if who != nil {
		return nil, errors.New("--user: not supported on this system; start pfsight as that user, with the right to capture")
	}
	return nil, nil
}

// landlocked does nothing: there is no Landlock.
func landlocked(*Needs) ([]string, error) { return nil, nil }

// restrictReading does nothing on this system.
func restrictReading(*Needs) {}

// calls are the system calls that a process still needs.
type calls struct{}

func (n *Needs) calls() calls { return calls{} }

// filterSystemCalls does nothing: there is no seccomp.
func filterSystemCalls(calls) (string, error) { return "", nil }
