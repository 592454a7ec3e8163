#!/bin/sh
# Builds the release files of HEAD into DIR: archives for Linux, macOS and
# Windows, Debian packages, and SHA256SUMS. With --verify it builds twice, the
# second time with an empty build cache, and compares the sums.
#
#	cmd/pfsight/dist/release.sh [--verify] DIR
#
# PLATFORMS, such as "linux-amd64", limits what is built.
# See "pfsight help release".
set -eu
umask 022
export LC_ALL=C TZ=UTC

verify=
if [ "${1-}" = --verify ]; then
	verify=1
	shift
fi
if [ $# -ne 1 ]; then
	echo "usage: release.sh [--verify] DIR" >&2
	exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
platforms=${PLATFORMS:-linux-amd64 linux-arm64 darwin-amd64 darwin-arm64 windows-amd64}
repository=$(cd "$(dirname "$0")/../../.." && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# What the build may depend on is set here, and nothing else.
export CGO_ENABLED=0 GOFLAGS='' GOAMD64=v1 GOARM64=v8.0 GOWORK=off
unset GOOS GOARCH GOEXPERIMENT GOTOOLDIR 2>/dev/null || true

SOURCE_DATE_EPOCH=$(git -C "$repository" log -1 --format=%ct)
export SOURCE_DATE_EPOCH
if tag=$(git -C "$repository" describe --tags --exact-match --match 'v[0-9]*' HEAD 2>/dev/null); then
	version=${tag#v}
else
	version="0~git$(git -C "$repository" log -1 --date=format:%Y%m%d --format=%cd).$(git -C "$repository" rev-parse --short=12 HEAD)"
fi
maintainer=$(git -C "$repository" log -1 --format='%cn <%ce>')

# fix_times gives all below a folder the time of the commit.
fix_times() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }

# archive FOLDER FILE packs a folder by the kind of FILE.
archive() {
	fix_times "$1"
	case $2 in
	*.zip) (cd "$(dirname "$1")" && find "$(basename "$1")" | sort | zip -q -X "$2" -@) ;;
	*) tar -C "$(dirname "$1")" --sort=name --owner=0 --group=0 --numeric-owner --format=ustar --mtime="@$SOURCE_DATE_EPOCH" \
		-cf - "$(basename "$1")" | gzip -n >"$2" ;;
	esac
}

# package ARCH PROGRAM FILE makes a Debian package.
package() {
	root=$work/deb-$1
	rm -rf "$root"
	mkdir -p "$root/DEBIAN" "$root/usr/bin" "$root/usr/lib/systemd/system" "$root/usr/share/doc/pfsight/examples" \
		"$root/usr/share/man/man1" "$root/usr/share/man/man7" "$root/usr/share/bash-completion/completions" \
		"$root/usr/share/zsh/vendor-completions" "$root/usr/share/fish/vendor_completions.d" \
		"$root/usr/share/lintian/overrides" "$root/etc/default"
	install -m 755 "$2" "$root/usr/bin/pfsight"
	sed 's|/usr/local/bin/pfsight|/usr/bin/pfsight|' "$dist/pfsight.service" >"$root/usr/lib/systemd/system/pfsight.service"
	install -m 644 "$dist/debian/default" "$root/etc/default/pfsight"
	cp "$made"/man/*.1 "$root/usr/share/man/man1"
	cp "$made"/man/*.7 "$root/usr/share/man/man7"
	gzip -9n "$root"/usr/share/man/man*/*
	cp "$made/completions/pfsight.bash" "$root/usr/share/bash-completion/completions/pfsight"
	cp "$made/completions/_pfsight" "$root/usr/share/zsh/vendor-completions/_pfsight"
	cp "$made/completions/pfsight.fish" "$root/usr/share/fish/vendor_completions.d/pfsight.fish"
	doc=$root/usr/share/doc/pfsight
	cp "$dist/grafana-dashboard.json" "$dist/prometheus-alerts.yml" "$doc/examples"
	gzip -9nc "$dist/NOTICES.txt" >"$doc/NOTICES.txt.gz"
	cp "$dist/debian/copyright" "$doc/copyright"
	printf 'pfsight (%s) unstable; urgency=medium\n\n  * See pfsight-changelog(7).\n\n -- %s  %s\n' \
		"$version" "$maintainer" "$(date -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$doc/changelog.gz"
	cp "$dist/debian/lintian-overrides" "$root/usr/share/lintian/overrides/pfsight"
	echo /etc/default/pfsight >"$root/DEBIAN/conffiles"
	install -m 755 "$dist/debian/postinst" "$dist/debian/prerm" "$dist/debian/postrm" "$root/DEBIAN"
	(cd "$root" && find etc usr -type f | sort | xargs md5sum >DEBIAN/md5sums)
	size=$(cd "$root" && find etc usr -type f -printf '%s\n' | awk '{ n += int(($1 + 1023) / 1024) } END { print n }')
	cat >"$root/DEBIAN/control" <<-END
		Package: pfsight
		Version: $version
		Architecture: $1
		Maintainer: $maintainer
		Installed-Size: $size
		Section: net
		Priority: optional
		Description: forward secrecy of TLS connections in captures and on interfaces
		 pfsight reads packet captures or watches interfaces, follows every TLS
		 handshake, and says which connections were forward secret, which were not,
		 and why. It also says what a stricter policy would do to each client that
		 was observed.
		 .
		 The unit pfsight.service watches an interface. It is not enabled: name the
		 interface in /etc/default/pfsight first.
	END
	fix_times "$root"
	dpkg-deb --root-owner-group --threads-max=1 -Zxz --build "$root" "$3" >/dev/null
}

