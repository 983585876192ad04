#!/usr/bin/env bats
# Topics kept in files: whatever kills the run, every offset is there once, since the files say
# where to go on.

load helper

# every_offset_once CAPTURE TOPIC: against what the broker has
every_offset_once() {
	sk-map '"\($partition) \($offset)"' "capture:$1" | tr -d '"' >captured
	sort captured | uniq -d | head -n 3 >twice
	[[ ! -s twice ]] || fail "captured twice: $(<twice)"
	sk-map '"\($partition) \($offset)"' "kafka:$2?until=end" | tr -d '"' | sort >there
	sort captured | cmp - there
	# In order as well.
	awk '$2 < last[$1] {exit 1} {last[$1] = $2}' captured
}

@test "a group's capture, killed five times on the way, has every offset once" {
	fresh_topic 4
	capture=(sk-cat -i "kafka:$topic?group=g-$topic&until=end" -o 'capture:cap?roll=1M'
		-X session.timeout.ms=6000 -X heartbeat.interval.ms=300)
	kills=0 sent=0
	for ((try = 0; try < 40 && kills < 5; try++)); do
		# There is always something that no run has had yet.
		seq 100000 | sed 's/.*/{"n":&,"text":"so that it takes a while to write"}/' |
			admin lines "$topic"
		sent=$((sent + 100000))
		"${capture[@]}" 2>>said 3>&- &
		pid=$!
		# It must be at work: killed when it has written some more.
		before=$(du -sb cap 2>/dev/null | cut -f1)
		for ((i = 0; i < 1500; i++)); do
			now=$(du -sb cap 2>/dev/null | cut -f1)
			((${now:-0} <= ${before:-0} + RANDOM * 10)) || break
			kill -0 $pid 2>/dev/null || break
			sleep 0.01
		done
		kill -KILL $pid 2>/dev/null && kills=$((kills + 1))
		wait $pid || true
		[[ ! -d cap/$topic ]] || sk-cat capture:cap >/dev/null
	done
	((kills == 5)) || fail "killed $kills times only"
	run_tool "${capture[@]}"
	assert_success
	every_offset_once cap "$topic"
	[[ -z $(find cap -name '*.part') ]]
	run admin committed "g-$topic" "$topic"
	assert_equal "$(awk '{n += $2} END {print n}' <<<"$output")" $sent
}

# Wait until the group has no member: those that were killed are missed after a while.
group_is_empty() {
	for ((i = 0; i < 300; i++)); do
		[[ $(admin group "$1") != Empty* ]] || return 0
		sleep 0.1
	done
	fail "$(admin group "$1")"
}

# written BYTES: until the capture holds so much.
written() {
	for ((i = 0; i < 3000; i++)); do
		[[ $(du -sb cap 2>/dev/null | cut -f1) -lt $1 ]] || return 0
		sleep 0.01
	done
	fail "nothing was captured"
}

@test "the files say where to go on, whatever the group says" {
	fresh_topic 3
	seq 600000 | sed 's/.*/{"n":&,"text":"so that it takes a while to write"}/' |
		admin lines "$topic"
	capture=(sk-cat -v "kafka:$topic?group=g-$topic&until=end" -o 'capture:cap?roll=1M'
		-X session.timeout.ms=6000 -X heartbeat.interval.ms=300)
	"${capture[@]}" 2>>said 3>&- &
	pid=$!
	written 1000000
	kill -KILL $pid
	wait $pid || true
	had=$(sk-cat capture:cap | wc -l)
	((had > 0 && had < 600000))
	# The group would skip the rest.
	group_is_empty "g-$topic"
	sk-kafka reset "g-$topic" "$topic" --to latest --yes >/dev/null
	run_tool "${capture[@]}"
	assert_success
	assert_says "sk-cat: $((600000 - had)) records in = $((600000 - had)) output"
	every_offset_once cap "$topic"
	# It would begin anew.
	group_is_empty "g-$topic"
	sk-kafka reset "g-$topic" "$topic" --to earliest --yes >/dev/null
	run_tool "${capture[@]}"
	assert_success
	assert_says 'sk-cat: 0 records in'
	assert_equal "$(admin committed "g-$topic" "$topic" | awk '{n += $2} END {print n}')" 600000
	every_offset_once cap "$topic"
	# Without a group only what is asked for is read, and nothing that is there.
	seq 10 | admin lines "$topic"
	run_tool sk-cat -v "kafka:$topic?until=end&offset=5" -o capture:cap
	assert_success
	assert_says 'sk-cat: 10 records in = 10 output'
	every_offset_once cap "$topic"
}

