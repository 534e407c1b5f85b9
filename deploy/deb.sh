#!/bin/sh
# Makes the Debian package mintkeep_VERSION_amd64.deb of the program in FOLDER:
# program, units, manual page, completion, an example of the configuration, and
# the files for web servers.
#
#	deploy/deb.sh VERSION FOLDER        (deploy/build.sh deb calls it)
set -eu
version=$1
out=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."
case $version in [0-9]*) ;; *) version=0~$version ;; esac
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
doc=$tree/usr/share/doc/mintkeep
mkdir -p "$tree/DEBIAN" "$tree/usr/bin" "$tree/usr/lib/systemd/system" "$tree/usr/share/man/man1" "$doc/examples" \
	"$tree/usr/share/bash-completion/completions" "$tree/usr/share/fish/vendor_completions.d" "$tree/usr/share/zsh/vendor-completions"
install -m 755 "$out/mintkeep-linux-amd64" "$tree/usr/bin/mintkeep"
for unit in deploy/mintkeep*.service deploy/mintkeep*.socket; do
	sed 's#/usr/local/bin/#/usr/bin/#' "$unit" >"$tree/usr/lib/systemd/system/${unit##*/}"
done
"$tree/usr/bin/mintkeep" completion man | gzip -9n >"$tree/usr/share/man/man1/mintkeep.1.gz"
"$tree/usr/bin/mintkeep" completion bash >"$tree/usr/share/bash-completion/completions/mintkeep"
"$tree/usr/bin/mintkeep" completion fish >"$tree/usr/share/fish/vendor_completions.d/mintkeep.fish"
"$tree/usr/bin/mintkeep" completion zsh >"$tree/usr/share/zsh/vendor-completions/_mintkeep"
cp deploy/*.conf deploy/*.htaccess deploy/*Caddyfile deploy/token.cgi deploy/token.php deploy/why.php "$doc/examples/"
cp deploy/daemon.conf "$doc/examples/mintkeep.conf" # over the one that lies beside a document root
cp README.md docs/*.md "$doc/"
cat LICENSE "$out/NOTICES.txt" >"$doc/copyright"
gzip -9nc CHANGELOG.md >"$doc/changelog.gz"
cat >"$tree/DEBIAN/control" <<END
Package: mintkeep
Version: $version
Architecture: amd64
Maintainer: mintkeep developers <mintkeep@localhost>
Installed-Size: $(du -sk "$tree" | cut -f1)
Section: web
Priority: optional
Suggests: systemd
Description: token endpoint for your own site, and keeper of the tokens of others
 mintkeep gives tokens to Micropub apps for a site whose owner signs in with
 Selfauth or another IndieAuth authorization endpoint, and keeps the OAuth tokens
 that other sites gave the owner: sealed, refreshed in time, handed to scripts.
 .
 Copy /usr/share/doc/mintkeep/examples/mintkeep.conf to /etc/mintkeep.conf, put your
 addresses into it, and run: systemctl enable --now mintkeep
END
find "$tree" -type d -exec chmod 755 {} +
find "$tree" -type f ! -path '*/usr/bin/*' -exec chmod 644 {} +
find "$tree" -exec touch -h -d @1 {} +
SOURCE_DATE_EPOCH=1 dpkg-deb --root-owner-group -Zxz --build "$tree" "$out/mintkeep_${version}_amd64.deb" >/dev/null
echo "$out/mintkeep_${version}_amd64.deb"
