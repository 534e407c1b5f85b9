#!/bin/sh
# Fetches Debian's musl for other processors, so that their programs are static
# without glibc, and prints the C compiler to build with.
#
#	deploy/musl.sh arm64|386 FOLDER
#
# The package is checked by apt as any other, with lists of its own in FOLDER: nothing
# is installed. On a machine that is not Debian, or without network, it fails; the
# caller then builds with glibc, and the notices say so.
set -eu
folder=$(mkdir -p "$2" && cd "$2" && pwd)
case $1 in
arm64) debian=arm64 triplet=aarch64-linux-musl gcc=aarch64-linux-gnu-gcc ;;
386) debian=i386 triplet=i386-linux-musl gcc=i686-linux-gnu-gcc ;;
*) echo "musl.sh: there is no recipe for $1" >&2; exit 2 ;;
esac
cc=$folder/$1/$triplet-gcc
if [ ! -x "$cc" ]; then
	cd "$folder"
	mkdir -p "lists-$1/lists/partial" "cache-$1/archives/partial"
	apt="apt-get -qq -o APT::Sandbox::User=root -o APT::Architecture=$debian -o APT::Architectures=$debian
		-o Dir::State=$folder/lists-$1 -o Dir::State::status=/dev/null -o Dir::Cache=$folder/cache-$1"
	$apt update >&2 || true # sources that lack this processor do not matter
	$apt download musl-dev >&2
	dpkg -x musl-dev_*_$debian.deb "$1"
	sed -i "s#/usr/include/$triplet#$folder/$1/usr/include/$triplet#g; s#/usr/lib/$triplet#$folder/$1/usr/lib/$triplet#g" \
		"$1/usr/lib/$triplet/musl-gcc.specs"
	printf '#!/bin/sh\nexec %s "$@" -specs %s\n' "$gcc" "$folder/$1/usr/lib/$triplet/musl-gcc.specs" >"$cc.new"
	chmod 755 "$cc.new"
	mv "$cc.new" "$cc"
fi
echo "$cc"
