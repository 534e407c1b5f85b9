package owner

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mintkeep/internal/config"
	"mintkeep/internal/page"
	"mintkeep/internal/store"
)

// freshSignIn is how long after signing in somebody may change settings.
const freshSignIn = 10 * time.Minute

type settingsPage struct {
	common
	Notice, Fault          string
	Refused                string // what is wrong with sign-in pages that are not asked
	Fresh                  bool   // the person may change something
	SignInURL              string // where they sign in again
	File                   string // name of the configuration file
	Lifetimes, Apps, Lists []settingField
}

// A settingField is a setting as it stands on the page.
type settingField struct {
	config.Setting
	Hint, Value, Fault string
	All                []config.Value
}

// settings is GET BASE/owner/settings.
func (p *Pages) settings(q *request) (*reply, error) {
	return settingsReply(p, q, nil)
}

// settingsReply is the page; faults are what is wrong with the values that were sent.
func settingsReply(p *Pages, q *request, faults map[string]string) (*reply, error) {
	rows, err := config.ReadRows(q.ctx(), p.In.Grants.DB)
	if err != nil {
		return nil, err
	}
	v := settingsPage{common: newCommon(p, q), Fresh: isFresh(q), File: cmp.Or(p.Config.File, "the configuration file"),
		SignInURL: signInAgain(p, q)}
	if q.st.Refused != nil {
		v.Refused = strings.ReplaceAll(q.st.Refused.Error(), "\n", "; ")
	}
	if q.form["done"] != "" {
		v.Notice = "It applies at once, also to access that exists already."
	}
	for _, s := range p.Table.Rows() {
		f := settingField{Setting: s, Hint: plain(s.Meaning), Fault: faults[s.Name]}
		f.DefaultNote = strings.ReplaceAll(s.DefaultNote, "`", "")
		f.All = s.Values(rows, p.Config)
		f.Value = f.All[0].Text
		if f.Fault != "" {
			f.Value = q.form[s.Name]
			v.Fault = f.Fault
		}
		list := &v.Lifetimes
		switch {
		case s.Many:
			list = &v.Lists
		case s.Options != nil:
			list = &v.Apps
		}
		*list = append(*list, f)
	}
	v.Fault = cmp.Or(faults[""], v.Fault)
	d := p.newPage(q, "settings", "Settings", "settings.html", v)
	d.Lead = "A change applies at once, also to access that exists already."
	rep := &reply{page: d}
	if v.Fault != "" {
		rep.status, d.Title = http.StatusBadRequest, "Not saved: Settings"
	}
	return rep, nil
}

// plain is a meaning as a sentence without marks.
func plain(meaning string) string {
	return strings.TrimSuffix(sentence(strings.ReplaceAll(meaning, "`", "")), ".") + "."
}

// isFresh reports whether the person has signed in lately: a browser that was left
// open somewhere must not be enough.
func isFresh(q *request) bool { return q.now.Sub(q.session.Created) < freshSignIn }

func signInAgain(p *Pages, q *request) string {
	return p.url("signin") + "?" + url.Values{"me": {q.session.Me}, "to": {"settings"}}.Encode()
}

// staleReply leads to signing in again.
func staleReply(p *Pages, q *request) *reply {
	d := p.newPage(q, "settings", "Sign in again", "message.html", message{
		Paragraphs: []string{"This needs a sign-in of the last 10 minutes, so that a browser that was left open is not enough. Nothing was changed."},
		Link:       page.Link{URL: signInAgain(p, q), Text: "Sign in again"}})
	d.Column = true
	return &reply{status: http.StatusForbidden, page: d}
}

// changeSettings is POST BASE/owner/settings: all settings of one value, or one value
// more or less of a setting that may have several.
func (p *Pages) changeSettings(q *request) (*reply, error) {
	if !isFresh(q) {
		return staleReply(p, q), nil
	}
	faults := make(map[string]string)
	err := store.Write(q.ctx(), p.In.Grants.DB, func(tx *sql.Tx) error {
		before, err := config.ReadRows(q.ctx(), tx)
		if err != nil {
			return err
		}
		switch q.form["do"] {
		case "save":
			for _, s := range p.Table.Rows() {
				if value, sent := q.form[s.Name]; sent && !s.Many {
					err = errors.Join(err, noteFault(faults, s.Name, saveOne(q, tx, s, before, value)))
				}
			}
		case "add", "remove":
			err = noteFault(faults, q.form["name"], changeList(p, q, tx))
		default:
			err = badRequest("it does not say what to do")
		}
		if err != nil || len(faults) > 0 {
			return cmp.Or(err, errNotSaved)
		}
		return noteFault(faults, "", keepAdmin(p, q, tx))
	})
	if len(faults) > 0 {
		return settingsReply(p, q, faults)
	}
	if err != nil {
		return nil, err
	}
	return &reply{to: p.url("settings") + "?done=yes"}, nil
}

