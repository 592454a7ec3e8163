#!/bin/sh
# Writes report.png, the picture in the README: the top of the HTML report of
# testdata/captures, as Chromium shows it. It needs go and chromium.
set -eu
cd "$(dirname "$0")/../../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
go run ./cmd/pfsight --quiet --top 4 --format html -o "$tmp/report.html" testdata/captures
chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
	--user-data-dir="$tmp/profile" --hide-scrollbars --force-device-scale-factor=1 \
	--window-size=840,750 --screenshot="$tmp/report.png" "file://$tmp/report.html" 2>"$tmp/log" || {
	cat "$tmp/log" >&2
	exit 1
}
mv "$tmp/report.png" cmd/pfsight/docs/report.png
