#!/bin/sh
# Builds the release: static programs, their SHA-256, the notices, and a list of what
# each contains. Two builds of one version are the same, wherever and whenever they
# are made.
#
#	deploy/build.sh [FOLDER [amd64|arm64|386|windows|deb …]]
#	deploy/build.sh deb                                   the Debian package of amd64, in dist
#
# FOLDER is dist if not given, and the programs are the three for Linux. windows is the one for
# 64-bit Windows; deb packs the amd64 of FOLDER.
#
# The version is the text of the file deploy/VERSION, as in every other build.
# SIGNING_KEY=FILE (an SSH key) signs the sums: SHA256SUMS.sig.
# Debian packages: musl-tools, gcc-aarch64-linux-gnu libc6-dev-arm64-cross,
# gcc-i686-linux-gnu libc6-dev-i386-cross (the last of each pair where no musl can be had);
# for windows (amd64) gcc-mingw-w64-x86-64.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
[ "${1:-}" != deb ] || set -- "$here/dist" amd64 deb
out=${1:-$here/dist}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- amd64 arm64 386
mkdir -p "$out"
out=$(cd "$out" && pwd)
case $out in
*[[:space:]]*) echo "build.sh: the compilers take no folder with a space in its path: $out" >&2; exit 2 ;;
esac
cd "$here"

version=$(cat deploy/VERSION)
libcs=

# compiler sets cc and where it builds for, and adds to libcs what C library it links.
compiler() {
	os=linux goarch=$1 end=
	case $1 in
	windows) cc=x86_64-w64-mingw32-gcc libc=mingw goarch=amd64 os=windows end=.exe ;;
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
	CGO_ENABLED=1 GOOS=$os GOARCH=$goarch GOAMD64=v1 GO386=sse2 GOARM64=v8.0 CC=$cc \
	CGO_CFLAGS='-O2 -DSQLITE_DQS=0 -DSQLITE_DEFAULT_MEMSTATUS=0 -DSQLITE_LIKE_DOESNT_MATCH_BLOBS -DSQLITE_OMIT_SHARED_CACHE -DSQLITE_OMIT_DEPRECATED -DSQLITE_ENABLE_MEMSYS5' \
	CGO_LDFLAGS='' GOFLAGS='' go build -trimpath -buildvcs=false \
		-tags 'sqlite_omit_load_extension netgo osusergo nethttpomithttp2' \
		-ldflags "-s -w -buildid= -linkmode external -extldflags '-static'" \
		-o "$out/mintkeep-$os-$goarch$end" .
	go version -m "$out/mintkeep-$os-$goarch$end" | sed '1s/.*: /mintkeep: /' >"$out/mintkeep-$os-$goarch.contents.txt"
done
deploy/notices.sh $libcs >"$out/NOTICES.txt"
[ -z "$deb" ] || deploy/deb.sh "$version" "$out"

cd "$out"
programs='mintkeep-linux-amd64 mintkeep-linux-arm64 mintkeep-linux-386 mintkeep-windows-amd64.exe'
sha256sum $programs mintkeep_*.deb 2>/dev/null >SHA256SUMS || true
if [ -n "${SIGNING_KEY:-}" ]; then
	rm -f SHA256SUMS.sig
	ssh-keygen -q -Y sign -n mintkeep -f "$SIGNING_KEY" SHA256SUMS
fi
wc -c $programs 2>/dev/null | grep -v total
