package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"mintkeep/internal/config"
	"mintkeep/internal/doctor"
	"mintkeep/internal/instance"
	"mintkeep/internal/store"
)

// The verbs that look after an installation: doctor, backup.

// runDoctor checks this installation and, given a profile URL, the live site.
func runDoctor(in *Command) error {
	if len(in.args) > 1 {
		return in.usageError()
	}
	ctx, cancel := context.WithTimeout(in.ctx, 2*instance.DoctorTimeout)
	defer cancel()
	findings, err := in.examine(ctx)
	if err != nil {
		return err
	}
	if in.json {
		e := json.NewEncoder(in.Stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		err = e.Encode(findings)
	} else {
		err = doctor.Print(in.Stdout, findings)
	}
	if err == nil && doctor.Failed(findings) {
		err = errors.New("doctor: a check failed")
	}
	return err
}

// examine runs the checks; a configuration that cannot be read is a finding.
func (in *Command) examine(ctx context.Context) ([]doctor.Finding, error) {
	for _, profile := range in.args {
		if u, err := url.Parse(profile); err != nil || config.CheckURL(profile) != nil || u.User != nil {
			return nil, usageError("doctor: " + profile + " is not a full http or https URL")
		}
	}
	c, err := in.config()
	if err != nil {
		return doctor.Faults(err), nil
	}
	s, done, err := in.Doctor(c)
	if err != nil {
		return doctor.Faults(err), nil
	}
	defer done()
	if c.File != "" && config.StartsWithHashBang(c.File) {
		s.Script = c.File
	}
	findings := s.Inside(ctx)
	for _, profile := range in.args {
		findings = append(findings, s.Outside(ctx, profile)...)
	}
	return findings, nil
}

// runBackup copies the database while it may be in use. It never writes over
// anything, and the copy is as closed to others as the original.
func runBackup(in *Command) error {
	if len(in.args) != 1 {
		return in.usageError()
	}
	c, err := in.config()
	if err != nil {
		return err
	}
	if _, err := os.Stat(c.Database); err != nil {
		return wrap("backup", err)
	}
	to, err := filepath.Abs(in.args[0])
	if err != nil {
		return wrap("backup", err)
	}
	if err := backup(in.ctx, c, to); err != nil {
		return wrap("backup", err)
	}
	if _, err := os.Stat(c.KeyFile); err == nil {
		fmt.Fprintf(in.Stderr, "The key file is not in the copy: keep %s as well, but elsewhere.\n", c.KeyFile)
	}
	return nil
}

func backup(ctx context.Context, c *config.Config, to string) (err error) {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already\nhint: name a new file, or remove the old one first", to)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(to)
		}
	}()
	db, err := store.OpenAsIs(c.Database, false)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, to); err != nil {
		return fmt.Errorf("copying %s: %w", c.Database, err)
	}
	return f.Sync()
}
