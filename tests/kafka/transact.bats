#!/usr/bin/env bats
# What the last process sends becomes visible with the place of the first one, or never.

load helper
BROKER_OPTIONS=(--nodes 1 --set group.min.session.timeout.ms=500)

# numbers N [PARTITIONS]: a topic, numbered, with the values 1 .. N; and an app of its own
numbers() {
	fresh_topic "${2:-4}"
	from=$topic
	export SK_APP=a-$topic
	[[ $1 == 0 ]] || seq "$1" | admin lines "$from"
	fresh_topic 4
}

# The values of a topic that are there for good, as soon as there are N of them.
values() {
	local tries
	for ((tries = 0; tries < 100; tries++)); do
		admin dump "$1" | sed 's/.*"value":"\([^"]*\)".*/\1/' >values
		(($(wc -l <values) >= $2)) && break
		sleep 0.1
	done
	sort -n values
}

# Each partition of the source is committed by this epoch, to its end.
assert_committed() {
	admin committed "$SK_APP" "$from" >committed
	assert_equal "$(awk '{n += $2} END {print n}' committed)" "$1"
	assert_equal "$(grep -c "sk1 $2 " committed)" "$(wc -l <committed)"
}

@test "from topic to topic in one process, once each" {
	numbers 1000
	run_tool timeout 60 sk-cat "kafka:$from?until=end" -o "kafka:$topic" --exactly-once
	assert_success
	assert_silent
	values "$topic" 1000 | diff - <(seq 1000)
	assert_committed 1000 '1'
	run_tool timeout 60 sk-cat "kafka:$from?until=end" -o "kafka:$topic" --exactly-once
	assert_success
	seq 1001 1010 | admin lines "$from"
	run_tool timeout 60 sk-map . "kafka:$from?until=end" -o "kafka:$topic" --exactly-once
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

@test "with --at-least-once the transaction holds the place alone" {
	numbers 1000
	timeout 60 sk-cat "kafka:$from?until=end" --checkpoint 100ms |
		timeout 60 sk-cat -o "kafka:$topic" --at-least-once
	values "$topic" 1000 | diff - <(seq 1000)
	assert_committed 1000 1
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
