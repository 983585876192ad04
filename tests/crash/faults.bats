#!/usr/bin/env bats
# System calls that fail: each is told with a status that a supervisor can act on, and no
# file is left that looks whole and is not.

load ../cmd/helper

setup() {
	mkdir "$BATS_TEST_TMPDIR/work" # bats keeps files of its own beside
	cd "$BATS_TEST_TMPDIR/work"
	[ -z "${SK_SAN:-}" ] || skip "the sanitizers' runtime must be loaded first"
	"$SK_BUILD/examples/generate" --seed 5 --events 5000 >in
}

faulty() {
	run --separate-stderr env SK_FAULT="$1" LD_PRELOAD="$SK_BUILD/tests/faults.so" "${@:2}"
}

@test "no space while writing an output file" {
	for fault in write:1+:ENOSPC writev:1+:ENOSPC; do
		faulty $fault sk-cat in -o out
		[ "$status" = 74 ] || [ "$status" = 0 ]
		[ "$status" = 0 ] || [ ! -e out ]
		rm -f out
	done
	status=0
	(ulimit -f 100; sk-cat in -o out 2>err) || status=$?
	[ "$status" = 74 ]
	grep -q '^sk-cat: out: File too large' err
	[ ! -e out ]
}

@test "fsync fails: the file does not appear" {
	faulty fsync:1+:EIO sk-cat in -o out
	if [ "$status" = 0 ]; then faulty fdatasync:1+:EIO sk-cat in -o out; fi
	assert_failure 74
	[ ! -e out ]
	[ "$(ls -A)" = in ]
	[[ $stderr == sk-cat:*out* ]]
}

@test "rename fails: the old file stays" {
	echo old >out
	faulty rename:1:EIO sk-cat in -o out
	assert_failure
	[ "$(cat out)" = old ]
	[ "$(ls -A)" = $'in\nout' ]
}

@test "read fails: what was read before is out, and the failure has the file's name" {
	faulty read:3:EIO sk-cat in
	[ "$status" = 74 ] || [ "$status" = 66 ]
	[[ $stderr == *in* ]]
}

@test "interrupted and short writes lose nothing" {
	for fault in write:1+:short writev:1+:short writev:2:EINTR write:2:EINTR; do
		head -n 40 in >small
		SK_FAULT=$fault LD_PRELOAD=$SK_BUILD/tests/faults.so sk-cat small >out
		cmp small out
		SK_FAULT=$fault LD_PRELOAD=$SK_BUILD/tests/faults.so sk-map . <small | cmp - small
	done
}

@test "a dead letter that cannot be made durable ends the run" {
	printf '1\n{\n2\n' >bad
	faulty fdatasync:1+:EIO sk-cat --dead-letter dlq bad
	assert_failure 74
	[[ $stderr == *dlq* ]]
}

@test "an append that fails half way is taken back to whole lines" {
	cp in log
	before=$(stat -c %s log)
	status=0
	(ulimit -f $((before / 1024 + 200)); sk-cat in -o append:log 2>err) || status=$?
	[ "$status" = 74 ]
	tail -c 1 log | cmp - <(printf '\n')
	cmp -n "$before" log in
	sk-cat log >/dev/null
}
