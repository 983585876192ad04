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
	seq 400000 | sed 's/.*/{"n":&,"text":"so that it takes a while to write"}/' |
		admin lines "$topic"
	capture=(sk-cat -i "kafka:$topic?group=g-$topic&until=end" -o 'capture:cap?roll=1M'
		-X session.timeout.ms=6000 -X heartbeat.interval.ms=300)
	kills=0
	for ((try = 0; try < 40 && kills < 5; try++)); do
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
		((kills)) || rm -rf cap
		[[ ! -d cap/$topic ]] || sk-cat capture:cap >/dev/null
	done
	((kills == 5)) || fail "killed $kills times only"
	run_tool "${capture[@]}"
	assert_success
	every_offset_once cap "$topic"
	[[ -z $(find cap -name '*.part') ]]
	run admin committed "g-$topic" "$topic"
	assert_equal "$(awk '{n += $2} END {print n}' <<<"$output")" 400000
}

@test "a group that is set back captures nothing twice, and one asked to end loses nothing" {
	fresh_topic 2
	seq 20000 | admin lines "$topic"
	sk-cat "kafka:$topic?group=g-$topic&until=end" -o capture:cap
	sk-kafka reset "g-$topic" --to earliest --yes >/dev/null
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
