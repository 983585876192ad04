#!/usr/bin/env bats
# sk-kafka on a real broker: topics, groups, lag, offsets, reset.

load helper

# A fresh topic whose records may be of 1970.
kept_topic() {
	fresh_topic "$1" retention.ms=-1
}

# values N [FROM]: N records, keys that spread, a timestamp each second from 1970 on.
values() {
	seq "${2-1}" "$((${2-1} + $1 - 1))" |
		sed 's/.*/{"partition":0,"ts":&000,"key":"k&","value":"&"}/'
}

# Read topic to its end as the group; sets group.
read_as_group() {
	group=g-$topic
	sk-cat -i "kafka:${1-$topic}?group=$group&until=end" -o /dev/null
}

# The field $2 of the rows that sk-kafka --json prints for the rest, on one line.
field() {
	sk-kafka --json "${@:2}" | jq -rs "map(.$1 | tostring) | join(\" \")"
}

# Columns of the table in $output as words with one blank between.
squeezed() {
	tr -s ' ' <<<"$output" | sed 's/ $//'
}

@test "topics shows partitions, records, and the settings that are a topic's own" {
	fresh_topic 3 cleanup.policy=compact retention.ms=-1
	values 7 | admin produce "$topic"
	run_tool sk-kafka topics "$topic"
	assert_success
	assert_silent
	assert_equal "$(squeezed)" "TOPIC PARTITIONS REPLICAS RECORDS SETTINGS
$topic 3 1 7 cleanup.policy=compact
 retention.ms=-1"
	awk 'length > 80 { exit 1 }' <<<"$output"
	run_tool sk-kafka --json topics "$topic"
	assert_output '{"topic":"'"$topic"'","partitions":3,"replicas":1,"in_sync":1,"records":7,"internal":false,"settings":{"cleanup.policy":"compact","retention.ms":"-1"}}'
}

@test "topics lists all, sorted; internal ones with --all or by name" {
	kept_topic 1
	read_as_group
	run_tool sk-kafka topics
	assert_success
	assert_line --partial "$topic"
	refute_output --partial __consumer_offsets
	run_tool sk-kafka topics --all
	assert_line --partial __consumer_offsets
	run_tool sk-kafka topics __consumer_offsets
	assert_line --partial __consumer_offsets
	sk-kafka topics --all --json | jq -r .topic >names
	sort -c names
}

@test "what isn't there is told: topics, groups" {
	run_tool sk-kafka topics no-such-topic
	assert_status 66
	assert_output ''
	assert_said "sk-kafka: there is no topic 'no-such-topic'"
	run_tool sk-kafka offsets no-such-topic
	assert_status 66
	run_tool sk-kafka lag no-such-group
	assert_status 66
	assert_output ''
	assert_said "sk-kafka: there is no group 'no-such-group'"
	run_tool sk-kafka groups no-such-group
	assert_status 66
	run_tool sk-kafka reset no-such-group --to earliest --yes
	assert_status 66
	run_tool sk-kafka topics --all
	refute_output --partial no-such-topic
}

@test "offsets shows beginning, end, and the offset of a time" {
	kept_topic 2
	values 9 | admin produce "$topic"
	admin trim "$topic" 0 2
	run_tool sk-kafka offsets "$topic" --at @1970-01-01T00:00:05Z
	assert_success
	assert_silent
	assert_equal "$(squeezed)" "TOPIC PARTITION LEADER FIRST END RECORDS AT
$topic 0 1 2 9 7 4
$topic 1 1 0 0 0 0"
	run_tool sk-kafka offsets "$topic" --json
	assert_line --index 0 '{"topic":"'"$topic"'","partition":0,"leader":1,"first":2,"end":9,"records":7}'
	assert_equal "$(field at offsets "$topic" --at @-1h)" '9 0'
}

@test "an open transaction is after the end" {
	kept_topic 1
	values 3 | admin produce "$topic"
	seq 4 | admin transact "$topic" hang
	assert_equal "$(field end offsets "$topic")" 3
}

@test "lag, group by group; a table ends with the sum" {
	kept_topic 2
	values 5 | admin produce "$topic"
	values 1 | sed 's/"partition":0/"partition":1/' | admin produce "$topic"
	read_as_group
	values 3 6 | admin produce "$topic"
	run_tool sk-kafka lag "$group"
	assert_success
	assert_silent
	assert_equal "$(squeezed)" "TOPIC PARTITION FIRST COMMITTED END LAG MEMBER
$topic 0 0 5 8 3 -
$topic 1 0 1 1 0 -
total 3"
	run_tool sk-kafka lag "$group" --json
	assert_line --index 0 '{"group":"'"$group"'","topic":"'"$topic"'","partition":0,"first":0,"committed":5,"end":8,"lag":3,"id":null,"member":null}'
	refute_output --partial total
}

