package command

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mintkeep/internal/config"
	"mintkeep/keeper"
)

func userFlag(f *flag.FlagSet, user *string) {
	f.StringVar(user, "user", "", "whose connection; `owner` by default")
}

func orOwner(user string) string { return cmp.Or(user, keeper.DefaultUser) }

// seconds reads the value of a flag: a number of seconds, or a duration.
func seconds(flag, value string) (time.Duration, error) {
	v := value
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		v = strconv.Itoa(n) + "s"
	}
	if v == "0s" {
		return 0, nil
	}
	d, err := config.ParseDuration(v)
	if err != nil || d == 0 {
		return 0, usageError(fmt.Sprintf("-%s: %q is neither seconds nor a duration like 20m", flag, value))
	}
	return d, nil
}

// getFlags say which token is printed, and how.
type getFlags struct {
	user, format, username, issuer, clientID, scope string
	orConnect                                       bool
}

func getVerb(f *flag.FlagSet) action {
	o := new(getFlags)
	userFlag(f, &o.user)
	minTTL := f.String("min-ttl", "300", "refresh if the token has less than this left: `seconds`, or 5m")
	f.StringVar(&o.format, "format", "token", "`how`: token, header (Authorization: …), json, env (for eval) or xoauth2 (for mail)")
	f.BoolVar(&o.orConnect, "or-connect", false, "connect first if there is no connection of that name, or it is dead")
	f.StringVar(&o.username, "username", "", "with -format xoauth2: the mail `address`")
	f.StringVar(&o.issuer, "issuer", "", "instead of a name: the issuer's `URL`, or the provider's name")
	f.StringVar(&o.clientID, "client-id", "", "with -issuer: the client's `id` there")
	f.StringVar(&o.scope, "scope", "", "with -issuer: the scope asked for or granted, `words`; without it the only connection is meant")
	return func(c *Command) error {
		ttl, err := seconds("min-ttl", *minTTL)
		if err != nil {
			return err
		}
		if (len(c.args) == 1) == (o.issuer != "") || len(c.args) > 1 || (o.issuer == "") != (o.clientID == "") {
			return c.usage()
		}
		switch {
		case o.issuer == "" && c.given("scope"):
			return c.usageErrorf("-scope goes with -issuer")
		case o.issuer != "" && o.orConnect:
			return c.usageErrorf("-or-connect goes with a name")
		case o.format != "xoauth2" && o.username != "":
			return c.usageErrorf("-username goes with -format xoauth2")
		}
		write, known := o.formats()[o.format]
		if !known {
			return c.usageErrorf("-format is token, header, json, env or xoauth2")
		}
		return c.withKeeper(func(k *keeper.Keeper) error {
			user, name, err := o.find(c, k)
			if err != nil {
				return err
			}
			t, err := k.Token(c.ctx, user, name, ttl)
			if o.orConnect && (errors.Is(err, keeper.ErrUnknown) || errors.Is(err, keeper.ErrReauthorize)) {
				if t, err = o.connect(c, k, name, ttl); err != nil {
					return err
				}
			}
			if err != nil {
				return err
			}
			text, err := write(t)
			return c.println(text, err)
		})
	}
}

// find is the connection that is meant: by its name, or by issuer, client and scope.
func (o *getFlags) find(c *Command, k *keeper.Keeper) (user, name string, err error) {
	if o.issuer == "" {
		return orOwner(o.user), c.args[0], nil
	}
	scopes := []string{o.scope}
	if !c.given("scope") {
		scopes = nil
	}
	found, err := k.FindOf(c.ctx, orOwner(o.user), o.clientID, o.issuer, scopes...)
	return found.User, found.Name, err
}

// connect obtains the first token as the verb connect does: again from its
// provider if the connection is there, else from the provider of that name.
func (o *getFlags) connect(c *Command, k *keeper.Keeper, name string, ttl time.Duration) (t keeper.Token, err error) {
	from := connectFlags{user: orOwner(o.user), as: name}
	c.args = []string{name}
	if dead, err := k.Connection(c.ctx, from.user, name); err == nil {
		c.args, from.fields.Scope = []string{dead.Provider}, cmp.Or(dead.Requested, dead.Scope)
		if dead.Grant != keeper.GrantImported {
			from.grant = dead.Grant
		}
	}
	if err := from.connect(c, k); err != nil {
		return t, err
	}
	return k.Token(c.ctx, from.user, name, ttl)
}

// formats are the ways to print a token. An error says why this one cannot be.
func (o *getFlags) formats() map[string]func(keeper.Token) (string, error) {
	return map[string]func(keeper.Token) (string, error){
		"token":  func(t keeper.Token) (string, error) { return string(t.AccessToken), nil },
		"header": func(t keeper.Token) (string, error) { return "Authorization: " + authorization(t), nil },
		"env": func(t keeper.Token) (string, error) {
			return "export ACCESS_TOKEN='" + strings.ReplaceAll(string(t.AccessToken), "'", `'\''`) + "'", nil
		},
		"json": func(t keeper.Token) (string, error) {
			m := map[string]any{"access_token": string(t.AccessToken), "token_type": t.TokenType}
			if !t.Expires.IsZero() {
				m["expires_at"] = t.Expires.UTC().Format(time.RFC3339)
			}
			b, err := json.Marshal(m)
			return string(b), err
		},
		// https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
		"xoauth2": func(t keeper.Token) (string, error) {
			if o.username == "" {
				return "", usageError("get: xoauth2 needs the mail address\nhint: -username you@example.com")
			}
			return base64.StdEncoding.EncodeToString([]byte("user=" + o.username + "\x01auth=" + authorization(t) + "\x01\x01")), nil
		},
	}
}

// authorization is the value of the header by which the token is used.
func authorization(t keeper.Token) string {
	return t.TokenType + " " + string(t.AccessToken)
}
