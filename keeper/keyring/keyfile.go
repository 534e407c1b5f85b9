package keyring

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mintkeep/internal/secret"
	"mintkeep/internal/store"
	"mintkeep/keeper/internal/fault"
)

// Source is where the sealing keys come from.
type Source struct {
	// Value is the content of MINTKEEP_KEY: 32 bytes in base64url, padded or
	// not (a Fernet key has the same form). It takes precedence over the file.
	// Several keys are separated by white space; the first is the one to rotate to.
	Value secret.Secret
	// Path is the key file: one key a line, comments after #, the current key first.
	Path string
}

// String names the source without its secret.
func (s Source) String() string {
	if s.Value != "" {
		return "MINTKEEP_KEY"
	}
	return "key file " + s.Path
}

// GoString names the source without its secret.
func (s Source) GoString() string { return s.String() }

// Exists reports whether there is a key at all.
func (s Source) Exists() bool {
	if s.Value != "" {
		return true
	}
	_, err := os.Stat(s.Path)
	return s.Path != "" && err == nil
}

// Load reads the keys. It fails with ErrKey if there is none, or if other users
// could read the file.
func (s Source) Load() (*Keyring, error) {
	keys, err := s.read()
	return &Keyring{s, keys}, err
}

func (s Source) read() ([]Key, error) {
	if s.Value != "" {
		return parseKeys(string(s.Value), s)
	}
	fail := func(why string, hint string, err error) error {
		return &fault.Fault{Kind: fault.ErrKey, What: "reading the " + s.String() + why, Hint: hint, Err: err}
	}
	f, err := os.Open(s.Path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fail("", fmt.Sprintf("it must belong to user %d, who runs this", os.Geteuid()), err)
	}
	if err != nil {
		return nil, fail("", "put it back from your backup; where nothing was kept before, `mintkeep key new` makes one", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fail("", "", err)
	}
	if store.Modes && info.Mode().Perm()&0o066 != 0 {
		return nil, fail(fmt.Sprintf(": others may read or write it (mode %04o)", info.Mode().Perm()), "chmod 600 "+s.Path, nil)
	}
	if info.Size() > 1<<16 {
		return nil, fail(": too large for a key file", "", nil)
	}
	data := make([]byte, info.Size())
	if _, err := f.ReadAt(data, 0); err != nil {
		return nil, fail("", "", err)
	}
	return parseKeys(string(data), s)
}

func parseKeys(text string, s Source) ([]Key, error) {
	keys := []Key{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for _, word := range strings.Fields(line) {
			raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(word, "="))
			if err != nil {
				return nil, &fault.Fault{Kind: fault.ErrKey, What: "reading the " + s.String() + ": not base64url",
					Hint: "a key is 32 bytes in base64url, 43 or 44 characters"}
			}
			k, err := newKey(raw)
			if err != nil {
				return nil, &fault.Fault{Kind: fault.ErrKey, What: "reading the " + s.String(), Err: err}
			}
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, &fault.Fault{Kind: fault.ErrKey, What: "reading the " + s.String() + ": it holds no key",
			Hint: "restore it from your backup"}
	}
	return keys, nil
}

// NewFile makes a key file with one new key, readable by its owner alone. If
// there is a file already, it stays as it is and the error is ErrExists.
func NewFile(path string) error {
	k, err := randomKey()
	if err != nil {
		return err
	}
	temp, err := writeTemporary(path, []Key{k})
	if err != nil {
		return fmt.Errorf("making a key file: %w", err)
	}
	// A link appears whole or not at all, and never over another file.
	err = os.Link(temp, path)
	if err != nil && !errors.Is(err, fs.ErrExist) { // a file system without links
		err = createFile(path, []Key{k})
	}
	_ = os.Remove(temp)
	if errors.Is(err, fs.ErrExist) {
		return &fault.Fault{Kind: fault.ErrExists, What: "making a key file: " + path + " is already there",
			Hint: "`mintkeep key rotate` changes the key"}
	}
	if err != nil {
		return fmt.Errorf("making a key file: %w", err)
	}
	return store.SyncFolder(filepath.Dir(path))
}

// replaceFile puts the keys in place of the file's content. The file is always
// whole, the old one or the new one, also after a power failure.
func replaceFile(path string, keys []Key) error {
	temp, err := writeTemporary(path, keys)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		_ = os.Remove(temp)
		return err
	}
	return store.SyncFolder(filepath.Dir(path))
}

func writeTemporary(path string, keys []Key) (temp string, err error) {
	temp = fmt.Sprintf("%s.new-%s", path, rand.Text())
	return temp, createFile(temp, keys)
}

func createFile(path string, keys []Key) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	text := "# mintkeep sealing key. Keep a copy apart from the database; without it the kept tokens are lost.\n"
	for _, k := range keys {
		text += base64.RawURLEncoding.EncodeToString(k.raw[:]) + "\n"
	}
	store.GiveToOwner(f)
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