@test "lag does not count what retention has deleted" {
	kept_topic 1
	values 9 | admin produce "$topic"
	read_as_group
	sk-kafka reset "$group" --to 2 --yes >/dev/null
	admin trim "$topic" 0 5
	assert_equal "$(field lag lag "$group")" 4
	assert_equal "$(field committed lag "$group")" 2
}

@test "lag keeps to the topics that are named" {
	kept_topic 1
	one=$topic
	kept_topic 1
	values 2 | admin produce "$topic"
	values 2 | admin produce "$one"
	read_as_group "$one,$topic"
	assert_equal "$(field topic lag "$group" | tr ' ' '\n' | sort)" \
		"$(printf '%s\n' "$one" "$topic" | sort)"
	assert_equal "$(field topic lag "$group" "$one")" "$one"
}

@test "a group is shown with its members, and can't be reset while it has some" {
	kept_topic 2
	values 5 | admin produce "$topic"
	read_as_group
	sk-cat -i "kafka:$topic?group=$group" -o append:seen &
	member=$!
	for ((i = 0; i < 100; i++)); do
		[[ $(field state groups "$group") == Stable ]] && break
		sleep 0.1
	done
	run_tool sk-kafka groups "$group"
	assert_success
	assert_equal "$(squeezed)" "GROUP STATE MEMBER HOST ASSIGNED
$group Stable streamkit 127.0.0.1 $topic[0,1]"
	run_tool sk-kafka groups
	assert_output --regexp "$group +Stable +range +1"
	assert_equal "$(sk-kafka groups "$group" --json | jq -c '[.group, .state, .assignor,
		(.members[] | .instance, .client, .host, (.assigned | length))]')" \
		'["'"$group"'","Stable","range",null,"streamkit","127.0.0.1",2]'
	run_tool sk-kafka lag "$group"
	assert_output --regexp "$topic +0 +0 +5 +5 +0 +streamkit"

	run_tool sk-kafka reset "$group" --to earliest --yes
	assert_status 75
	assert_output ''
	assert_says "sk-kafka: group '$group' has 1 active member"
	run_tool sk-kafka reset "$group" --to earliest
	assert_status 75
	assert_equal "$(squeezed | sed -n 2p)" "$topic 0 0 5 5 0 -5"
	assert_says 'has 1 active member'

	kill "$member"
	wait "$member"
	assert_equal "$(field committed lag "$group" | cut -d' ' -f1)" 5
	assert_equal "$(field state groups "$group")" Empty
	run_tool sk-kafka groups "$group"
	assert_equal "$(squeezed | sed -n 2p)" "$group Empty - - -"
	sk-kafka reset "$group" --to earliest --yes
	[[ ! -s seen ]]
}

@test "reset changes nothing without --yes" {
	kept_topic 1
	values 5 | admin produce "$topic"
	read_as_group
	run_tool sk-kafka reset "$group" --to 2
	assert_success
	assert_equal "$(squeezed)" "TOPIC PARTITION FIRST COMMITTED END TO CHANGE
$topic 0 0 5 5 2 -3"
	assert_said 'sk-kafka: nothing is changed without --yes'
	assert_equal "$(field committed lag "$group")" 5
	run_tool sk-kafka reset "$group" --to 2 --json
	assert_silent
	assert_output '{"group":"'"$group"'","topic":"'"$topic"'","partition":0,"first":0,"committed":5,"end":5,"to":2,"change":-3,"done":false}'
	assert_equal "$(field committed lag "$group")" 5
}

@test "reset --yes: what the group reads next begins there" {
	kept_topic 1
	values 9 | admin produce "$topic"
	read_as_group
	check() {
		run_tool sk-kafka reset "$group" --to "$1" --yes
		assert_success
		assert_silent
		assert_equal "$(field committed lag "$group")" "$2"
	}
	check earliest 0
	check latest 9
	check 4 4
	check -3 6
	check -99 0
	check @1970-01-01T00:00:08Z 7
	check @-1h 9
	check @1970-01-01T00:00:00.500Z 0
	check 7 7
	sk-cat -i "kafka:$topic?group=$group&until=end" >out
	assert_file out 8 9
	admin trim "$topic" 0 5
	check 1 5
	assert_equal "$(field done reset "$group" --to latest --yes)" true
}

