package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// SchemaVersion is the user_version of a database that is up to date. It is the
// number of steps, and schema.sql sets it.
const SchemaVersion = 3

// A step brings a database from one user_version to the next, in the transaction
// of the upgrade. What schema.sql makes with IF NOT EXISTS needs no step; a step
// changes tables that are there.
type step func(*Tx, Options)

// steps begin with the one that leads from version 0, which is php-mintoken's.
func steps() []step { return []step{adoptMintoken, dropPassing, addResource} }

// upgrade brings the schema to this program's version in one transaction. Many
// processes may find an old file at once: who comes second finds it done. A file
// without tables is only filled if mayBeEmpty is set.
func upgrade(ctx context.Context, db *sql.DB, o Options, mayBeEmpty bool) error {
	if version, err := userVersion(ctx, db); err != nil || version == SchemaVersion {
		return err
	}
	return Transact(ctx, db, func(tx *Tx) {
		version, tables := 0, 0
		tx.Row("upgrading", `PRAGMA user_version`, nil, &version)
		tx.Row("upgrading", `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`, nil, &tables)
		switch {
		case version == SchemaVersion:
			return
		case version > SchemaVersion:
			tx.Fail(fmt.Errorf("the database was made by a newer mintkeep (schema %d, this one knows %d)\nhint: upload the newer program, or put back the copy made before it (docs/versions.md); this one leaves the file as it is", version, SchemaVersion))
		case tables == 0 && !mayBeEmpty:
			tx.Fail(errors.New("upgrading: the file is empty\nhint: upload the copy again, if this is one, under another name, and rename it; or remove the file to begin anew"))
		case tables > 0:
			for _, step := range steps()[max(version, 0):] {
				step(tx, o)
			}
		}
		tx.Exec("upgrading", o.Schema)
	})
}

func userVersion(ctx context.Context, db Querier) (v int, err error) {
	_, err = Row(ctx, db, "reading the schema version", `PRAGMA user_version`, nil, &v)
	return v, err
}

// adoptMintoken gives php-mintoken's table the columns that ours has in addition
// (its first versions had no last_use either) and writes the `me` of its tokens as
// ours are: it stored what the endpoint said as it was. It refuses a file with other
// people's tables.
func adoptMintoken(tx *Tx, o Options) {
	const doing = "upgrading"
	mintoken := 0
	tx.Row(doing, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('tokens', 'settings')`, nil, &mintoken)
	if mintoken != 2 {
		tx.Fail(errors.New("upgrading: this is not a database of mintkeep or php-mintoken\nhint: check the path in the line `database:`"))
		return
	}
	addColumns(tx, "tokens", "last_use TIMESTAMP", "grant_id INTEGER", "last_server TEXT")
	text := func(scan func(...any) error) (s string, err error) {
		err = scan(&s)
		return s, err
	}
	owners, err := List(tx.Context(), tx, doing, text, `SELECT DISTINCT auth_me FROM tokens`)
	tx.Fail(err)
	for _, me := range owners {
		if same, err := o.CanonicalURL(me); err == nil && same != me {
			tx.Exec(doing, `UPDATE tokens SET auth_me = ? WHERE auth_me = ?`, same, me)
		}
	}
	n, err := OverdueMintokens(tx.Context(), tx, o.Now)
	tx.Fail(err)
	tx.Exec(doing, o.Schema) // there may be no table of events yet
	tx.Record(Event{At: o.Now, Kind: "upgraded",
		Detail: fmt.Sprintf("a database of php-mintoken; %d of its tokens are past their date, current PHP still accepted them", n)})
}

// dropPassing makes room for tables of what lasts minutes, which have more columns now.
func dropPassing(tx *Tx, _ Options) {
	tx.Exec("upgrading", `DROP TABLE IF EXISTS authorizations`)
	tx.Exec("upgrading", `DROP TABLE IF EXISTS refusals`)
}

// addResource adds the resource of a grant, the life of a kept token, what deletes a
// provider's registration, and a third auth_style of providers: that table is made anew, since SQLite changes no CHECK.
func addResource(tx *Tx, o Options) {
	const text = " TEXT NOT NULL DEFAULT ''"
	addColumns(tx, "grants", "resource"+text)
	addColumns(tx, "authorizations", "resource"+text)
	addColumns(tx, "resource_servers", "resource"+text, "scope"+text)
	addColumns(tx, "providers", "registration TEXT")
	addColumns(tx, "connections", "lifetime INTEGER NOT NULL DEFAULT 0")
	there := false
	tx.Row("upgrading", `SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = 'providers'`, nil, &there)
	if there {
		tx.Exec("upgrading", `ALTER TABLE providers RENAME TO providers_before`)
		tx.Exec("upgrading", o.Schema)
		tx.Exec("upgrading", `INSERT INTO providers SELECT * FROM providers_before`)
		tx.Exec("upgrading", `DROP TABLE providers_before`)
	}
}

// addColumns adds those that a table lacks. A table that is not there yet is made
// by schema.sql, with all of them.
func addColumns(tx *Tx, table string, columns ...string) {
	for _, column := range columns {
		name, _, _ := strings.Cut(column, " ")
		lacks := false
		tx.Row("upgrading", `SELECT count(*) > 0 AND sum(name = ?) = 0 FROM pragma_table_info(?)`, []any{name, table}, &lacks)
		if lacks {
			tx.Exec("upgrading", `ALTER TABLE `+table+` ADD COLUMN `+column)
		}
	}
}

// OverdueMintokens counts the tokens of php-mintoken that are past their date:
// current PHP accepts them all the same.
func OverdueMintokens(ctx context.Context, db Querier, now time.Time) (n int, err error) {
	_, err = Row(ctx, db, "counting old tokens",
		`SELECT count(*) FROM tokens WHERE token_hash LIKE '$2_$%' AND revoked <= ?`, []any{Time(now)}, &n)
	return n, err
}
