package keeper

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// KeySource is where the sealing keys come from.
type KeySource struct {
	// Value is the content of MINTKEEP_KEY: 32 bytes in base64url, padded or
	// not (a Fernet key has the same form). It beats the file. Several keys are
	// separated by white space; the first is the one to rotate to.
	Value Secret
	// Path is the key file: one key in a line, `#` comments, the current key first.
	Path string
}

// String names the source without its secret.
func (s KeySource) String() string {
	if s.Value != "" {
		return "MINTKEEP_KEY"
	}
	return "key file " + s.Path
}

// GoString hides the value.
func (s KeySource) GoString() string { return s.String() }

// Exists reports whether there is a key at all.
func (s KeySource) Exists() bool {
	if s.Value != "" {
		return true
	}
	_, err := os.Stat(s.Path)
	return s.Path != "" && err == nil
}

func (s KeySource) load() ([]key, error) {
	if s.Value != "" {
		return parseKeys(string(s.Value), s)
	}
	fault := func(why string, hint string, err error) error {
		return &Fault{Kind: ErrKey, What: "reading the " + s.String() + why, Hint: hint, Err: err}
	}
	f, err := os.Open(s.Path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fault("", fmt.Sprintf("it must belong to user %d, who runs this", os.Geteuid()), err)
	}
	if err != nil {
		return nil, fault("", "put it back from your backup; where nothing was kept before, `mintkeep key new` makes one", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fault("", "", err)
	}
	if info.Mode().Perm()&0o066 != 0 {
		return nil, fault(fmt.Sprintf(": others may read or write it (mode %04o)", info.Mode().Perm()), "chmod 600 "+s.Path, nil)
	}
	if info.Size() > 1<<16 {
		return nil, fault(": too large for a key file", "", nil)
	}
	data := make([]byte, info.Size())
	if _, err := f.ReadAt(data, 0); err != nil {
		return nil, fault("", "", err)
	}
	return parseKeys(string(data), s)
}

func parseKeys(text string, s KeySource) ([]key, error) {
	keys := []key{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for _, word := range strings.Fields(line) {
			raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(word, "="))
			if err != nil {
				return nil, &Fault{Kind: ErrKey, What: "reading the " + s.String() + ": not base64url",
					Hint: "a key is 32 bytes in base64url, 43 or 44 characters"}
			}
			k, err := newKey(raw)
			if err != nil {
				return nil, &Fault{Kind: ErrKey, What: "reading the " + s.String(), Err: err}
			}
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, &Fault{Kind: ErrKey, What: "reading the " + s.String() + ": it holds no key", Hint: "restore it from your backup"}
	}
	return keys, nil
}

// NewKeyFile makes a key file with one new key, readable by its owner alone. It never replaces one.
func NewKeyFile(path string) error {
	k, err := freshKey()
	if err != nil {
		return err
	}
	temp, err := writeKeys(path, []key{k})
	if err != nil {
		return fmt.Errorf("making a key file: %w", err)
	}
	// A link appears whole or not at all, and never over another file.
	err = os.Link(temp, path)
	if err != nil && !errors.Is(err, fs.ErrExist) { // a file system without links
		err = createKeys(path, []key{k})
	}
	_ = os.Remove(temp)
	if errors.Is(err, fs.ErrExist) {
		return &Fault{Kind: ErrExists, What: "making a key file: " + path + " is already there", Hint: "`mintkeep key rotate` changes the key"}
	}
	if err != nil {
		return fmt.Errorf("making a key file: %w", err)
	}
	return syncFolder(path)
}

// EnsureKey makes the key file of a database that has sealed nothing yet, and
// says whether it did. Where values wait for a lost key, a new one would not help.
func (k *Keeper) EnsureKey(ctx context.Context) (made bool, err error) {
	if k.Keys.Exists() {
		return false, nil
	}
	id, err := k.sealedWith(ctx)
	if err != nil {
		return false, err
	}
	if id != "" {
		return false, noKey(id, k.Keys)
	}
	err = NewKeyFile(k.Keys.Path)
	if errors.Is(err, ErrExists) {
		return false, nil // another process was faster
	}
	return err == nil, err
}

// sealedWith is the id of the key that the database's values are sealed with, "" before the first.
func (k *Keeper) sealedWith(ctx context.Context) (id string, err error) {
	err = k.DB.QueryRowContext(ctx, `SELECT key_id FROM sealing`).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("finding the sealing key: %w", err)
	}
	return id, nil
}

// On reports whether there is an outbound half: a sealing key, or values that
// wait for one. A key that was lost is a fault to tell, not an empty house.
func (k *Keeper) On(ctx context.Context) bool {
	if k.Keys.Exists() {
		return true
	}
	id, err := k.sealedWith(ctx)
	return id != "" || err != nil
}

// CheckKey reports why the kept values cannot be opened, as ErrKey; nil if they
// can, or if there are none.
func (k *Keeper) CheckKey(ctx context.Context) error {
	id, err := k.sealedWith(ctx)
	if err != nil || id == "" && !k.Keys.Exists() {
		return err
	}
	r, err := k.ring()
	if err == nil && id != "" {
		_, err = r.find(id)
	}
	return err
}

func noKey(id string, s KeySource) error {
	return &Fault{Kind: ErrKey, What: fmt.Sprintf("sealing key %s is not in %s", id, s),
		Hint: "put back the key file (or MINTKEEP_KEY) that belongs to this database"}
}

func freshKey() (key, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return key{}, err
	}
	return newKey(raw)
}

// replaceKeys puts the keys in place of the file's content: the file is always
// whole, the old one or the new one, also after a power failure.
func replaceKeys(path string, keys []key) error {
	temp, err := writeKeys(path, keys)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		_ = os.Remove(temp)
		return err
	}
	return syncFolder(path)
}

func writeKeys(path string, keys []key) (temp string, err error) {
	temp = fmt.Sprintf("%s.new-%s", path, rand.Text())
	return temp, createKeys(temp, keys)
}

func createKeys(path string, keys []key) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	text := "# mintkeep sealing key. Keep a copy apart from the database; without it the kept tokens are lost.\n"
	for _, k := range keys {
		text += base64.RawURLEncoding.EncodeToString(k.raw[:]) + "\n"
	}
	GiveToOwner(f)
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// GiveToOwner gives a file that root makes to whom its folder belongs, as SQLite
// does with its journals: a service of that user is to open it.
func GiveToOwner(f *os.File) {
	folder, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil || os.Geteuid() != 0 {
		return
	}
	if owner, ok := folder.Sys().(*syscall.Stat_t); ok {
		_ = f.Chown(int(owner.Uid), int(owner.Gid)) // else who cannot open it is told so
	}
}

func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}
