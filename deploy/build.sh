#!/bin/sh
# Builds the release: static programs for linux/amd64, linux/arm64 and linux/386,
# their SHA-256, the notices, and a list of what each contains. Two builds of one
# version are the same, wherever and whenever they are made.
#
#	deploy/build.sh [FOLDER [amd64|arm64|386|deb …]]      FOLDER is dist if not given
#	deploy/build.sh deb                                   the Debian package of amd64, in dist
#
# The version is the text of the file deploy/VERSION, else what git calls this commit.
# SIGNING_KEY=FILE (an SSH key) signs the sums: SHA256SUMS.sig.
# Debian packages: musl-tools, gcc-aarch64-linux-gnu libc6-dev-arm64-cross,
# gcc-i686-linux-gnu libc6-dev-i386-cross (the last of each pair where no musl can be had).
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
[ "${1:-}" != deb ] || set -- "$here/dist" amd64 deb
out=${1:-$here/dist}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- amd64 arm64 386
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$here"

version=$(cat deploy/VERSION 2>/dev/null || git describe --tags --always --dirty 2>/dev/null || echo unknown)
libcs=

# compiler sets cc and adds to libcs what C library it links.
compiler() {
	case $1 in
	amd64) cc=musl-gcc libc=musl ;;
	arm64 | 386)
		if cc=$(deploy/musl.sh "$1" "${MUSL:-$out/.musl}" 2>/dev/null); then
			libc=musl
		else
			echo "build.sh: no musl could be had for $1; its program contains glibc" >&2
			libc=glibc cc=aarch64-linux-gnu-gcc
			[ "$1" = arm64 ] || cc=i686-linux-gnu-gcc
		fi
		;;
	*) echo "build.sh: there is no recipe for $1" >&2; exit 2 ;;
	esac
	case " $libcs " in *" $libc "*) ;; *) libcs="$libcs $libc" ;; esac
}

deb=
for arch; do
	if [ "$arch" = deb ]; then
		deb=yes
		continue
	fi
	compiler "$arch"
	CGO_ENABLED=1 GOOS=linux GOARCH=$arch GOAMD64=v1 GO386=sse2 GOARM64=v8.0 CC=$cc \
	CGO_CFLAGS='-O2 -DSQLITE_DQS=0 -DSQLITE_DEFAULT_MEMSTATUS=0 -DSQLITE_LIKE_DOESNT_MATCH_BLOBS' \
	CGO_LDFLAGS='' GOFLAGS='' go build -trimpath -buildvcs=false \
		-tags 'sqlite_omit_load_extension netgo osusergo nethttpomithttp2' \
		-ldflags "-s -w -buildid= -linkmode external -extldflags '-static' -X main.version=$version" \
		-o "$out/mintkeep-linux-$arch" .
	go version -m "$out/mintkeep-linux-$arch" | sed '1s/.*: /mintkeep: /' >"$out/mintkeep-linux-$arch.contents.txt"
done
deploy/notices.sh $libcs >"$out/NOTICES.txt"
[ -z "$deb" ] || deploy/deb.sh "$version" "$out"

cd "$out"
sha256sum mintkeep-linux-amd64 mintkeep-linux-arm64 mintkeep-linux-386 mintkeep_*.deb 2>/dev/null >SHA256SUMS || true
if [ -n "${SIGNING_KEY:-}" ]; then
	rm -f SHA256SUMS.sig
	ssh-keygen -q -Y sign -n mintkeep -f "$SIGNING_KEY" SHA256SUMS
fi
wc -c mintkeep-linux-amd64 mintkeep-linux-arm64 mintkeep-linux-386 2>/dev/null | grep -v total
