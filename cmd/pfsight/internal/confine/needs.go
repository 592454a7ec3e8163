package confine

import (
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Needs lists what the process still needs of the system.
type Needs struct {
	Write   []string // directories in which files are made, read, renamed and removed
	Open    []string // existing files to write to
	Result  []string // files that are replaced, in one of Write
	Read    []string // files, and directories with all that is in them
	Local   []string // Unix sockets to connect to
	Connect []uint16 // TCP ports to connect to
	Resolve bool     // host names are looked up
	Listen  bool     // connections are accepted
	Packets bool     // interfaces are captured on, and opened again
}

// Dial adds what connecting to a TCP address needs.
func (n *Needs) Dial(address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return
	}
	if p, err := net.LookupPort("tcp", port); err == nil {
		n.Connect = append(n.Connect, uint16(p))
	}
	if _, err := netip.ParseAddr(host); err != nil {
		n.Resolve = true
		n.Connect = append(n.Connect, 53) // DNS, if an answer is too long for UDP
		n.Read = append(n.Read, "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services")
		// It is replaced when the network changes.
		if to, err := filepath.EvalSymlinks("/etc/resolv.conf"); err == nil && filepath.Dir(to) != "/etc" {
			n.Read = append(n.Read, filepath.Dir(to))
		}
	}
}

// wide lists directories that hold much more than a program needs.
var wide = []string{"/", "/etc", "/etc/ssl", "/etc/pki", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/usr/local", "/usr/local/etc", "/var", "/var/lib", "/var/tmp"}

// ReadAgain adds a file that is read again while running and may be replaced by
// another of its name: its directory, and that of the file it links to, become
// readable. If a directory holds much else, only the file is, and warn says so.
func (n *Needs) ReadAgain(file string, warn func(format string, args ...any)) {
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		real = file
	}
	narrow := false
	for _, path := range []string{file, real} {
		if dir, err := filepath.Abs(filepath.Dir(path)); err == nil {
			if to, err := filepath.EvalSymlinks(dir); err == nil {
				dir = to
			}
			if !slices.Contains(wide, dir) && dir != homeDir() {
				n.Read = append(n.Read, dir)
				continue
			}
		}
		n.Read = append(n.Read, path)
		narrow = true
	}
	if narrow {
		warn("%s: a file that takes its place is not read before a new start; in a folder of its own it is", file)
	}
}

func homeDir() string {
	dir, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return dir
}

// A User is the user that the process becomes.
type User struct {
	Name     string
	UID, GID int
	groups   []int
}

// LookupUser finds a user by name or number.
func LookupUser(name string) (*User, error) {
	u, err := user.Lookup(name)
	if err != nil {
		var byID error
		if u, byID = user.LookupId(name); byID != nil {
			return nil, err
		}
	}
	id := &User{Name: name}
	if id.UID, err = strconv.Atoi(u.Uid); err != nil {
		return nil, err
	}
	if id.GID, err = strconv.Atoi(u.Gid); err != nil {
		return nil, err
	}
	groups, err := u.GroupIds()
	if err != nil {
		groups = []string{u.Gid}
	}
	for _, g := range groups {
		if n, err := strconv.Atoi(strings.TrimSpace(g)); err == nil {
			id.groups = append(id.groups, n)
		}
	}
	return id, nil
}

// Live gives up what a live capture does not need. With user, the process
// becomes that user and keeps only the right to capture, which an interface
// that comes back needs again. With sandbox, Landlock and seccomp restrict the
// process to need, if the system has them. warn reports what is in force and
// what failed. Only a user that the process cannot become is an error.
func Live(need *Needs, user *User, sandbox bool, warn func(format string, args ...any)) error {
	_ = time.Now().Local().String() // reads the time zone, once
	done, err := giveUp(user)
	if err != nil {
		return err
	}
	if sandbox {
		more, err := landlocked(need)
		done = append(done, more...)
		if err != nil {
			warn("not confined to its files: %v", err)
		}
		filtered, err := filterSystemCalls(need.calls())
		if err != nil {
			warn("not confined to its system calls: %v", err)
		} else if filtered != "" {
			done = append(done, filtered)
		}
	}
	if len(done) > 0 {
		warn("gave up %s", strings.Join(done, ", "))
	}
	return nil
}

// Reading gives up what reading files and writing one result does not need,
// before the first input is opened: all capabilities but that of reading any
// file, new rights through other programs, changes of files but the result, the
// network, and most system calls. What the system lacks is left out silently.
// result is the path of the result, symbolic links resolved, "" for standard
// output. direct means that it is written through an open file.
func Reading(result string, direct bool) {
	var need Needs
	if result != "" {
		if st, err := os.Stat(result); direct || err == nil && !st.Mode().IsRegular() {
			need.Open = append(need.Open, result)
		} else {
			need.Write = append(need.Write, filepath.Dir(result))
			need.Result = append(need.Result, result)
		}
	}
	restrictReading(&need)
}
