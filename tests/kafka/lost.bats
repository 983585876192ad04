#!/usr/bin/env bats
# Commits whose request or answer gets lost: a proxy stands between the broker and all others.

load helper
load steps

setup_file() {
	local port
	mkdir "$BATS_FILE_TMPDIR/proxy"
	port=$(admin ports 1)
	python3 "$ROOT/tests/kafka/proxy" "$port" "$BATS_FILE_TMPDIR/proxy" \
		>"$BATS_FILE_TMPDIR/proxy.said" 2>&1 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/proxy.pid"
	# The broker says that it is to be found there. Its own file says where it is.
	ln -s "$BATS_FILE_TMPDIR/kafka/brokers" "$BATS_FILE_TMPDIR/proxy/brokers"
	BROKER_OPTIONS=(--set "advertised.listeners=PLAIN://127.0.0.1:$port"
		--set group.min.session.timeout.ms=500)
	broker_up
}

teardown_file() {
	broker_down
	kill "$(<"$BATS_FILE_TMPDIR/proxy.pid")"
}

# lose HOW KEY: 26 is the end of a transaction, 28 its offsets
lose() {
	rm -f "$BATS_FILE_TMPDIR/proxy/lost"
	echo "$1 $2" >"$BATS_FILE_TMPDIR/proxy/lose"
}

find_again() {
	rm -f "$BATS_FILE_TMPDIR/proxy/lose"
}

assert_lost() {
	local tries
	for ((tries = 0; tries < 100; tries++)); do
		[[ ! -s $BATS_FILE_TMPDIR/proxy/lost ]] || return 0
		sleep 0.1
	done
	fail 'nothing was lost'
}

teardown() {
	local pid
	find_again
	for pid in ${!pid_@}; do
		kill -KILL "${!pid}" 2>/dev/null || true
	done
}

# A source and a sink that has sent "a".
begins() {
	numbers 10 1
	opens one "$SK_APP" "$from"
	expect one 'begin fence' 'begun 0 *'
	expect one "open $topic" opened
	expect one start started
	expect one read 'read 10'
	expect one 'send a' sent
	expect one position 'position {*'
}

@test "killed between the offsets and the commit: nothing of it is seen" {
	begins
	lose hold 26
	echo 'commit 1 run-1' >&"$in_one"
	assert_lost
	kills one
	find_again
	opens two "$SK_APP" "$from"
	expect two 'begin fence' 'begun 0 - open * 0@0'
	expect two "open $topic" opened
	expect two start started
	expect two read 'read 10'
	expect two 'send b' sent
	expect two position 'position {*'
	expect two 'commit 1 run-2' committed
	closes two
	assert_equal "$(values "$topic" 1)" b
}

@test "the answer to a commit is lost with its connection: it is committed, once" {
	begins
	lose cut 26
	expect one 'commit 1 run-1' committed
	assert_lost
	expect one 'send b' sent
	expect one 'commit 2 run-1' committed
	expect one committed 'committed 2 run-1'
	closes one
	assert_equal "$(values "$topic" 2)" $'a\nb'
}

@test "the answer never comes: the group says that it is committed" {
	begins
	lose mute 26
	echo 'commit 1 run-1' >&"$in_one"
	steps_one=$((steps_one + 1))
	assert_lost
	sleep 4 # beyond the transaction's timeout
	find_again
	expect one committed 'committed 1 run-1'
	grep -q '^committed$' one.out
	expect one 'send b' sent
	expect one 'commit 2 run-1' committed
	closes one
	assert_equal "$(values "$topic" 2)" $'a\nb'
}

@test "the request never arrives: the group says that it is not committed" {
	begins
	lose hold 26
	echo 'commit 1 run-1' >&"$in_one"
	assert_lost
	sleep 4
	find_again
	for ((tries = 0; tries < 400; tries++)); do
		grep -q '^failed 75 ' one.out && break
		sleep 0.1
	done
	grep '^failed 75 commit of ' one.out
	closes one
	opens two "$SK_APP" "$from"
	expect two 'begin fence' 'begun 0 - open * 0@0'
	closes two
	assert_equal "$(values "$topic" 0)" ''
}

@test "offsets whose answer is lost are sent again, and committed once" {
	begins
	lose cut 28
	expect one 'commit 1 run-1' committed
	assert_lost
	expect one 'send b' sent
	expect one 'commit 2 run-1' committed
	closes one
	assert_equal "$(values "$topic" 2)" $'a\nb'
	assert_equal "$(admin committed "$SK_APP" "$from")" '0 10 sk1 2 run-1 - -'
}

@test "a broker that sleeps through a commit" {
	begins
	kill -STOP "$(<"$BROKER_DIR/pid.1")"
	echo 'commit 1 run-1' >&"$in_one"
	sleep 5
	kill -CONT "$(<"$BROKER_DIR/pid.1")"
	for ((tries = 0; tries < 600; tries++)); do
		grep -qE '^(committed|failed)' one.out && break
		sleep 0.1
	done
	said=$(grep -E '^(committed|failed)' one.out)
	kills one
	opens two "$SK_APP" "$from"
	step two 'begin fence'
	if [[ $said == committed ]]; then
		[[ $answer == 'begun 1 run-1 open '*' 0@10' ]]
		assert_equal "$(values "$topic" 1)" a
	else
		[[ $answer == 'begun 0 - open '*' 0@0' ]]
		assert_equal "$(values "$topic" 0)" ''
	fi
	closes two
}
