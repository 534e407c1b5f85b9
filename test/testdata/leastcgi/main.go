// Leastcgi is the least Go CGI program that does what a verification does: it
// opens the database through database/sql, reads one row by key and answers
// JSON. The benchmarks hold mintkeep against it.
package main

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/cgi"
	"os"
	"strings"

	_ "github.com/mattn/go-sqlite3"
)

func main() {
	db, err := sql.Open("sqlite3", "file:"+os.Getenv("LEAST_DATABASE"))
	if err != nil {
		os.Exit(1)
	}
	cgi.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))
		var me, client, scope string
		err := db.QueryRow(`SELECT auth_me, auth_client_id, auth_scope FROM tokens WHERE token_hash = ?`,
			hex.EncodeToString(h[:])).Scan(&me, &client, &scope)
		if err != nil {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"me": me, "client_id": client, "scope": scope})
	}))
}