@test "of a record of which several are made, all are captured once, kills or not" {
	fresh_topic 2
	seq 100000 | sed 's/.*/{"n":&,"items":[{"i":1},{"i":2},{"i":3}]}/' | admin lines "$topic"
	split=(sk-split .items --copy .n "kafka:$topic?group=g-$topic&until=end"
		-o 'capture:cap?roll=500K' -X session.timeout.ms=6000)
	for size in 50000 150000 250000; do
		"${split[@]}" 2>>said 3>&- &
		pid=$!
		written $size
		kill -KILL $pid
		wait $pid || true
		group_is_empty "g-$topic"
	done
	run_tool "${split[@]}"
	assert_success
	sk-map '"\(.n) \(.i)"' capture:cap | tr -d '"' | sort >got
	seq 100000 | awk '{for (i = 1; i <= 3; i++) print $1, i}' | sort | cmp - got
}

@test "what retention has removed before it was captured is told, markers are not missed" {
	fresh_topic 1
	seq 100 | admin transact "$topic" commit
	# The marker comes a little later.
	until [[ $(sk-cat "kafka:$topic?until=end" | wc -l) == 100 ]]; do sleep 0.1; done
	capture=(sk-cat "kafka:$topic?group=g-$topic&until=end" -o capture:cap)
	"${capture[@]}"
	# 100 records and a marker.
	admin trim "$topic" 0 101
	seq 101 200 | admin lines "$topic"
	run_tool "${capture[@]}"
	assert_success
	sk-cat capture:cap | diff - <(seq 200)
	seq 201 300 | admin lines "$topic"
	admin trim "$topic" 0 250
	run_tool "${capture[@]}"
	assert_status 65
	assert_says "$topic[0]: the first offset that is still there is 250, and 201 should be next"
	sk-cat capture:cap | diff - <(seq 200)
}

@test "a group that is set back captures nothing twice, and one asked to end loses nothing" {
	fresh_topic 2
	seq 20000 | admin lines "$topic"
	sk-cat "kafka:$topic?group=g-$topic&until=end" -o capture:cap
	sk-kafka reset "g-$topic" "$topic" --to earliest --yes >/dev/null
	seq 20001 30000 | admin lines "$topic"
	sk-cat "kafka:$topic?group=g-$topic" -o capture:cap 3>&- &
	pid=$!
	for ((i = 0; i < 200; i++)); do
		[[ $(admin committed "g-$topic" "$topic" | awk '{n += $2} END {print n}') != 30000 ]] ||
			break
		sleep 0.1
	done
	kill -TERM $pid
	wait $pid
	every_offset_once cap "$topic"
	assert_equal "$(wc -l <captured)" 30000
}

@test "no group is needed: the same range again adds what is new" {
	fresh_topic 3
	seq 1000 | admin lines "$topic"
	sk-cat "kafka:$topic?until=end" -o capture:cap
	seq 1001 1500 | admin lines "$topic"
	sk-cat "kafka:$topic?until=end" -o capture:cap
	every_offset_once cap "$topic"
	assert_equal "$(wc -l <captured)" 1500
}

@test "what a topic knows comes back from the files, field by field" {
	fresh_topic 2 1 retention.ms=-1
	cat >in <<-'END'
		{"partition":0,"ts":1000,"headers":[["h","x"],["h",null],["h",""],["b",{"b64":"/wA="}]],"key":{"b64":"/wAK"},"value":"{\"a\":1}"}
		{"partition":0,"ts":2000,"headers":[],"key":null,"value":null}
		{"partition":0,"ts":3000,"headers":[],"key":"","value":""}
		{"partition":1,"ts":4000,"headers":[],"key":"k","value":{"b64":"/woA"}}
		{"partition":1,"ts":5000,"headers":[],"key":"text","value":"null"}
	END
	admin produce "$topic" <in
	admin dump "$topic" >want
	sk-cat "kafka:$topic?until=end" -o capture:cap
	fresh_topic 2 1 retention.ms=-1
	sk-cat capture:cap -o "kafka:$topic?partition=\$partition"
	admin dump "$topic" | diff want -
}
