package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"mintkeep/internal/config"
	"mintkeep/internal/oauth"
)

const (
	requestsOfSite = 16              // at once; more are told to come again
	filesOfSite    = 6               // that an open site needs: two idle connections of up to three
	maxTold        = 1000            // sites whose faults are logged in a minute
	idleLife       = 5 * time.Minute // after its last request a site is closed
	connLifeOfSite = time.Minute     // after which a connection that could not write when it was opened is gone
)

// Sites are the installations of a folder, DIR/HOST/mintkeep.conf for each host name.
// A site is opened when its first request comes, and closed when it is idle or others
// need the room. Its folder is looked at with each request: one that appears, changes
// or goes needs no restart. A fault of one is a 503 there, and nothing to the others.
type Sites struct {
	env     *Environment
	dir     string
	maxOpen int
	log     *slog.Logger

	mu      sync.Mutex
	open    map[string]*openSite
	leaving []*openSite // not to be used any more; closed when nobody does
	told    map[string]time.Time
	looked  map[string]bool // at which is being looked whether tokens are due
	closing sync.WaitGroup
}

// An openSite is one that a request needed. Its fields are guarded by Sites.mu.
type openSite struct {
	*Instance
	version  version
	requests int // under way
	lastUse  time.Time
}

// A version tells the files of a site from those that were there before.
type version struct {
	configuration fs.FileInfo
	replaced      bool // the database is another file than the one that was opened
}

func (v version) equal(now version) bool {
	a, b := v.configuration, now.configuration
	return !now.replaced && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}

// unused reports whether nothing of the site goes on, not even a refresh without its request.
func (o *openSite) unused() bool { return o.requests == 0 && o.refreshing.Load() == 0 }

// OpenSites returns the sites in a folder, of which at most maxOpen are open at once, or
// as many as the limit of open files allows. None is opened yet.
func OpenSites(e *Environment, dir string, maxOpen int) (*Sites, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder", dir)
	}
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the sites: %w\nhint: mintkeep init -sites DIR -site HOST makes one in an existing folder", err)
	}
	s := &Sites{env: e, dir: dir, maxOpen: maxOpen, log: NewLog(e.Stderr, ""), open: make(map[string]*openSite),
		told: make(map[string]time.Time), looked: make(map[string]bool)}
	const others = 1100 // connections, and what else a process has open
	if limit, ok := openFilesLimit(); ok && limit < uint64(maxOpen*filesOfSite+others) {
		s.maxOpen = max(1, (int(limit)-others)/filesOfSite)
		s.log.Warn("fewer sites are kept open than -max-open says: the limit of open files (RLIMIT_NOFILE) is too low",
			"open files", limit, "sites", s.maxOpen)
	}
	return s, nil
}

// Log is where faults go that are no site's.
func (s *Sites) Log() *slog.Logger { return s.log }

// ServeHTTP lets the site of the request's host name answer.
func (s *Sites) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := hostName(r)
	if config.IsSiteName(host) {
		receive(r)
	}
	site, err := s.use(host)
	if site != nil {
		defer s.release(site)
		site.ServeHTTP(w, r)
		return
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		WriteError(w, &oauth.Error{Status: http.StatusNotFound, Code: "invalid_request", Description: "there is no token endpoint on this host name"})
		return
	}
	why := "too much is asked of this site at the moment"
	if err != errBusySite && err != errNoRoom {
		why = "this site cannot be opened at the moment"
	}
	s.tell(host, err)
	WriteError(w, &oauth.Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Description: why,
		Header: map[string]string{"Retry-After": "2"}})
}

// tell logs why a site does not answer, once a minute, and at most maxTold of them:
// strangers can ask any number of times, for any host name.
func (s *Sites) tell(host string, err error) {
	s.mu.Lock()
	now := time.Now()
	maps.DeleteFunc(s.told, func(_ string, at time.Time) bool { return now.Sub(at) >= time.Minute })
	_, quiet := s.told[host]
	if quiet = quiet || len(s.told) >= maxTold; !quiet {
		s.told[host] = now
	}
	s.mu.Unlock()
	if !quiet {
		s.log.Error("not ready", "site", host, "error", err)
	}
}