# build SOURCE TARGET builds all files from a clean clone at SOURCE into TARGET.
build() {
	source=$1 target=$2
	rm -rf "$source" "$target"
	git clone -q "$repository" "$source"
	git -C "$source" -c advice.detachedHead=false checkout -q "$commit"
	mkdir -p "$target"
	dist=$source/cmd/pfsight/dist
	made=$work/made
	rm -rf "$made"
	mkdir -p "$made/completions"
	(cd "$source" && go build -trimpath -buildvcs=true -ldflags=-s -o "$made/pfsight" ./cmd/pfsight)
	"$made/pfsight" man "$made/man"
	"$made/pfsight" completion bash >"$made/completions/pfsight.bash"
	"$made/pfsight" completion zsh >"$made/completions/_pfsight"
	"$made/pfsight" completion fish >"$made/completions/pfsight.fish"
	for platform in $platforms; do
		os=${platform%-*} arch=${platform#*-}
		name=pfsight-$version-$platform
		folder=$work/$name
		rm -rf "$folder"
		mkdir -p "$folder"
		program=$folder/pfsight
		[ "$os" != windows ] || program=$program.exe
		(cd "$source" && GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=true -ldflags=-s -o "$program" ./cmd/pfsight)
		cp "$source/README.md" "$source/LICENSE" "$dist/NOTICES.txt" "$folder"
		if [ "$os" = windows ]; then
			"$made/pfsight" completion powershell >"$folder/pfsight.ps1"
			archive "$folder" "$target/$name.zip"
			continue
		fi
		cp -R "$made/man" "$made/completions" "$folder"
		if [ "$os" = linux ]; then
			cp "$dist/pfsight.service" "$dist/grafana-dashboard.json" "$dist/prometheus-alerts.yml" "$folder"
			if command -v dpkg-deb >/dev/null; then
				package "$arch" "$program" "$target/pfsight_${version}_$arch.deb"
			else
				echo "release.sh: dpkg-deb is not installed: no package for $arch" >&2
			fi
		fi
		archive "$folder" "$target/$name.tar.gz"
	done
	(cd "$target" && sha256sum -- * >"$work/sums" && mv "$work/sums" SHA256SUMS)
}

commit=$(git -C "$repository" rev-parse HEAD)
build "$work/source" "$work/first"
if [ -n "$verify" ]; then
	GOCACHE=$work/cache
	export GOCACHE
	build "$work/elsewhere/source" "$work/second"
	if ! diff "$work/first/SHA256SUMS" "$work/second/SHA256SUMS" >&2; then
		echo "release.sh: the second build differs from the first" >&2
		exit 1
	fi
	echo "release.sh: two builds are equal" >&2
fi
cp "$work"/first/* "$out"
