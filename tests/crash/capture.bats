#!/usr/bin/env bats
# A capture whose writer dies or is failed by the system at each of its calls: what is there
# can be read, without a gap, and the same input again makes it whole, each offset once.

load ../cmd/helper

setup() {
	mkdir "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work"
	[ -z "${SK_SAN:-}" ] || skip "the sanitizers' runtime must be loaded first"
	awk 'BEGIN {
		for (o = 0; o < 240; o++)
			for (p = 0; p < 2; p++)
				printf "{\"topic\":\"orders\",\"partition\":%d,\"offset\":%d," \
					"\"ts\":%.0f,\"time\":null,\"key\":null,\"headers\":[]," \
					"\"value\":{\"n\":%d,\"x\":\"%s\"}}\n", p, o, \
					1700000000000 + o * 2 + p, o, "abcdefghij" o
	}' >in
	capture=(sk-cat -e in -o 'capture:cap?roll=9k')
}

teardown() {
	! mountpoint -q "$BATS_TEST_TMPDIR/work/small" || umount "$BATS_TEST_TMPDIR/work/small"
}

faulty() {
	SK_FAULT=$1 LD_PRELOAD=$SK_BUILD/tests/faults.so "${@:2}"
}

# What is there begins at offset 0 of each partition and has no gap; then the same input makes
# it whole.
assert_goes_on() {
	local left
	if [ -d cap/orders ]; then
		sk-cat -e capture:cap >got
		jq -r '"\(.partition) \(.offset)"' got | awk '$2 != n[$1]++ {exit 1}' ||
			fail "$1: what is there has gaps or repeats"
	fi
	run_tool "${capture[@]}"
	[ "$status" = 0 ] || fail "$1: status $status: $stderr"
	sk-cat -e 'capture:cap?merge=time' | cmp - in || fail "$1: not what came in"
	left=$(find cap -name '*.part' -o -name '*.new' -o -name '*.tmp')
	[ -z "$left" ] || fail "$1: left: $left"
	# Once more adds nothing.
	"${capture[@]}"
	sk-cat -e 'capture:cap?merge=time' | cmp - in || fail "$1: the third run added something"
	rm -rf cap
}

# Each call of a run, one after the other, until a run has no more of them.
each_call() {
	local call=$1 error=$2 n
	for ((n = 1; n < 200; n++)); do
		status=0
		faulty "$call:$n:$error" "${capture[@]}" 2>said || status=$?
		((status)) || break
		case $error in
		KILL*) assert_status 137 ;;
		*) assert_status 74 ;;
		esac
		assert_goes_on "$call:$n:$error"
	done
	rm -rf cap
	# The calls were there to be hit.
	((n > $3 && n < 200)) || fail "$call:$error struck $((n - 1)) times"
}

@test "killed before and after every write" {
	each_call write KILL 8
	each_call write KILLED 8
}

@test "killed before and after every sync" {
	each_call fsync KILL 12
	each_call fsync KILLED 12
	each_call fdatasync KILL 0
}

@test "killed before and after every rename" {
	each_call rename KILL 8
	each_call rename KILLED 8
}

@test "the disk is full at every write, and an error at every sync and rename" {
	each_call write ENOSPC 8
	each_call fsync EIO 12
	each_call rename EIO 8
}

@test "full from some write on, again and again, then there is room" {
	for n in 1 2 3 3 4 4 4; do
		status=0
		faulty "write:$n+:ENOSPC" "${capture[@]}" 2>said || status=$?
		assert_status 74
		grep -q 'No space left' said
	done
	assert_goes_on "full"
}

@test "killed while it goes on after a kill" {
	for n in 3 4 5 6 7; do
		for m in 1 2 3 4; do
			faulty "write:$n:KILLED" "${capture[@]}" 2>said || true
			faulty "rename:$m:KILL" "${capture[@]}" 2>said || true
			faulty "fsync:$m:KILLED" "${capture[@]}" 2>said || true
			assert_goes_on "write $n, rename and fsync $m"
		done
	done
}

@test "a file system without room" {
	mkdir small
	mount -t tmpfs -o size=64k sk-test small 2>/dev/null || skip "no right to mount"
	seq 40000 | sed 's/.*/{"n":&,"x":"&&&&"}/' >many
	run_tool sk-cat many -o 'capture:small/cap?roll=40k'
	assert_status 74
	assert_says 'No space left'
	sk-cat capture:small/cap >got
	cmp -n "$(stat -c %s got)" got many
	[ -s got ]
	mount -o remount,size=64m small
	run_tool sk-cat many -o 'capture:small/cap?roll=40k'
	assert_success
	sk-cat capture:small/cap | cmp - many
}