var (
	errBusySite = errors.New("as many requests as one site may have are under way")
	errNoRoom   = errors.New("as many sites as may be are at work")
)

// use returns the site of a host name, for one request, after which it must be
// released. fs.ErrNotExist says that there is none.
func (s *Sites) use(host string) (*openSite, error) {
	s.mu.Lock()
	site := s.open[host]
	s.mu.Unlock()
	now, err := s.look(host, site)
	defer s.closeLeaving()
	s.mu.Lock()
	defer s.mu.Unlock()
	if site = s.open[host]; site != nil && (err != nil || !site.version.equal(now)) {
		s.leave(host)
		site = nil
	}
	if err != nil {
		return nil, err
	}
	if site == nil {
		if len(s.open) >= s.maxOpen && !s.makeRoom() {
			return nil, errNoRoom
		}
		site = &openSite{Instance: s.instance(host), version: now}
		s.open[host] = site
	}
	if site.requests >= requestsOfSite {
		return nil, errBusySite
	}
	site.requests++
	site.lastUse = time.Now()
	return site, nil
}

// look looks at the files of a site, which may be open. Nobody else waits for its disk.
func (s *Sites) look(host string, site *openSite) (now version, err error) {
	if site == nil && !config.IsSiteName(host) {
		return now, fs.ErrNotExist
	}
	if now.configuration, err = os.Stat(s.dir + "/" + host + "/" + config.SiteFile); err != nil || site == nil {
		return now, err
	}
	if opened := site.database.Load(); opened != nil {
		info, err := os.Stat(opened.path)
		now.replaced = err != nil || !os.SameFile(info, opened.info)
	}
	return now, nil
}

// instance is a site that is not open yet.
func (s *Sites) instance(host string) *Instance {
	in := New(s.env, func() (*config.Config, error) { return s.env.Settings.ReadSite(s.dir, host) }, true)
	in.site, in.log = host, in.log.With("site", host)
	return in
}

// makeRoom takes the site that was used longest ago from those that are open, and
// reports whether there is one that is not at work.
func (s *Sites) makeRoom() bool {
	oldest := ""
	for host, site := range s.open {
		if site.unused() && (oldest == "" || site.lastUse.Before(s.open[oldest].lastUse)) {
			oldest = host
		}
	}
	if oldest == "" {
		return false
	}
	s.leave(oldest)
	return true
}

// leave ends the use of an open site for new requests.
func (s *Sites) leave(host string) {
	s.leaving = append(s.leaving, s.open[host])
	delete(s.open, host)
}

func (s *Sites) release(site *openSite) {
	s.mu.Lock()
	site.requests--
	s.mu.Unlock()
	s.closeLeaving()
}

// closeLeaving closes what nobody uses any more.
func (s *Sites) closeLeaving() {
	s.mu.Lock()
	if len(s.leaving) == 0 {
		s.mu.Unlock()
		return
	}
	var unused []*openSite
	s.leaving = slices.DeleteFunc(s.leaving, func(site *openSite) bool {
		if site.unused() {
			unused = append(unused, site)
			return true
		}
		return false
	})
	s.mu.Unlock()
	for _, site := range unused {
		s.closing.Go(site.closeDatabase) // whose disk nobody else waits for
	}
}

// closeIdle closes the sites that were not used since then.
func (s *Sites) closeIdle(since time.Time) {
	s.mu.Lock()
	for host, site := range s.open {
		if site.unused() && site.lastUse.Before(since) {
			s.leave(host)
		}
	}
	s.mu.Unlock()
	s.closeLeaving()
}

// Close closes every site, after the refreshes that go on without their requests.
func (s *Sites) Close() {
	s.env.hold.wait()
	s.closing.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, site := range s.open {
		site.closeDatabase()
	}
	for _, site := range s.leaving {
		site.closeDatabase()
	}
}
