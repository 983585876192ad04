#!/usr/bin/env bats
# What the last process sends becomes visible with the place of the first one, or never.

load helper
load steps
BROKER_OPTIONS=(--set group.min.session.timeout.ms=500)

# Each partition of the source is committed by this epoch, to its end.
assert_committed() {
	admin committed "$SK_APP" "$from" >committed
	assert_equal "$(awk '{n += $2} END {print n}' committed)" "$1"
	assert_equal "$(grep -c "sk1 $2 " committed)" "$(wc -l <committed)"
}

@test "from topic to topic in one process, once each" {
	numbers 1000
	run_tool timeout 60 sk-cat "kafka:$from?until=end" -o "kafka:$topic" --exactly-once \
		--checkpoint 10m
	assert_success
	assert_silent
	values "$topic" 1000 | diff - <(seq 1000)
	assert_committed 1000 '1'
	run_tool timeout 60 sk-cat "kafka:$from?until=end" -o "kafka:$topic" --exactly-once \
		--checkpoint 10m
	assert_success
	seq 1001 1010 | admin lines "$from"
	run_tool timeout 60 sk-map . "kafka:$from?until=end" -o "kafka:$topic" --exactly-once \
		--checkpoint 10m
	assert_success
	values "$topic" 1010 | diff - <(seq 1010)
	assert_committed 1010 '2'
}

@test "the last process of a pipe commits the place of the first" {
	numbers 20000
	timeout 60 sk-cat "kafka:$from?until=end" --checkpoint 100ms |
		timeout 60 sk-cat -o "kafka:$topic"
	values "$topic" 20000 | cmp - <(seq 20000)
	assert_equal "$(awk '{n += $2} END {print n}' <(admin committed "$SK_APP" "$from"))" 20000
	admin committed "$SK_APP" "$from" | grep -q ' done$'
	# Nothing new: nothing is written twice.
	timeout 60 sk-cat "kafka:$from?until=end" --checkpoint 100ms |
		timeout 60 sk-cat -o "kafka:$topic"
	values "$topic" 20000 | cmp - <(seq 20000)
}

@test "the source waits for the commit though the stage behind it has left" {
	numbers 100
	timeout 60 sk-cat "kafka:$from?until=end" --checkpoint 100ms | timeout 60 sk-map . | {
		sleep 1
		timeout 60 sk-cat -o "kafka:$topic"
	}
	assert_equal "${PIPESTATUS[*]}" '0 0 0'
	values "$topic" 100 | diff - <(seq 100)
	# Nobody commits: it doesn't wait for ever.
	seq 101 110 | admin lines "$from"
	run_tool bash -c 'timeout 60 sk-cat "$1" --checkpoint 100ms | sk-map . | cat >/dev/null
		echo "${PIPESTATUS[*]}"' - "kafka:$from?until=end"
	assert_output '75 0 0'
	assert_says 'the pipe broke before epoch '
}

@test "with --at-least-once the transaction holds the place alone" {
	numbers 1000
	timeout 60 sk-cat "kafka:$from?until=end" --checkpoint 100ms |
		timeout 60 sk-cat -o "kafka:$topic" --at-least-once
	values "$topic" 1000 | diff - <(seq 1000)
	assert_committed 1000 '[0-9]*'
}

@test "the group is the app, which has to be named" {
	numbers 10
	run_tool sk-cat "kafka:$from?until=end&group=other" -o "kafka:$topic" --exactly-once
	assert_status 64
	assert_said "sk-cat: kafka:$from?until=end&group=other: group=other: with --checkpoint the group is the app, $SK_APP"
	run_tool sk-cat "kafka:$from?until=end&isolation=uncommitted" -o "kafka:$topic" \
		--exactly-once
	assert_status 64
	assert_says 'isolation=uncommitted and --checkpoint exclude each other'
	unset SK_APP
	run_tool sk-cat "kafka:$from?until=end" -o "kafka:$topic" --exactly-once
	assert_status 64
	assert_says '--checkpoint needs --app where the source is topics'
	assert_says 'export SK_APP=NAME'
}

@test "what is committed comes back with its note; what is aborted is not seen" {
	numbers 10 1
	opens one "$SK_APP" "$from"
	expect one 'begin fence' 'begun 0 - open * 0@0'
	expect one "open $topic" opened
	expect one start started
	expect one read 'read 10'
	expect one 'send a' sent
	expect one position 'position {"group":"'"$SK_APP"'","metadata":"*","offsets":\[\["'"$from"'",0,10\]\]}'
	expect one 'commit 7 run-1' committed
	expect one committed 'committed 7 run-1'
	expect one 'send void' sent
	expect one sync synced
	expect one abort aborted
	expect one 'send b' sent
	expect one 'commit 8 run-1 done' committed
	expect one 'begin fence' 'begun 8 run-1 done * 0@10'
	closes one
	assert_equal "$(values "$topic" 2)" $'a\nb'
	[[ $(admin dump "$topic" uncommitted) == *void* ]]
}

@test "a member that was killed is followed at once, and what it left is void" {
	numbers 1000 4
	# The session and the transaction would last for a minute.
	long=(-X session.timeout.ms=60000 -X transaction.timeout.ms=60000)
	opens one "$SK_APP" "$from" "${long[@]}"
	expect one 'begin fence' 'begun 0 *'
	expect one "open $topic" opened
	expect one start started
	expect one read 'read *'
	expect one 'send left' sent
	expect one sync synced
	kills one
	opens two "$SK_APP" "$from" "${long[@]}"
	step two 'begin fence'
	set -- $answer
	[[ $1 == begun && $2 == 0 ]]
	(($5 < 30000)) || fail "$5 ms until it was there"
	echo "# $5 ms from kill -9 to partitions" >&3
	expect two "open $topic" opened
	expect two start started
	expect two 'send mine' sent
	expect two 'commit 1 run-2' committed
	closes two
	assert_equal "$(values "$topic" 1)" mine
}

