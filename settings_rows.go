package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"mintkeep/endpoint"
)

// A settingName is a name that the settings table knows.
type settingName struct {
	name     string
	many     bool
	standard string // what counts without a row
	check    func(string) error
	about    string
}

func settingNames() []settingName {
	return []settingName{
		{"endpoint", true, "", checkURL, "a trusted authorization endpoint"},
		{"me", true, "", checkProfile, "a profile URL that gets tokens; without any, every one that an endpoint confirms"},
		{"admin", true, "", checkProfile, "who sees everything on the owner's pages; the only me, if there is exactly one"},
		{"idle_lifetime", false, "90d", checkDuration, "an access token dies after this long without use"},
		{"max_lifetime", false, "never", checkDuration, "and in any case after this long"},
		{"refresh_lifetime", false, "365d", checkDuration, "a refresh token dies after this long without use"},
		{"introspect_self", false, "on", oneOf("on", "off"), "accept the introspected token as authorization for introspection"},
		{"direct", false, "on", oneOf("on", "off"), "codes of the trusted endpoints redeem directly"},
		{"require_pkce", false, "off", oneOf("on", "off"), "the front refuses requests without a challenge"},
		{"default_format", false, "json", oneOf("json", "form"), "verification answers so when the request names no format"},
	}
}

func findSetting(name string) (settingName, error) {
	var names []string
	for _, s := range settingNames() {
		if s.name == name {
			return s, nil
		}
		names = append(names, s.name)
	}
	return settingName{}, fmt.Errorf("there is no setting %q\nhint: the settings are %s", name, strings.Join(names, ", "))
}

func checkProfile(v string) error {
	_, err := endpoint.CanonicalURL(v)
	return err
}

func checkDuration(v string) error {
	_, err := parseDuration(v)
	return err
}

// parseDuration reads 90s, 15m, 12h, 30d or never, which is 0.
func parseDuration(v string) (time.Duration, error) {
	if v == "never" {
		return 0, nil
	}
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	if v != "" && units[v[len(v)-1]] != 0 {
		unit := units[v[len(v)-1]]
		n, err := strconv.ParseUint(v[:len(v)-1], 10, 31)
		if err == nil && n > 0 && n <= uint64(100*365*24*time.Hour/unit) {
			return time.Duration(n) * unit, nil
		}
	}
	return 0, fmt.Errorf("%q is no duration; write 90s, 15m, 12h, 30d or never", v)
}

// A settingRow is a row of the settings table.
type settingRow struct{ name, value string }

func settingRows(ctx context.Context, db *sql.DB) ([]settingRow, error) {
	rows, err := db.QueryContext(ctx, `SELECT setting_name, setting_value FROM settings ORDER BY rowid`)
	if err != nil {
		return nil, fmt.Errorf("reading the settings: %w", err)
	}
	defer rows.Close()
	var all []settingRow
	for rows.Next() {
		var r settingRow
		if err := rows.Scan(&r.name, &r.value); err != nil {
			return nil, fmt.Errorf("reading the settings: %w", err)
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// settingsColumn is an SQL expression that yields the settings table as text,
// to be read in one statement with something else. parseSettingsText reads it.
const settingsColumn = `coalesce((SELECT group_concat(setting_name || char(31) || setting_value, char(30)) FROM settings), '')`

func parseSettingsText(text string, c *config) (*endpoint.Settings, error) {
	var rows []settingRow
	for row := range strings.SplitSeq(text, "\x1e") {
		if name, value, ok := strings.Cut(row, "\x1f"); ok {
			rows = append(rows, settingRow{name, value})
		}
	}
	return parseSettings(rows, c)
}

// remember keeps the last answer of a function for as long as it is asked the same.
func remember[T any](f func(string) (*T, error)) func(string) (*T, error) {
	type answer struct {
		to    string
		value *T
	}
	var last atomic.Pointer[answer]
	return func(text string) (*T, error) {
		if a := last.Load(); a != nil && a.to == text {
			return a.value, nil
		}
		value, err := f(text)
		if err == nil {
			last.Store(&answer{text, value})
		}
		return value, err
	}
}

func parseSettings(rows []settingRow, c *config) (*endpoint.Settings, error) {
	values := make(map[string][]string)
	for _, r := range rows {
		values[r.name] = append(values[r.name], r.value)
	}
	values["endpoint"] = append(values["endpoint"], c.endpoint...)
	values["me"] = append(values["me"], c.me...)
	var faults []error
	for _, s := range settingNames() {
		if !s.many && len(values[s.name]) > 1 {
			faults = append(faults, fmt.Errorf("the setting %s has %d rows (%s)\nhint: keep one: mintkeep setting %s VALUE",
				s.name, len(values[s.name]), strings.Join(values[s.name], ", "), s.name))
		}
		if !s.many && len(values[s.name]) == 0 {
			values[s.name] = []string{s.standard}
		}
		for _, v := range values[s.name] {
			if err := s.check(v); err != nil {
				faults = append(faults, fmt.Errorf("the setting %s: %w", s.name, err))
			}
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return fillSettings(values), nil
}

func fillSettings(values map[string][]string) *endpoint.Settings {
	duration := func(name string) time.Duration {
		d, _ := parseDuration(values[name][0])
		return d
	}
	on := func(name, word string) bool { return values[name][0] == word }
	st := &endpoint.Settings{
		Endpoints:       slices.Compact(values["endpoint"]),
		Me:              canonical(values["me"]),
		Admins:          canonical(values["admin"]),
		IdleLifetime:    duration("idle_lifetime"),
		MaxLifetime:     duration("max_lifetime"),
		RefreshLifetime: duration("refresh_lifetime"),
		IntrospectSelf:  on("introspect_self", "on"),
		Direct:          on("direct", "on"),
		RequirePKCE:     on("require_pkce", "on"),
		DefaultForm:     on("default_format", "form"),
	}
	if len(st.Admins) == 0 && len(st.Me) == 1 {
		st.Admins = st.Me
	}
	return st
}

func canonical(urls []string) []string {
	var out []string
	for _, u := range urls {
		if c, err := endpoint.CanonicalURL(u); err == nil && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// recordEvent writes an event in the transaction it belongs to.
func recordEvent(ctx context.Context, tx *sql.Tx, e endpoint.Event) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO events (at, event, me, client_id, token_id, address, detail)
		VALUES (?, ?, nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''))`,
		e.At.UTC().Format(time.DateTime), e.Kind, e.Me, e.ClientID, e.TokenID, e.Address, e.Detail)
	return wrap("recording an event", err)
}
