package doctor

import (
	"fmt"
	"strconv"
)

// What the process is allowed.

// A resource is a limit that a host may set too low for a Go program.
type resource struct {
	name   string
	number int
	enough uint64
	do     string
}

// resources lists the limits with what measurement says is enough.
func resources() []resource {
	space, do := uint64(1400<<20), "upload the program for linux-386, which needs a tenth, or ask the host to raise RLIMIT_AS (Apache: RLimitMEM)"
	if strconv.IntSize == 32 {
		space, do = 256<<20, "ask the host to raise RLIMIT_AS (Apache: RLimitMEM)"
	}
	return []resource{
		{"address space (RLIMIT_AS)", rlimitAS, space, do},
		{"data (RLIMIT_DATA)", rlimitData, 112 << 20, "ask the host to raise RLIMIT_DATA"},
		{"processes and threads (RLIMIT_NPROC)", rlimitNproc, 20, "ask the host to raise RLIMIT_NPROC (Apache: RLimitNPROC); the program needs 6 for itself"},
	}
}

// limits compares each limit that is known here with what is enough.
func (s *Site) limits() []Finding {
	var out []Finding
	for _, r := range resources() {
		limit, known := s.Getrlimit(r.number)
		switch {
		case !known:
		case limit < r.enough:
			out = append(out, warn(r.do, "%s is limited to %s; less than %s can make starts fail", r.name, r.amount(limit), r.amount(r.enough)))
		case limit >= 1<<63-1:
			out = append(out, ok("%s is not limited", r.name))
		default:
			out = append(out, ok("%s is limited to %s", r.name, r.amount(limit)))
		}
	}
	return out
}

func (r resource) amount(n uint64) string {
	if r.enough > 1<<20 { // bytes
		return fmt.Sprintf("%d MB", n>>20)
	}
	return strconv.FormatUint(n, 10)
}

func (s *Site) tlsRoots() Finding {
	source, err := s.TLSRoots()
	switch {
	case err != nil:
		return fail("let ca_file name a readable file of certificates in PEM form, or remove that line", "no TLS roots: %v", err)
	case source == "built-in":
		return warn("name a file of root certificates with `ca_file:`; or leave it so and renew the program about once a year", "this machine has no TLS roots; those that came with the program are used")
	}
	return ok("TLS roots come from the %s", source)
}
