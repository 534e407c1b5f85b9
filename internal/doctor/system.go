package doctor

import "os"

// System fills in the functions that ask the operating system.
func (s *Site) System() {
	s.UID = os.Geteuid()
	s.Statfs, s.Getrlimit, s.Owner = statfs, getrlimit, owner
}
