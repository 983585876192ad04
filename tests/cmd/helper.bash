# What every .bats of the tools begins with: assertions, the programs first in PATH, and a
# folder of its own for each test, which it starts in.
#
#	load helper
#
#	@test "a titled sentence" {
#		run_tool sk-map .a <<<'{"a":1}'
#		assert_success
#		assert_output 1
#		assert_silent
#	}
bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
SK_BIN=$(cd "${SK_BIN:-$ROOT/build/bin}" && pwd) || exit 1
PATH=$SK_BIN:$PATH
SK_BUILD=${SK_BUILD:-$(dirname "$SK_BIN")}
export PATH
# The same answers wherever the tests run.
export LC_ALL=C.UTF-8 TZ=UTC
unset COLUMNS NO_COLOR SK_EXPR SK_APP SK_STATE SK_BROKERS

setup() {
	cd "$BATS_TEST_TMPDIR"
}

# run COMMAND with stdout in $output and stderr in $stderr.
run_tool() {
	run --separate-stderr "$@"
}

# The exit status, told with what the command said if it is another.
assert_status() {
	if [[ $status != "$1" ]]; then
		batslib_print_kv_single_or_multi 8 expected "$1" actual "$status" \
			output "${output-}" stderr "${stderr-}" | batslib_decorate 'another status' | fail
	fi
}

# stderr is exactly this.
assert_said() {
	if [[ ${stderr-} != "$1" ]]; then
		batslib_print_kv_single_or_multi 8 expected "$1" actual "${stderr-}" |
			batslib_decorate 'stderr says something else' | fail
	fi
}

# stderr has this in it.
assert_says() {
	if [[ ${stderr-} != *"$1"* ]]; then
		batslib_print_kv_single_or_multi 8 expected "$1" actual "${stderr-}" |
			batslib_decorate 'stderr does not say it' | fail
	fi
}

# Nothing on stderr.
assert_silent() {
	assert_said ''
}

# The file $1 holds exactly the lines that follow as arguments, or stdin without any.
assert_file() {
	local want
	if (($# > 1)); then
		want=$(printf '%s\n' "${@:2}" && echo .)
	else
		want=$(cat && echo .)
	fi
	[[ -f $1 ]] || fail "there is no file $1"
	if [[ $(cat "$1" && echo .) != "$want" ]]; then
		batslib_print_kv_single_or_multi 8 file "$1" expected "${want%.}" \
			actual "$(cat "$1")" | batslib_decorate 'a file holds something else' | fail
	fi
}

# Another byte than the one that stands at byte $2 of the file $1.
damage() {
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\x$(printf %x $((byte ^ 0x55)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# orders.ndjson, the events of the examples, in the test's folder.
with_orders() {
	ln -s "$ROOT/examples/orders.ndjson" orders.ndjson
}
