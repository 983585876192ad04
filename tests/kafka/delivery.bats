#!/usr/bin/env bats
# At least once in one process: a group's place follows what was delivered, whatever happens.

load helper
# Three nodes, so that one may be lost; members that die are missed soon.
BROKER_OPTIONS=(--nodes 3 --set group.min.session.timeout.ms=500)

# Everything of a topic has been committed by the group.
assert_all_committed() {
	assert_equal "$(admin committed "$1" "$2" | awk '$2 > 0 {n += $2} END {print n + 0}')" "$3"
}

# numbers N: a topic, numbered, with the values 1 .. N
numbers() {
	fresh_topic 4
	from=$topic group=g-$topic
	seq "$1" | admin lines "$from"
}

values() {
	sk-cat "kafka:$1?until=end"
}

@test "a group goes on where it stood" {
	numbers 1000
	fresh_topic 2
	run_tool sk-cat "kafka:$from?group=$group&until=end" -o "kafka:$topic"
	assert_success
	assert_silent
	assert_all_committed "$group" "$from" 1000
	run_tool sk-cat "kafka:$from?group=$group&until=end" -o "kafka:$topic"
	assert_success
	seq 1001 1010 | admin lines "$from"
	run_tool sk-map . "kafka:$from?group=$group&until=end" -o "kafka:$topic"
	assert_success
	values "$topic" | sort -n | diff - <(seq 1010)
}

@test "with --limit the place is behind the last record that was used" {
	fresh_topic 1
	seq 100 | admin lines "$topic"
	sk-cat -n 7 "kafka:$topic?group=g-$topic&until=end" -o a.ndjson
	sk-cat -n 7 "kafka:$topic?group=g-$topic" -o append:b.ndjson
	sk-cat "kafka:$topic?group=g-$topic&until=end" -o c.ndjson
	cat a.ndjson b.ndjson c.ndjson | diff - <(seq 100)
}

@test "killed at random moments, nothing is missing" {
	numbers 200000
	fresh_topic 4
	copy=(sk-cat "kafka:$from?group=$group&until=end" -o "kafka:$topic"
		-X session.timeout.ms=1000 -X heartbeat.interval.ms=300
		-X batch.num.messages=30) # slow, so that it is at work when it is hit
	for i in $(seq 15); do
		"${copy[@]}" 2>>said &
		pid=$!
		sleep "$((RANDOM % 2)).$((RANDOM % 90 + 10))"
		# One in three is asked to drain, so that there are places to begin at.
		if ((i % 3)); then kill -KILL "$pid"; else kill -TERM "$pid"; fi 2>/dev/null || true
		wait "$pid" || true
	done
	run_tool "${copy[@]}"
	assert_success
	values "$topic" | sort -nu | cmp - <(seq 200000)
	assert_all_committed "$group" "$from" 200000
}

@test "two members share one bounded read, and both end when all of it is done" {
	for i in 1 2 3 4; do
		numbers 20000
		fresh_topic 4
		copy=(timeout 60 sk-cat "kafka:$from?group=$group&until=end" -o "kafka:$topic"
			-X session.timeout.ms=6000 -X heartbeat.interval.ms=200
			-X batch.num.messages=30)
		"${copy[@]}" 2>>said &
		one=$!
		sleep "0.$((RANDOM % 9))"
		"${copy[@]}" 2>>said &
		two=$!
		wait "$one"
		wait "$two"
		values "$topic" | sort -n | cmp - <(seq 20000)
		assert_all_committed "$group" "$from" 20000
	done
	! grep -v ': waiting ' said || fail "$(<said)"
}

@test "of two members of a bounded read one is killed, and the other one reads the rest" {
	for i in 1 2 3; do
		numbers 100000
		fresh_topic 4
		copy=(timeout 100 sk-cat "kafka:$from?group=$group&until=end" -o "kafka:$topic"
			-X session.timeout.ms=1500 -X heartbeat.interval.ms=300
			-X batch.num.messages=30)
		"${copy[@]:2}" 2>>said &
		one=$!
		"${copy[@]}" 2>>said &
		two=$!
		# Both have partitions, or one has all of them still.
		until (($(values "$topic" | wc -l) > i * 2000)); do sleep 0.05; done
		kill -KILL "$one"
		wait "$one" || true
		wait "$two"
		values "$topic" | sort -nu | cmp - <(seq 100000)
		assert_all_committed "$group" "$from" 100000
	done
	! grep -v ': waiting ' said || fail "$(<said)"
}

