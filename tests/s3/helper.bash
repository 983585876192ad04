# What every .bats that needs S3 servers begins with: the assertions of the tools' tests, and
# the servers that this machine can have.
#
#	load helper
#
#	@test "a titled sentence" {
#		for server in "${servers[@]}"; do
#			at "$server"
#			sk-claimcheck put "${s3[@]}" in.ndjson >refs
#		done
#	}
#
# at sets s3, the options of a store of its own for each test; data, the folder in which its
# objects are files; and the credentials. Where there is no such server its tests are skipped;
# with CI=true they fail if S3Proxy is missing (versitygw needs a newer go than Debian 12 has).
load ../cmd/helper

SERVER=$ROOT/tests/s3/server
LINK=$ROOT/tests/s3/link
read -ra servers <<<"${S3_SERVERS-}"
unset AWS_PROFILE AWS_REGION AWS_DEFAULT_REGION AWS_SESSION_TOKEN AWS_CA_BUNDLE \
	AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3 AWS_SHARED_CREDENTIALS_FILE
export AWS_ACCESS_KEY_ID=local-id AWS_SECRET_ACCESS_KEY=local-secret
export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1

setup_file() {
	local kind status
	export S3_SERVERS= S3_SKIP=
	for kind in s3proxy versitygw; do
		status=0
		"$SERVER" start $kind "$BATS_FILE_TMPDIR/$kind" --for $PPID 2>"$BATS_FILE_TMPDIR/said" || status=$?
		if ((status == 0)); then
			S3_SERVERS+=" $kind"
		elif ((status == 77)) && [[ ${CI-} != true || $kind != s3proxy ]]; then
			S3_SKIP+=" $(tr '\n' ' ' <"$BATS_FILE_TMPDIR/said")"
		else
			cat "$BATS_FILE_TMPDIR/said" >&2
			return 1
		fi
	done
}

teardown_file() {
	local kind
	for kind in $S3_SERVERS; do
		"$SERVER" stop "$BATS_FILE_TMPDIR/$kind"
	done
}

setup() {
	((${#servers[@]})) || skip "$S3_SKIP"
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	[[ -z ${link_pid-} ]] || kill "$link_pid" 2>/dev/null || true
}

# at SERVER [PREFIX]
at() {
	url=$(<"$BATS_FILE_TMPDIR/$1/url")
	place=s3://orders/${2-t$BATS_TEST_NUMBER}
	data=$BATS_FILE_TMPDIR/$1/data/orders/${2-t$BATS_TEST_NUMBER}
	s3=(--store "$place" --endpoint "$url")
}

# Speak to the server over a bad line: through [--latency MS]. weather WORD... is what comes.
through() {
	[[ -z ${link_pid-} ]] || kill "$link_pid"
	rm -rf link && mkdir link
	"$LINK" "$url" link "$@" >link/said 2>&1 3>&- &
	link_pid=$!
	for ((ticks = 0; ticks < 200; ticks++)); do
		[[ -s link/link.url ]] && break
		sleep 0.05
	done
	s3=(--store "$place" --endpoint "$(<link/link.url)")
}

weather() {
	echo "$*" >link/weather
	: >link/log
}

# All of it was used up.
assert_weathered() {
	[[ ! $(<link/weather) ]] || fail "not come: $(<link/weather); $(cat link/log)"
}

# order ID BYTES: an event of about so many bytes, which zstd can't make much smaller.
order() {
	printf '{"orderId":"%s","note":"%s"}\n' "$1" "$(head -c $(($2 * 3 / 4)) /dev/urandom | base64 -w0)"
}
