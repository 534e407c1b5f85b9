#!/bin/sh
# Prints the licences of everything that the programs contain: the Go modules, Go
# itself, SQLite, and the C library that is linked.
#
#	deploy/notices.sh musl|glibc|mingw … >NOTICES.txt
set -eu
cd "$(dirname "$0")/.."
title() { printf '\n%s\n%s\n\n' "$1" "$(printf '%s' "$1" | sed 's/./=/g')"; }

echo "mintkeep is free to use for anything (0BSD). Its programs contain the following."
title "Go, https://go.dev/"
cat "$(go env GOROOT)/LICENSE"
for os in linux windows; do
	CGO_ENABLED=1 GOOS=$os go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' .
done | sort -u |
	while read -r path version dir; do
		[ -n "$path" ] || continue
		title "$path $version"
		found=
		for file in "$dir"/LICENSE* "$dir"/LICENCE* "$dir"/COPYING* "$dir"/NOTICE*; do
			[ ! -f "$file" ] || { cat "$file"; found=yes; }
		done
		[ "$found" ] || { echo "notices.sh: $path has no licence file" >&2; exit 1; }
	done
title "SQLite, https://sqlite.org/"
echo "SQLite is in the public domain."
for libc; do
	case $libc in
	musl)
		title "musl, https://musl.libc.org/ (linked into the static programs)"
		cat /usr/share/doc/musl-dev/copyright
		;;
	mingw)
		title "mingw-w64, https://www.mingw-w64.org/ (linked into the program for Windows)"
		cat /usr/share/doc/mingw-w64-common/copyright
		;;
	glibc)
		title "GNU C Library, https://sourceware.org/glibc/ (linked into programs for which no musl could be had)"
		echo "It is under the GNU Lesser General Public License 2.1 or later; its source is Debian's package glibc."
		echo "To link the program with another version of it, build it anew: its whole source is at hand, and"
		echo "deploy/build.sh does it."
		;;
	esac
done