@test "a group that is new reads everything, ten times over" {
	numbers 20000
	for new in 1 2 3 4 5 6 7 8 9 10; do
		run_tool timeout 60 sk-cat "kafka:$from?group=$group-$new&until=end" -o "out.$new"
		assert_success
		sort -n "out.$new" | cmp - <(seq 20000)
		assert_all_committed "$group-$new" "$from" 20000
	done
}

@test "a member of a bounded read waits for what a dead one had, and says so" {
	fresh_topic 2
	from=$topic group=g-$topic
	seq 1000 | admin lines "$from"
	# It holds all partitions, and commits nothing.
	sk-cat "kafka:$from?group=$group" -o append:dead.out -X session.timeout.ms=9000 &
	dead=$!
	until [[ -s dead.out ]]; do sleep 0.1; done
	kill -KILL "$dead"
	wait "$dead" || true
	fresh_topic 2
	copy=(timeout 60 sk-cat "kafka:$from?group=$group&until=end" -o "kafka:$topic"
		-X session.timeout.ms=9000 -X heartbeat.interval.ms=300)
	run_tool "${copy[@]}"
	assert_success
	assert_says 'waiting until the partitions of the group are shared out'
	values "$topic" | sort -n | uniq | diff - <(seq 1000)
	assert_all_committed "$group" "$from" 1000
}

@test "a bounded read waits for a member that is alive and has the rest" {
	numbers 1000
	fresh_topic 4
	# It is asleep: its partitions are neither read nor taken from it.
	sk-cat "kafka:$from?group=$group" -o append:one.out -X session.timeout.ms=6000 \
		-X heartbeat.interval.ms=200 2>said.one &
	one=$!
	until [[ -s one.out ]]; do sleep 0.1; done
	timeout 60 sk-cat "kafka:$from?group=$group&until=end" -o append:two.out \
		-X session.timeout.ms=6000 -X heartbeat.interval.ms=200 2>said.two &
	two=$!
	wait "$two"
	# Between them the two have all of it.
	cat one.out two.out | sort -n | uniq | diff - <(seq 1000)
	kill -TERM "$one"
	wait "$one"
	assert_all_committed "$group" "$from" 1000
}

@test "SIGTERM drains, commits and ends with 0; no gap and no duplicate" {
	numbers 100000
	fresh_topic 4
	for i in 1 2 3 4 5; do
		sk-cat "kafka:$from?group=$group" -o "kafka:$topic" -X batch.num.messages=20 \
			2>>said &
		pid=$!
		sleep "0.$((RANDOM % 60 + 30))"
		kill -TERM "$pid"
		wait "$pid"
	done
	run_tool sk-cat "kafka:$from?group=$group&until=end" -o "kafka:$topic"
	assert_success
	! grep -v ': waiting ' said || fail "$(<said)"
	values "$topic" | sort -n | cmp - <(seq 100000)
}

@test "an endless run commits while it is idle" {
	numbers 10
	sk-cat "kafka:$from?group=$group" -o append:out.ndjson &
	pid=$!
	for i in $(seq 50); do
		[[ $(admin committed "$group" "$from" | awk '$2 > 0 {n += $2} END {print n + 0}') != 10 ]] || break
		sleep 0.2
	done
	kill -KILL "$pid"
	wait "$pid" || true
	((i < 50))
	sort -n out.ndjson | diff - <(seq 10)
}

@test "a whole file is there before anything is committed" {
	numbers 1000
	mkdir shut
	run_tool sk-cat "kafka:$from?group=$group&until=end" -o missing/out.ndjson
	[[ $status != 0 ]]
	assert_all_committed "$group" "$from" 0
	run_tool sk-map 'if . == 500 then error("no") else . end' \
		"kafka:$from?group=$group&until=end" -o out.ndjson
	assert_status 65
	[[ ! -e out.ndjson ]]
	assert_all_committed "$group" "$from" 0
	run_tool sk-cat "kafka:$from?group=$group&until=end" -o out.ndjson
	assert_success
	sort -n out.ndjson | diff - <(seq 1000)
	assert_all_committed "$group" "$from" 1000
}