// errNotSaved undoes what was written before a value was found wrong.
var errNotSaved = errors.New("not saved")

// noteFault keeps what is wrong with a value for the page, and returns any other error.
func noteFault(faults map[string]string, name string, err error) error {
	if wrong := new(config.ValueError); errors.As(err, &wrong) {
		faults[name] = sentence(wrong.Err.Error()) + "."
		return errNotSaved
	}
	return err
}

// saveOne writes a setting of one value; its default needs no row.
func saveOne(q *request, tx *sql.Tx, s config.Setting, rows []config.Row, value string) error {
	old := s.Values(rows, &config.Config{})[0].Text
	if value == old {
		return nil
	}
	if _, err := s.Stored(value); err != nil {
		return &config.ValueError{Name: s.Name, Err: err}
	}
	if err := s.Unset(q.ctx(), tx); err != nil {
		return err
	}
	if value != s.Default {
		if err := s.Add(q.ctx(), tx, value); err != nil {
			return err
		}
	}
	return recordChange(q, tx, fmt.Sprintf("%s: %s, before %s", s.Name, value, old))
}

// maxValues is how many values a setting may have.
const maxValues = 50

// changeList adds a value to a setting that may have several, or removes one.
func changeList(p *Pages, q *request, tx *sql.Tx) error {
	s, ok := p.Table.Rows().Find(q.form["name"])
	value := q.form["value"]
	if !ok || !s.Many || value == "" || len(value) > 2048 {
		return badRequest("there is no such setting, or no value")
	}
	if q.form["do"] == "remove" {
		if err := s.Remove(q.ctx(), tx, value); err != nil {
			return &config.ValueError{Name: s.Name, Err: err}
		}
		return recordChange(q, tx, s.Name+": without "+value)
	}
	var n int
	if _, err := store.Row(q.ctx(), tx, "counting settings", `SELECT count(*) FROM settings WHERE setting_name = ?`, []any{s.Name}, &n); err != nil {
		return err
	}
	if n >= maxValues {
		return &config.ValueError{Name: s.Name, Err: fmt.Errorf("there are %d already", n)}
	}
	if s.Name == "endpoint" {
		if err := p.Config.CheckEndpoint(value, len(q.st.Me) > 0); err != nil {
			said, _, _ := strings.Cut(err.Error(), "\nhint: ")
			return &config.ValueError{Name: s.Name, Err: errors.New(said)}
		}
	}
	if err := s.Add(q.ctx(), tx, value); err != nil {
		return err
	}
	return recordChange(q, tx, s.Name+": also "+value)
}

func recordChange(q *request, tx *sql.Tx, detail string) error {
	return store.Record(q.ctx(), tx, store.Event{At: q.now, Kind: "setting", Me: q.session.Me, Detail: detail})
}

// keepAdmin looks at what was written before it is committed: the person must still
// see these pages and have somewhere to sign in. Who was the administrator as the only
// profile becomes one by name when there is a second.
func keepAdmin(p *Pages, q *request, tx *sql.Tx) error {
	for try := range 2 {
		rows, err := config.ReadRows(q.ctx(), tx)
		if err != nil {
			return err
		}
		st, err := p.Parse(rows)
		switch {
		case err != nil:
			return &config.ValueError{Err: err}
		case len(st.Endpoints) == 0:
			return &config.ValueError{Err: errors.New("then nobody could sign in: add the other sign-in page first")}
		case slices.Contains(st.Admins, q.session.Me):
			return nil
		case try > 0 || len(st.Admins) > 0:
			return &config.ValueError{Err: errors.New("then you would not see these pages any more: you have to stay an administrator")}
		}
		s, _ := p.Table.Rows().Find("admin")
		if err := s.Add(q.ctx(), tx, q.session.Me); err != nil {
			return err
		}
	}
	return nil
}

// FileName is what people call the configuration file.
func (v settingsPage) FileName() string { return filepath.Base(v.File) }
