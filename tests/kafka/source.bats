#!/usr/bin/env bats
# Topics as a source: nothing is lost on the way into a line or an envelope and back, and a
# read begins and ends where it was told to.

load helper
BROKER_OPTIONS=()

# Every kind of message that a line could not hold, in a topic that never forgets old ones.
odd_topic() {
	fresh_topic 2 1 retention.ms=-1
	admin produce "$topic" <<'EOF'
{"partition":0,"ts":1700000000000,"key":"k","value":"{\"a\":1}"}
{"partition":1,"ts":1700000000001,"key":{"b64":"AP8Q"},"value":null}
{"partition":0,"ts":1700000000002,"key":null,"value":""}
{"partition":0,"ts":1700000000003,"key":"","value":"null"}
{"partition":0,"ts":1700000000003,"key":"","value":null}
{"partition":1,"ts":1700000000004,"key":"feeds","value":"{\n \"a\": [1,\r\n2]}\n"}
{"partition":0,"ts":1700000000005,"key":"text","value":"plain\ntext\n"}
{"partition":0,"ts":1700000000006,"key":"cr","value":"{\"a\":2}\r"}
{"partition":0,"ts":1700000000006,"key":"cr","value":"text\r"}
{"partition":1,"ts":1700000000007,"key":"blank","value":"   "}
{"partition":1,"ts":1700000000007,"key":"blank","value":"\t\r"}
{"partition":0,"ts":1700000000008,"key":"bytes","value":{"b64":"/wABAg=="}}
{"partition":0,"ts":1700000000008,"key":"text","value":"hello world"}
{"partition":0,"ts":1700000000008,"key":"space","value":"  {\"a\": 1.10} "}
{"partition":0,"ts":1700000000008,"key":"digits","value":"12345678901234567890"}
{"partition":0,"ts":9,"headers":[["a","1"],["a","2"],["b",null],["a",""],["",{"b64":"/w=="}],["ü","ü"]],"key":"h","value":"1"}
{"partition":1,"ts":1,"key":"old","value":"\"s\\u0000\""}
{"partition":1,"ts":-1,"key":"none","value":"3"}
{"partition":1,"ts":5,"key":"control\u0001\n","value":"\"\u007f\u2028\""}
{"partition":1,"ts":5,"key":"bom","value":"\ufeff1"}
{"partition":1,"ts":5,"key":"broken","value":"{\"a\":\"no end"}
{"partition":1,"ts":5,"key":"start","value":"{\"$sk\":\"start\",\"run\":\"x\"}"}
EOF
}

@test "envelopes are lossless through a pipe and within one process" {
	odd_topic
	from=$topic
	admin dump "$from" >want
	[[ $(wc -l <want) == 22 ]]
	fresh_topic 2 1 retention.ms=-1
	sk-cat -e "kafka:$from?until=end" | sk-cat -e -o "kafka:$topic?partition=\$partition"
	admin dump "$topic" | diff want -
	fresh_topic 2 1 retention.ms=-1
	run_tool sk-cat -e "kafka:$from?until=end" -o "kafka:$topic?partition=\$partition"
	assert_success
	assert_silent
	admin dump "$topic" | diff want -
	# Without -e as well: a topic is told as a topic.
	fresh_topic 2 1 retention.ms=-1
	run_tool sk-cat "kafka:$from?until=end" -o "kafka:$topic?partition=\$partition"
	assert_success
	admin dump "$topic" | diff want -
}

