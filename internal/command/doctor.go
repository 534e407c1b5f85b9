package command

import (
	"context"
	"errors"
	"flag"
	"net/url"
	"strings"

	"mintkeep/internal/config"
	"mintkeep/internal/doctor"
	"mintkeep/internal/instance"
)

func doctorVerb(f *flag.FlagSet) action {
	restored := f.Bool("restored", false, "the database was just put back from a copy: make it safe to serve, and name what it cannot know")
	return func(c *Command) error {
		if *restored {
			return doctorRestored(c)
		}
		return runDoctor(c)
	}
}

// runDoctor checks this installation and, given a profile URL, the live site.
func runDoctor(c *Command) error {
	if len(c.args) > 1 {
		return c.usage()
	}
	if c.sites != "" && c.site == "" {
		return c.examineSites()
	}
	ctx, cancel := context.WithTimeout(c.ctx, 2*instance.DoctorTimeout)
	defer cancel()
	findings, err := c.examine(ctx)
	if err != nil {
		return err
	}
	if err := show(c, findings); err != nil {
		return err
	}
	if doctor.Failed(findings) {
		return errors.New("doctor: a check failed")
	}
	return nil
}

func show(c *Command, findings []doctor.Finding) error {
	if c.json {
		return c.printJSON(findings)
	}
	return doctor.Print(c.Stdout, findings, c.colours())
}

// examine runs the checks; a configuration that cannot be read is a finding.
func (c *Command) examine(ctx context.Context) ([]doctor.Finding, error) {
	for _, profile := range c.args {
		if u, err := url.Parse(profile); err != nil || config.CheckURL(profile) != nil || u.User != nil {
			return nil, c.usageErrorf("%s is not a full http or https URL", profile)
		}
	}
	conf, err := c.config()
	if usage := usageError(""); errors.As(err, &usage) {
		return nil, err
	}
	if err != nil {
		return append(doctor.NewScript(c.file).Findings(), doctor.Faults(err)...), nil
	}
	return c.examineAt(ctx, conf, strings.Join(c.args, "")), nil
}

// examineAt checks one installation, with the live site of a profile if one is given.
func (c *Command) examineAt(ctx context.Context, conf *config.Config, profile string) []doctor.Finding {
	s, done, err := c.Doctor(conf)
	if err != nil {
		return doctor.Faults(err)
	}
	defer done()
	s.Script = doctor.NewScript(conf.File)
	return append(s.Inside(ctx), s.Outside(ctx, profile)...)
}
