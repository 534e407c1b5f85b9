#!/bin/sh
# Builds the release: static programs for linux/amd64, linux/arm64 and linux/386,
# and their SHA-256. Two builds of one version are the same, wherever they are made.
#
#	deploy/build.sh [FOLDER [amd64|arm64|386 …]]      FOLDER is dist if not given
#
# The version is the text of the file VERSION, else what git calls this commit.
# Debian packages: musl-tools, gcc-aarch64-linux-gnu libc6-dev-arm64-cross,
# gcc-i686-linux-gnu libc6-dev-i386-cross.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$here/dist}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- amd64 arm64 386
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$here"

version=$(cat VERSION 2>/dev/null || git describe --tags --always --dirty 2>/dev/null || echo unknown)

for arch; do
	case $arch in
	amd64) cc=musl-gcc ;;
	arm64) cc=aarch64-linux-gnu-gcc ;;
	386) cc=i686-linux-gnu-gcc ;;
	*) echo "build.sh: there is no recipe for $arch" >&2; exit 2 ;;
	esac
	CGO_ENABLED=1 GOOS=linux GOARCH=$arch GOAMD64=v1 GO386=sse2 GOARM64=v8.0 CC=$cc \
	CGO_CFLAGS='-O2 -DSQLITE_DQS=0 -DSQLITE_DEFAULT_MEMSTATUS=0 -DSQLITE_LIKE_DOESNT_MATCH_BLOBS' \
	CGO_LDFLAGS='' GOFLAGS='' go build -trimpath -buildvcs=false \
		-tags 'sqlite_omit_load_extension netgo osusergo nethttpomithttp2' \
		-ldflags "-s -w -linkmode external -extldflags '-static' -X main.version=$version" \
		-o "$out/mintkeep-linux-$arch" .
done

cd "$out"
sha256sum mintkeep-linux-* >SHA256SUMS
wc -c mintkeep-linux-* | grep -v total
