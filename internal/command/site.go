package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"mintkeep/internal/config"
	"mintkeep/internal/doctor"
	"mintkeep/internal/instance"
	"mintkeep/internal/store"
)

// Many sites: -sites DIR has a folder for each host name, -site HOST says which is meant.

// checkSites refuses what would hold for all sites at once: each has its own
// configuration, and nothing beside it counts.
func (c *Command) checkSites() error {
	if c.sites == "" {
		return c.usageErrorf("-site %s needs the folder of the sites\nhint: -sites DIR", c.site)
	}
	if c.given("config") || len(c.keys) > 0 {
		return c.usageErrorf("with -sites each site has its own configuration\nhint: write it into DIR/HOST/%s, and leave the other flags out", config.SiteFile)
	}
	names := []string{"MINTKEEP_CONFIG", "MINTKEEP_KEY"}
	for _, k := range c.Settings.Keys() {
		names = append(names, "MINTKEEP_"+strings.ToUpper(k.Name))
	}
	for _, name := range names {
		if c.Getenv(name) != "" {
			return c.usageErrorf("%s is set, and would hold for all sites\nhint: unset %s; each site has its own configuration and key file", name, name)
		}
	}
	return nil
}

// siteConfig reads the configuration of the site that the flags name.
func (c *Command) siteConfig() (*config.Config, error) {
	if err := c.checkSites(); err != nil {
		return nil, err
	}
	if !config.IsSiteName(c.site) {
		return nil, c.usageErrorf("-site %q is no host name in lower case\nhint: -site HOST says which of the sites is meant, such as example.com", c.site)
	}
	if _, err := os.Stat(filepath.Join(c.sites, c.site)); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no site %s in %s\nhint: mintkeep init -sites %s -site %s makes it", c.site, c.sites, c.sites, c.site)
	}
	return c.Settings.ReadSite(c.sites, c.site)
}

// makeSite makes the folder and the configuration of a site, where they are missing.
func (c *Command) makeSite() error {
	if err := c.checkSites(); err != nil || !config.IsSiteName(c.site) {
		return err // what else is wrong, siteConfig says
	}
	folder := filepath.Join(c.sites, c.site)
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the site: %w", err)
	} else if err == nil {
		if err := giveToOwner(folder); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(filepath.Join(folder, config.SiteFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making the site: %w", err)
	}
	store.GiveToOwner(f)
	_, err = fmt.Fprintf(f, "database: tokens.db\nurl: https://%s/token\n", c.site)
	return errors.Join(err, f.Close())
}

// giveToOwner gives a folder that root makes to the owner of the one around it.
func giveToOwner(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return fmt.Errorf("making the site: %w", err)
	}
	store.GiveToOwner(f)
	return f.Close()
}

// sitesAtOnce is how many sites the doctor looks at together: most of the time it waits
// for the network.
const sitesAtOnce = 8

// examineSites checks every site of -sites, and shows what is wrong with each in a line.
func (c *Command) examineSites() error {
	if err := c.checkSites(); err != nil || len(c.args) > 0 {
		return cmp.Or(err, c.usage())
	}
	names, err := config.Sites(c.sites)
	if err != nil {
		return fmt.Errorf("doctor: %w", err)
	}
	wrong := make([][]doctor.Finding, len(names))
	var looked atomic.Int64
	stop := c.progress("Checking the sites", func() string { return fmt.Sprintf("%d of %d", looked.Load(), len(names)) })
	var group sync.WaitGroup
	places := make(chan struct{}, sitesAtOnce)
	for i, host := range names {
		places <- struct{}{}
		group.Go(func() {
			wrong[i] = wrongAt(c, host)
			looked.Add(1)
			<-places
		})
	}
	group.Wait()
	stop()
	all, failed := slices.Concat(wrong...), 0
	for _, findings := range wrong {
		if doctor.Failed(findings) {
			failed++
		}
	}
	if err = show(c, append([]doctor.Finding{}, all...)); err == nil && !c.json {
		_, err = fmt.Fprintf(c.Stdout, "%d sites were checked, %d have a check that fails.\n", len(names), failed)
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("doctor: a check failed at %d of %d sites\nhint: mintkeep doctor -sites %s -site HOST says all about one", failed, len(names), c.sites)
	}
	return err
}

// wrongAt is what is wrong with a site, its name in front.
func wrongAt(c *Command, host string) (wrong []doctor.Finding) {
	ctx, cancel := context.WithTimeout(c.ctx, 2*instance.DoctorTimeout)
	defer cancel()
	conf, err := c.Settings.ReadSite(c.sites, host)
	var findings []doctor.Finding
	if err != nil {
		findings = doctor.Faults(err)
	} else {
		findings = c.examineAt(ctx, conf, "")
	}
	for _, f := range findings {
		if f.Level != doctor.OK {
			f.What = host + ": " + f.What
			wrong = append(wrong, f)
		}
	}
	return wrong
}
