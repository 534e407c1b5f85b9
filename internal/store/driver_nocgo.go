//go:build !cgo

package store

import (
	"context"
	"database/sql/driver"
	"errors"

	_ "github.com/mattn/go-sqlite3" // its name in database/sql, which refuses as well
)

// errNoCgo is what every use of the database gives in a program that was built
// without cgo: SQLite is written in C.
var errNoCgo = errors.New("this program was built without SQLite\nhint: build it with CGO_ENABLED=1 and a C compiler, or take one from a release")

// A busyConnector refuses to connect.
type busyConnector struct{ dsn string }

// Connect fails.
func (*busyConnector) Connect(context.Context) (driver.Conn, error) { return nil, errNoCgo }

// Driver is never asked.
func (*busyConnector) Driver() driver.Driver { return nil }

// isTransientCode knows no error: there is no SQLite.
func isTransientCode(error) (transient, ok bool) { return false, false }

// SQLiteVersion says that there is none.
func SQLiteVersion() string { return "none: built without cgo" }
