#!/usr/bin/env bash
# Runs the agent against everything that others wrote, as CI does: a peer that is missing is installed where that can
# be done (apt-get, as root), else the run fails and names the command. Prints the table case x controller and
# compares it with docs/compatibility.md; with --write, writes that file. Further arguments are for `go test`.
set -euo pipefail
cd "$(dirname "$0")/../.."

write=false
if [ "${1:-}" = --write ]; then
	write=true
	shift
fi

# need PACKAGES TEST...: the packages whose absence makes a test of them fail.
need() {
	local packages=$1
	shift
	"$@" >/dev/null 2>&1 && return
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		apt-get update -q
		# shellcheck disable=SC2086 # several packages
		DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages
	fi
	"$@" >/dev/null 2>&1 || { echo "missing; run: apt-get install -y $packages" >&2; exit 1; }
}
need "openjdk-17-jdk-headless maven" bash -c 'javac -version && mvn -version'
need "python3 python3-venv" python3 -c 'import venv, ensurepip'
need "prometheus prometheus-alertmanager" bash -c 'command -v prometheus && command -v prometheus-alertmanager'
need "squid tinyproxy-bin dante-server" bash -c 'PATH=$PATH:/usr/sbin; command -v squid && command -v tinyproxy && command -v danted'

export CI=true # from here on a peer that is missing fails
table=$(mktemp)
trap 'rm -f "$table"' EXIT
status=0
# -p 1: what is in one package runs together already, and the deadlines in it are real time.
FEDERATION_AGENT_COMPATIBILITY=$table go test -tags interop -count=1 -p 1 -timeout 15m "$@" ./test/interop/... || status=$?
cat "$table"
[ "$status" = 0 ] || { echo "the suite failed; docs/compatibility.md is left as it is" >&2; exit "$status"; }

if $write; then
	cp "$table" docs/compatibility.md
	chmod 644 docs/compatibility.md
else
	diff -u docs/compatibility.md "$table" || { echo "run: bash test/interop/run.sh --write" >&2; exit 1; }
fi