@test "a group into a pipe is refused, and both ways out are named" {
	numbers 10
	run_tool bash -c 'sk-cat "kafka:$1?group=$2&until=end" | cat; exit ${PIPESTATUS[0]}' . "$from" "$group"
	assert_status 64
	assert_says '--commit written'
	assert_says 'without group='
	assert_all_committed "$group" "$from" 0
	sk-cat "kafka:$from?group=$group&until=end" --commit written | sort -n | diff - <(seq 10)
	assert_all_committed "$group" "$from" 10
}

@test "what cannot be written is not committed" {
	numbers 1000
	run_tool bash -c 'sk-cat "kafka:$1?group=$2&until=end" >/dev/full' . "$from" "$group"
	assert_status 74
	assert_all_committed "$group" "$from" 0
	run_tool sk-cat "kafka:$from?group=$group&until=end" -o "kafka:missing-$$"
	assert_status 73
	assert_all_committed "$group" "$from" 0
}

@test "members come and go under load, and nothing is missing" {
	fresh_topic 6
	from=$topic group=g-$topic
	fresh_topic 6
	copy=(sk-cat "kafka:$from?group=$group" -o "kafka:$topic?partition=\$partition"
		-X session.timeout.ms=6000
		-X heartbeat.interval.ms=300 -X batch.num.messages=20)
	for i in $(seq 0 39); do
		seq $((i * 10000 + 1)) $((i * 10000 + 10000)) | admin lines "$from"
		sleep 0.1
	done &
	feeder=$!
	"${copy[@]}" 2>>said &
	one=$!
	sleep 1.5
	"${copy[@]}" 2>>said &
	two=$!
	sleep 1.5
	kill -TERM "$one"
	wait "$one"
	"${copy[@]}" 2>>said &
	one=$!
	sleep 1.5
	kill -TERM "$two"
	wait "$two"
	kill -TERM "$one"
	wait "$one"
	wait "$feeder"
	run_tool sk-cat "kafka:$from?group=$group&until=end" -o "kafka:$topic?partition=\$partition"
	assert_success
	! grep -v ': waiting ' said || fail "$(<said)"
	# Whoever had to let go had committed first: what it did is not done again.
	values "$topic" | sort -n | cmp - <(seq 400000)
	for p in 0 1 2 3 4 5; do
		sk-cat "kafka:$topic?until=end&partition=$p" >"part.$p"
		sk-cat "kafka:$from?until=end&partition=$p" | cmp - "part.$p"
	done
}

@test "a broker that is stopped and started again is waited for" {
	fresh_topic 6
	from=$topic group=g-$topic
	fresh_topic 6
	seq 1000 | admin lines "$from"
	sk-cat "kafka:$from?group=$group" -o "kafka:$topic" -X session.timeout.ms=6000 2>said &
	pid=$!
	sleep 1.5
	"$BROKER" halt "$BROKER_DIR" 2
	sleep 1
	"$BROKER" resume "$BROKER_DIR" 2
	seq 1001 2000 | admin lines "$from"
	for i in $(seq 60); do
		[[ $(values "$topic" | wc -l) -lt 2000 ]] || break
		sleep 0.5
	done
	kill -TERM "$pid"
	wait "$pid"
	! grep -v ': waiting ' said || fail "$(<said)"
	values "$topic" | sort -n | diff - <(seq 2000)
	assert_all_committed "$group" "$from" 2000
}

@test "one of three nodes is killed under load, and nothing is lost" {
	fresh_topic 6 3
	from=$topic group=g-$topic
	seq 400000 | admin lines "$from"
	fresh_topic 6 3
	sk-cat "kafka:$from?group=$group&until=end" -o "kafka:$topic" 2>said &
	pid=$!
	sleep 0.8
	"$BROKER" halt "$BROKER_DIR" 3 KILL
	wait "$pid"
	! grep -v ': waiting ' said || fail "$(<said)"
	"$BROKER" resume "$BROKER_DIR" 3
	values "$topic" | sort -n | cmp - <(seq 400000)
}
