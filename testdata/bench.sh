#!/usr/bin/env bash
# Measures pfsight and other tools on large captures composed of those in
# testdata/captures. Prints CPU seconds (user + system), wall seconds and peak
# memory, each the median of five runs, and the ratio to tcpdump's CPU seconds.
# The captures are written to DIR, a temporary directory by default.
# Usage: testdata/bench.sh [DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
dir=${1:-$(mktemp -d)}
go build -o "$dir/pfsight" ./cmd/pfsight
[ -f "$dir/bulk.pcap" ] || go run ./testdata/make -load "$dir/bulk.pcap" -mb 2048 -bulk 1000
[ -f "$dir/handshakes.pcap" ] || go run ./testdata/make -load "$dir/handshakes.pcap" -mb 512
[ -f "$dir/bulk.pcap.zst" ] || ! command -v zstd >/dev/null || zstd -q -1 "$dir/bulk.pcap" -o "$dir/bulk.pcap.zst"

median() { # name, capture, command ...
  local name=$1 file=$2 i
  shift 2
  cat "$file" >/dev/null
  for i in 1 2 3 4 5; do
    /usr/bin/time -f '%U %S %e %M' -o "$dir/time" "$@" >/dev/null 2>&1 || true
    tail -n 1 "$dir/time"
  done | awk '{print $1+$2, $3, $4}' | sort -n | sed -n 3p | awk -v name="$name" -v base="${base:-0}" '
    {printf "  %-34s %6.2f CPU s  %6.2f s  %6.0f MB", name, $1, $2, $3/1024; if (base > 0) printf "  %5.2f x tcpdump", $1/base; print ""; print $1 > "/dev/stderr"}' 2>"$dir/last"
}

echo "$(date -u +%F), $(uname -m), $(nproc) cores, $(go version | cut -d" " -f3)"
for c in bulk handshakes; do
  f=$dir/$c.pcap
  echo "$c: $(($(stat -c %s "$f") >> 20)) MB"
  base=0
  if command -v tcpdump >/dev/null; then
    median "tcpdump -w /dev/null" "$f" tcpdump -r "$f" -w /dev/null
    base=$(cat "$dir/last")
  fi
  median "pfsight -j 1" "$f" "$dir/pfsight" -j 1 "$f"
  median "pfsight" "$f" "$dir/pfsight" "$f"
  median "pfsight -j 1 --format jsonl" "$f" "$dir/pfsight" -j 1 --format jsonl "$f"
  if command -v capinfos >/dev/null; then median "capinfos -c" "$f" capinfos -c "$f"; fi
done
if [ -f "$dir/bulk.pcap.zst" ]; then
  echo "bulk.pcap.zst: $(($(stat -c %s "$dir/bulk.pcap.zst") >> 20)) MB"
  base=0
  median "zstd -dc" "$dir/bulk.pcap.zst" zstd -dc "$dir/bulk.pcap.zst"
  median "pfsight" "$dir/bulk.pcap.zst" "$dir/pfsight" "$dir/bulk.pcap.zst"
fi
if [ "${TSHARK:-}" ] && command -v tshark >/dev/null; then
  echo "handshakes, one run (tshark takes long):"
  base=0
  /usr/bin/time -f '  tshark: %U + %S CPU s, %e s, %M KB' tshark -r "$dir/handshakes.pcap" -Y tls.handshake.type==2 -T fields -e tls.handshake.ciphersuite >/dev/null
fi