@test "messages with and without headers, with keys and values of all lengths" {
	# What follows a value in its batch may be the next message, headers, or nothing.
	jq -nc 'range(3000) | {partition:(.%2), offset:., ts:1700000000000, key:(if .%5==0 then null
		else "k"*(.%70)//"" end), headers:[range(if .%3==0 then (./3)%67 else 0 end) |
		["h", (if .%4==0 then null else "v"*(.%3)//"" end)]], value:(if .%11==0 then null
		else "s"*(.*7%130)//"" end)}' >want
	for codec in none zstd; do
		fresh_topic 2
		sk-cat -e want -X compression.codec=$codec -o "kafka:$topic?partition=\$partition"
		sk-cat -e "kafka:$topic?until=end" >got
		diff <(jq -sc 'sort_by(.ts, .partition)[] | [.key, .headers, .value]' want) \
			<(jq -sc 'sort_by(.partition)[] | [.key, .headers, .value]' got)
	done
}

@test "envelopes are lossless through a file" {
	odd_topic
	admin dump "$topic" >want
	sk-cat -e "kafka:$topic?until=end" -o file.ndjson.zst
	fresh_topic 2 1 retention.ms=-1
	sk-cat -e file.ndjson.zst -o "kafka:$topic?partition=\$partition"
	admin dump "$topic" | diff want -
}

@test "a bare line is the value, its line feeds made spaces" {
	fresh_topic 1
	printf '%s\n' '{"value":"{\"a\":\n1}"}' '{"value":"x y"}' '{"value":null}' \
		'{"value":" 1 "}' '{"value":"[1,\r\n2]\r"}' | admin produce "$topic"
	run_tool sk-cat "kafka:$topic?until=end"
	assert_success
	assert_output $'{"a": 1}\nx y\nnull\n 1 \n[1,  2] '
	run_tool sk-map . "kafka:$topic?until=end" --on-error skip
	assert_status 1
	assert_says "$topic[0]@1:1: "
	echo '{"value":"a\nb"}' | admin produce "$topic"
	run_tool sk-cat "kafka:$topic?until=end"
	assert_status 65
	assert_says "$topic[0]@5: the value is not JSON and holds a line feed: it needs -e"
}

@test "where to begin and where to end" {
	fresh_topic 1 1 retention.ms=-1
	for i in 0 1 2 3 4 5 6 7 8 9; do
		echo "{\"ts\":$((1577836800000 + i * 1000)),\"value\":\"$i\"}"
	done | admin produce "$topic"
	gives() {
		run_tool sk-cat "kafka:$topic?$2"
		assert_success
		assert_equal "${output//$'\n'/}" "$1"
	}
	gives 0123456789 until=end
	gives 0123456789 'until=end&offset=earliest'
	gives '' 'until=end&offset=latest'
	gives 789 'until=end&offset=-3'
	gives 0123456789 'until=end&offset=-99'
	gives 789 'until=end&offset=7'
	gives 34 'offset=3&until=5'
	gives '' 'offset=10&until=end'
	gives 56789 'until=end&offset=@2020-01-01T00:00:05Z'
	gives 56789 'until=end&offset=@2020-01-01T00:00:04.001Z'
	gives 56 'until=@2020-01-01T00:00:07Z&offset=@2020-01-01T00:00:05Z'
	gives 0123456789 "until=end&offset=@1969-12-31T23:59:59.999Z"
	gives '' 'until=end&offset=@2021-01-01T00:00:00Z'
	gives '' 'until=end&offset=@-2h'
	echo now | admin lines "$topic"
	gives now 'until=end&offset=@-2h'
	gives 0123456789 'until=@-2h'
	run_tool sk-cat "kafka:$topic?offset=11&until=end"
	assert_success
	run_tool sk-cat "kafka:$topic?offset=12&until=end"
	assert_status 66
}

@test "some partitions, several topics, a pattern that leaves internal topics out" {
	fresh_topic 6
	for p in 0 1 2 3 4 5; do
		echo "{\"partition\":$p,\"value\":\"$p\"}"
	done | admin produce "$topic"
	first=$topic
	run_tool sk-cat "kafka:$first?partition=0,3-4&until=end"
	assert_success
	assert_equal "$(sort <<<"$output" | tr -d '\n')" 034
	run_tool sk-cat "kafka:$first?partition=6&until=end"
	assert_status 66
	assert_says 'has no partition 6'
	fresh_topic 1
	echo '"b"' | admin lines "$topic"
	run_tool sk-cat "kafka:$first,$topic?until=end"
	assert_success
	assert_equal "$(sort <<<"$output" | tr -d '\n')" '"b"012345'
	sk-cat "kafka:$topic?until=end&group=g-$topic" -o /dev/null
	run_tool sk-map '$topic' "kafka:^($topic|__.*)\$?until=end"
	assert_success
	assert_output "\"$topic\""
	run_tool sk-map '$topic' "kafka:^${first:0:8}.*${first: -6}\$?until=end"
	assert_equal "$(sort -u <<<"$output")" "\"$first\""
}

@test "merged by time, partitions come in the order of a merged capture" {
	local t p i
	fresh_topic 3 1 retention.ms=-1
	first=$topic
	fresh_topic 2 1 retention.ms=-1
	# Within a partition times fall back now and then, and many are equal.
	records() {
		awk -v seed="$1" -v partitions="$2" 'BEGIN {
			srand(seed)
			for (i = 0; i < 3000; i++) {
				p = int(rand() * partitions)
				ts[p] += int(rand() * 4) - 1
				printf "{\"partition\":%d,\"ts\":%d,\"key\":\"k%d\",\"value\":\"%d\"}\n",
					p, 1600000000000 + ts[p], i, i
			}
		}'
	}
	records 1 3 | admin produce "$first"
	records 2 2 | admin produce "$topic"
	sk-cat "kafka:$first,$topic?until=end" -o capture:cap
	run_tool sk-cat -e "kafka:$first,$topic?until=end&merge=time" -o merged
	assert_success
	assert_silent
	[[ $(wc -l <merged) == 6000 ]]
	sk-cat -e 'capture:cap?merge=time' | cmp - merged
	# The same within bounds, and where some partitions are empty.
	sk-cat -e "kafka:$topic?until=7&partition=1&offset=3&merge=time" -o some
	sk-cat -e "capture:cap?topic=$topic&partition=1&from=3&to=7" | cmp - some
	fresh_topic 4
	run_tool sk-cat "kafka:$topic?until=end&merge=time"
	assert_success
	assert_output ''
}

@test "topics made later that match a pattern are taken up, the run's own output is not" {
	fresh_topic 1
	topic_create "$topic-a" 1
	echo '"a"' | admin lines "$topic-a"
	topic_create "$topic-out" 1
	sk-cat "kafka:^$topic-?group=g-$topic" -o "kafka:$topic-out" \
		-X topic.metadata.refresh.interval.ms=500 2>said &
	pid=$!
	until [[ $(sk-cat "kafka:$topic-out?until=end") == '"a"' ]]; do sleep 0.2; done
	topic_create "$topic-b" 2
	echo '"b"' | admin lines "$topic-b"
	until [[ $(sk-cat "kafka:$topic-out?until=end" | wc -l) != 1 ]]; do sleep 0.2; done
	sleep 1
	kill -TERM "$pid"
	wait "$pid"
	! grep -v ': waiting ' said || fail "$(<said)"
	run_tool sk-cat "kafka:$topic-out?until=end"
	assert_output $'"a"\n"b"'
}

@test "a topic that the run itself writes is not read without an end" {
	fresh_topic 1
	echo 1 | admin lines "$topic"
	run_tool sk-cat "kafka:$topic?offset=earliest" -o "kafka:$topic"
	assert_status 64
	assert_says 'is written in this run too'
	run_tool sk-cat "kafka:$topic?offset=earliest" -o "kafka:${topic:0:3}{.x}" --allow '*'
	assert_status 64
	run_tool sk-cat "kafka:$topic?offset=earliest" -o out --dead-letter "kafka:$topic"
	assert_status 64
	run_tool sk-cat "kafka:$topic?until=end" -o "kafka:$topic"
	assert_success
	run_tool sk-cat "kafka:$topic?until=end"
	assert_output $'1\n1'
}

@test "transactions: what is committed, unless uncommitted is asked for" {
	fresh_topic 1
	seq 3 | admin transact "$topic" commit
	seq 4 5 | admin transact "$topic" abort
	seq 6 7 | admin transact "$topic" commit
	run_tool sk-cat "kafka:$topic?until=end"
	assert_success
	assert_output $'1\n2\n3\n6\n7'
	run_tool sk-cat "kafka:$topic?until=end&isolation=uncommitted"
	assert_output $'1\n2\n3\n4\n5\n6\n7'
	run_tool sk-cat "kafka:$topic?until=end&isolation=committed&group=g-$topic" -o out
	assert_success
	assert_file out 1 2 3 6 7
}

@test "what is no option of a source is told before a broker is asked" {
	export SK_BROKERS=127.0.0.1:1
	refused() {
		run_tool sk-cat "kafka:$1"
		assert_status 64
		assert_says "$2"
	}
	refused 't?color=red' 'no option color=red'
	refused 't?offset=soon' 'offset=soon is none of'
	refused 't?offset=--5' 'offset=--5 is none of'
	refused 't?offset=99999999999999999999' 'is none of'
	refused 't?until=-5' 'until=-5 is none of'
	refused 't?partition=4294967296' 'is no list'
	refused 't?partition=3-1' 'is no list'
	refused 't?partition=1,' 'is no list'
	refused 't?group=g&group=h' 'group is given twice'
	refused 't?group=' 'no option group='
	refused 't?group=g&partition=0' 'exclude each other'
	refused 't?until' 'is no option'
	refused 't?merge=size' 'no option merge=size'
	refused 't?merge=time' 'merge=time needs until='
	refused 't?merge=time&until=end&group=g' 'merge=time and group exclude each other'
	refused '' 'empty'
	refused 't,' 'empty'
}

@test "no such topic, no such broker, and nothing is made" {
	run_tool sk-cat "kafka:missing-$$?until=end"
	assert_status 66
	run_tool sk-cat "kafka:missing-$$?until=end&group=g" -o out
	assert_status 66
	run admin topics
	[[ $output != *missing-$$* ]]
}

@test "a burst reaches a pipe though the topic then falls silent" {
	fresh_topic 1
	mkfifo pipe
	sk-cat "kafka:$topic?offset=earliest" >pipe &
	pid=$!
	exec 5<pipe
	seq 2500 | admin lines "$topic"
	run timeout 20 head -n 2500 <&5
	exec 5<&-
	kill "$pid" 2>/dev/null || true
	wait "$pid" || true
	assert_equal "${lines[2499]}" 2500
}

@test "a reader that sleeps longer than max.poll.interval costs no membership" {
	fresh_topic 1
	seq 300000 | sed 's/.*/{"n":&,"text":"so that a pipe is full soon"}/' | admin lines "$topic"
	sk-cat "kafka:$topic?group=g-$topic&until=end" --commit written \
		-X max.poll.interval.ms=6000 -X session.timeout.ms=6000 2>said |
		{ sleep 15 && cat; } >out
	[[ ! -s said ]]
	[[ $(wc -l <out) == 300000 ]]
	assert_equal "$(sed 's/{"n":\([0-9]*\),.*/\1/' out | sort -nu | wc -l)" 300000
	run admin committed "g-$topic" "$topic"
	assert_output --regexp '^0 300000'
}

@test "a queue that was full is filled again at once, not a second later" {
	fresh_topic 4
	seq 160000 | sed 's/.*/{"n":&,"text":"so that the queue is full a hundred times"}/' |
		admin lines "$topic"
	run_tool timeout 20 sk-cat -X queued.max.messages.kbytes=64 \
		-X fetch.message.max.bytes=20000 "kafka:$topic?until=end" -o out
	assert_success
	assert_silent
	[[ $(wc -l <out) == 160000 ]]
}