@test "of two copies the first is fenced, whatever it tries" {
	numbers 10 1
	opens one "$SK_APP" "$from"
	expect one 'begin fence' 'begun 0 *'
	expect one "open $topic" opened
	expect one start started
	expect one 'send first' sent
	opens two "$SK_APP" "$from"
	expect two 'begin fence' 'begun 0 *'
	expect two "open $topic" opened
	expect two start started
	expect two 'send second' sent
	step one 'commit 1 run-1'
	[[ $answer == 'failed 76 another process has taken over the transactions of '* ]] ||
		fail "$answer"
	expect two 'commit 1 run-2' committed
	closes two
	assert_equal "$(values "$topic" 1)" second
}

@test "a commit for a member that is none any more is refused, and the next one is not" {
	numbers 10 2
	opens one "$SK_APP" "$from"
	expect one 'begin fence' 'begun 0 *'
	expect one "open $topic" opened
	expect one start started
	expect one 'send stale' sent
	expect one position 'position {*'
	stale=${answer#position }
	# Another member joins: partitions go, and come back.
	sk-cat "kafka:$from?group=$SK_APP" -o append:other.out 2>other.said &
	other=$!
	for i in $(seq 60); do
		step one read
		[[ $answer != anew ]] || break
	done
	assert_equal "$answer" anew
	expect one position 'position none'
	# begin would replace it; the commit is of the old one.
	expect one "stale $stale" stale
	step one 'commit 1 run-1'
	[[ $answer == 'refused 75 '* ]] || fail "$answer"
	expect one begin 'begun 0 - open * ?@*'
	expect one 'send fresh' sent
	expect one 'commit 1 run-1' committed
	kill "$other"
	wait "$other" || true
	kills one
	assert_equal "$(values "$topic" 1)" fresh
}

@test "a copy that slept beyond its session does not put out the one that followed it" {
	numbers 10 1
	opens one "$SK_APP" "$from"
	expect one 'begin fence' 'begun 0 *'
	expect one "open $topic" opened
	expect one start started
	expect one 'send first' sent
	kill -STOP "$pid_one"
	opens two "$SK_APP" "$from"
	expect two 'begin fence' 'begun 0 *'
	expect two "open $topic" opened
	expect two start started
	expect two read 'read 10'
	sleep 8
	kill -CONT "$pid_one"
	for i in $(seq 60); do
		step one read
		[[ $answer == read* ]] || break
	done
	[[ $answer == 'failed 76 '* ]] || fail "$answer"
	step one 'send zombie'
	expect one 'commit 1 run-1' 'failed 76 another process has taken over the transactions of *'
	expect two 'send second' sent
	expect two position 'position {*'
	expect two 'commit 1 run-2' committed
	step two read
	[[ $answer == 'read 0' ]] || fail "$answer"
	closes two
	assert_equal "$(values "$topic" 1)" second
}

@test "a record that the broker refuses for what it is fails its epoch" {
	numbers 10 1
	fresh_topic 1 1 cleanup.policy=compact
	opens one "$SK_APP" "$from"
	expect one 'begin fence' 'begun 0 *'
	expect one "open $topic" opened
	expect one start started
	expect one read 'read 10'
	expect one 'send without a key' sent
	expect one position 'position {*'
	expect one 'commit 1 run-1' "failed 65 $topic\[0\]: *"
	expect one committed 'committed 0 '
	closes one
	run_tool timeout 60 sk-cat "kafka:$from?until=end" -o "kafka:$topic" --exactly-once
	assert_status 65
	assert_equal "$(admin dump "$topic")" ''
	assert_equal "$(admin committed "$SK_APP" "$from")" '0 -'
}

@test "a topic that comes later has to take what the producer sends at a time" {
	numbers 10 1
	opens one "$SK_APP" "$from"
	expect one 'begin fence' 'begun 0 *'
	expect one "open $topic" opened
	expect one start started
	fresh_topic 1 1 max.message.bytes=5000
	expect one "open $topic" "failed 78 kafka:$topic: $topic takes 5000 bytes at a time, less *"
	closes one
	# Known beforehand it is what batches are made for.
	opens two "$SK_APP" "$from"
	expect two 'begin fence' 'begun 0 *'
	expect two "open $topic" opened
	expect two start started
	expect two 'send small' sent
	expect two position 'position {*'
	expect two 'commit 1 run-2' committed
	closes two
	assert_equal "$(values "$topic" 1)" small
}

@test "where nothing is committed, the place is where reading begins" {
	numbers 10 1
	opens one "$SK_APP" "$from?offset=latest"
	expect one 'begin fence' 'begun 0 - open * 0@10'
	closes one
	opens two "$SK_APP" "$from?offset=-3"
	expect two 'begin fence' 'begun 0 - open * 0@7'
	closes two
	admin trim "$from" 0 4
	opens six "$SK_APP" "$from?until=end"
	expect six 'begin fence' 'begun 0 - open * 0@4'
	expect six read 'read 6'
	expect six position 'position *,10\]\]}'
	expect six read end
	closes six
}