@test "reset of some topics, of one partition, of what was never committed" {
	kept_topic 2
	one=$topic
	kept_topic 2
	for t in "$one" "$topic"; do
		values 3 | admin produce "$t"
		values 3 | sed 's/"partition":0/"partition":1/' | admin produce "$t"
	done
	read_as_group "$one"
	run_tool sk-kafka reset "$group" "$one" --partition 1 --to earliest --yes
	assert_success
	assert_equal "$(squeezed)" "TOPIC PARTITION FIRST COMMITTED END TO CHANGE
$one 1 0 3 3 0 -3"
	assert_equal "$(field committed lag "$group")" '3 0'
	run_tool sk-kafka reset "$group" "$topic" --to -1 --yes
	assert_success
	assert_line --index 1 --regexp "$topic +0 +0 +- +3 +2 +-$"
	assert_equal "$(field committed lag "$group" "$topic")" '2 2'
	assert_equal "$(field committed lag "$group" "$one")" '3 0'
}

@test "a reset that can't be is refused as a whole" {
	kept_topic 2
	values 5 | admin produce "$topic"
	read_as_group
	run_tool sk-kafka reset "$group" "$topic" --to 4 --yes
	assert_status 66
	assert_said "sk-kafka: $topic[1]: offset 4 is beyond the end, 0"
	run_tool sk-kafka reset "$group" --partition 7 --to 0 --yes
	assert_status 66
	assert_said 'sk-kafka: there is no partition 7'
	run_tool sk-kafka reset "$group" no-such-topic --to 0 --yes
	assert_status 66
	assert_equal "$(field committed lag "$group" | cut -d' ' -f1)" 5
}

@test "a topic that is gone: its offsets are shown, and left as they are" {
	kept_topic 1
	one=$topic
	kept_topic 1
	values 2 | admin produce "$topic"
	values 2 | admin produce "$one"
	read_as_group "$one,$topic"
	sk-kafka reset "$group" --to 1 --yes >/dev/null
	topic_delete "$one"
	for ((i = 0; i < 50; i++)); do
		sk-kafka topics "$one" >/dev/null 2>&1 || break
		sleep 0.1
	done
	# The broker forgets what was committed of a topic some time after it is deleted.
	[[ " $(field topic lag "$group") " == *" $topic "* ]]
	run_tool sk-kafka lag "$group" --json
	assert_success
	run_tool sk-kafka reset "$group" --to latest --yes
	assert_success
	assert_equal "$(field committed lag "$group" "$topic")" 2
}

@test "brokers and properties by option, file and environment" {
	kept_topic 1
	at=$SK_BROKERS
	unset SK_BROKERS
	run_tool sk-kafka topics "$topic"
	assert_status 64
	run_tool sk-kafka topics "$topic" -b "$at"
	assert_success
	echo "bootstrap.servers=$at" >kafka.conf
	run_tool sk-kafka topics "$topic" -F kafka.conf -X client.id=me
	assert_success
	run_tool sk-kafka topics -b "$at" -X sasl.password=xyzzy
	assert_status 64
	[[ $stderr != *xyzzy* ]]
	run_tool sk-kafka topics -b "$at" -X no.such=1
	assert_status 64
}

@test "brokers that aren't there" {
	run_tool sk-kafka topics -b 127.0.0.1:1
	assert_status 69
	assert_output ''
	assert_says 'sk-kafka: '
}

@test "output that cannot be written is an error" {
	kept_topic 1
	run_tool bash -c "sk-kafka topics $topic >/dev/full"
	assert_status 74
	assert_said 'sk-kafka: stdout: No space left on device'
}

@test "what makes no sense is refused before a broker is asked" {
	export SK_BROKERS=127.0.0.1:1
	refused() {
		run_tool sk-kafka "${@:2}"
		assert_status 64
		assert_output ''
		assert_says "$1"
	}
	refused 'a verb is missing'
	refused "unknown verb 'frob'" frob
	refused 'lag needs a group' lag
	refused 'offsets needs a topic' offsets
	refused 'reset needs a group' reset --to latest
	refused 'reset needs --to' reset g
	refused "--to: 'tomorrow' is none of" reset g --to tomorrow
	refused '@-2h: two hours ago' reset g --to -2h
	refused '--to, --yes and --partition are for reset' lag g --yes
	refused '--to, --yes and --partition are for reset' topics --to latest
	refused '--at is for offsets' topics --at @-1h
	refused "--at: '5' is no @TIME" offsets t --at 5
	refused '--partition' reset g --to 1 --partition -1
}
