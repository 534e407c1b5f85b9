package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"mintkeep/internal/doctor"
	"mintkeep/keeper"
)

// The verbs that look after an installation: doctor, backup.

// doctorTimeout bounds the checks from inside and those from outside.
const doctorTimeout = 40 * time.Second

// runDoctor checks this installation and, given a profile URL, the live site.
func runDoctor(in *invocation) error {
	if len(in.args) > 1 {
		return in.wrong()
	}
	ctx, cancel := context.WithTimeout(in.ctx, 2*doctorTimeout)
	defer cancel()
	findings, err := in.examine(ctx)
	if err != nil {
		return err
	}
	if in.json {
		e := json.NewEncoder(in.stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		err = e.Encode(findings)
	} else {
		err = doctor.Print(in.stdout, findings)
	}
	if err == nil && doctor.Failed(findings) {
		err = errors.New("doctor: a check failed")
	}
	return err
}

// examine runs the checks; a configuration that cannot be read is a finding.
func (in *invocation) examine(ctx context.Context) ([]doctor.Finding, error) {
	for _, profile := range in.args {
		if u, err := url.Parse(profile); err != nil || checkURL(profile) != nil || u.User != nil {
			return nil, usageError("doctor: " + profile + " is not a full http or https URL")
		}
	}
	c, err := in.config()
	if err != nil {
		return doctor.Faults(err), nil
	}
	s, done, err := in.patient(c)
	if err != nil {
		return doctor.Faults(err), nil
	}
	defer done()
	if c.file != "" && startsWithHashBang(c.file) {
		s.Script = c.file
	}
	findings := s.Inside(ctx)
	for _, profile := range in.args {
		findings = append(findings, s.Outside(ctx, profile)...)
	}
	return findings, nil
}

// patient describes the installation to the doctor.
func (p *process) patient(c *config) (*doctor.Site, func(), error) {
	db, err := openUnchanged(c)
	if err != nil {
		return nil, nil, err
	}
	s := &doctor.Site{
		About:    fmt.Sprintf("mintkeep %s for %s-%s, process %d of user %d", version, runtime.GOOS, runtime.GOARCH, os.Getpid(), os.Geteuid()),
		Config:   c.file,
		Database: c.database,
		KeyFile:  c.keyFile,
		ErrorLog: c.errorLog,
		URL:      c.url,
		Journal:  c.journal,
		InRoot:   c.inRoot == "yes",
		DB:       db,
		Schema:   schemaVersion,
		Now:      p.now,
		Settings: func(ctx context.Context) (doctor.Settings, error) { return settingsToCheck(ctx, db, c) },
		Shown:    func(root string) error { return inDocumentRoot(c, root) },
		Key: func(ctx context.Context) error {
			err := outbound(p, c, db, nil).CheckKey(ctx)
			if !errors.Is(err, keeper.ErrKey) {
				return nil // other checks look at the database
			}
			return err
		},
		Public: publicService,
		TLSRoots: func() (string, error) {
			_, source, err := tlsRoots(c.caFile)
			return source, err
		},
		Client: trustedClient(c),
	}
	s.System()
	return s, func() { db.Close() }, nil
}

// openUnchanged opens the database without creating or upgrading anything.
func openUnchanged(c *config) (*sql.DB, error) {
	db, err := sql.Open("sqlite3", "file:"+(&url.URL{Path: c.database}).EscapedPath()+"?mode=rw&_busy_timeout=3000")
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", c.database, err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// settingsToCheck returns what could be read, and all faults.
func settingsToCheck(ctx context.Context, db *sql.DB, c *config) (doctor.Settings, error) {
	st := doctor.Settings{Endpoints: c.endpoint, Me: canonical(c.me)}
	var rows []settingRow
	if _, err := os.Stat(c.database); err == nil { // else another check says so
		if rows, err = settingRows(ctx, db); err != nil {
			return st, err
		}
	}
	var me []string
	for _, r := range rows {
		switch r.name {
		case "endpoint":
			st.Endpoints = append(st.Endpoints, r.value)
		case "me":
			me = append(me, r.value)
		}
	}
	st.Me = append(st.Me, canonical(me)...)
	all, err := parseSettings(rows, c)
	st.Direct = err == nil && all.Direct
	return st, err
}

// runBackup copies the database while it may be in use. It never writes over
// anything, and the copy is as closed to others as the original.
func runBackup(in *invocation) error {
	if len(in.args) != 1 {
		return in.wrong()
	}
	c, err := in.config()
	if err != nil {
		return err
	}
	if _, err := os.Stat(c.database); err != nil {
		return wrap("backup", err)
	}
	to, err := filepath.Abs(in.args[0])
	if err != nil {
		return wrap("backup", err)
	}
	if err := backup(in.ctx, c, to); err != nil {
		return wrap("backup", err)
	}
	if _, err := os.Stat(c.keyFile); err == nil {
		fmt.Fprintf(in.stderr, "The key file is not in the copy: keep %s as well, but elsewhere.\n", c.keyFile)
	}
	return nil
}

func backup(ctx context.Context, c *config, to string) (err error) {
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
	db, err := openUnchanged(c)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, to); err != nil {
		return fmt.Errorf("copying %s: %w", c.database, err)
	}
	return f.Sync()
}
