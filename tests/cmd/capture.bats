#!/usr/bin/env bats
# capture:DIR as a sink and as a source, over files.

load helper

# envelopes FROM TO [PARTITIONS]: the lines of offsets FROM .. TO-1 of each partition.
envelopes() {
	awk -v from="$1" -v to="$2" -v n="${3:-1}" 'BEGIN {
		for (o = from; o < to; o++)
			for (p = 0; p < n; p++)
				printf "{\"topic\":\"orders\",\"partition\":%d,\"offset\":%d," \
					"\"ts\":%.0f,\"time\":null,\"key\":\"k%d\"," \
					"\"headers\":[[\"h\",\"%d\"]],\"value\":{\"n\":%d}}\n", \
					p, o, 1700000000000 + o * n + p, o, p, o
	}'
}

offsets() {
	sk-cat -e "$1" | jq -c .offset | tr '\n' ' '
}

@test "what goes in comes out, envelope and all" {
	envelopes 0 500 3 >in
	run_tool sk-cat -e in -o capture:cap
	assert_success
	assert_silent
	sk-cat -e 'capture:cap?merge=time' | cmp - in
	sk-cat -e capture:cap | cmp - <(for p in 0 1 2; do grep "\"partition\":$p," in; done)
	run_tool sk-cat 'capture:cap?partition=1&from=3&to=5'
	assert_output $'{"n":3}\n{"n":4}'
	run ls cap cap/orders cap/orders/1
	assert_output 'cap:
@lock
manifest.ndjson
orders

cap/orders:
0
1
2

cap/orders/1:
00000000000000000000.ndjson.zst'
	zstd -dcq cap/orders/2/*.zst | cmp - <(grep '"partition":2,' in)
}

@test "the same input again adds nothing, more of it adds what is new" {
	envelopes 0 100 2 >a
	envelopes 50 130 2 >b
	sk-cat -e a -o capture:cap
	sk-cat -e a -o capture:cap
	sk-cat -e b -o capture:cap
	sk-cat -e 'capture:cap?merge=time' | cmp - <(envelopes 0 130 2)
}

@test "the manifest tells of each segment" {
	envelopes 7 207 2 >in
	sk-cat -e in -o 'capture:cap?roll=10k'
	run jq -s '.[0].capture == 1 and .[0].numbered == [] and
		(.[1:] | map(.count) | add) == 400 and
		(.[1:] | all(.last - .first + 1 == .count and .repeat == 1 and
			.min_ts < .max_ts and .unpacked < 10240)) and
		([.[1:][] | select(.partition == 1)] | length > 1 and .[0].first == 7 and
			([.[1:], .[:-1]] | transpose | all(.[0].first == .[1].last + 1)))' \
		cap/manifest.ndjson
	assert_output true
	jq -r 'select(.file) | "\(.bytes) cap/\(.file)"' cap/manifest.ndjson | while read -r n file; do
		[ "$(stat -c %s "$file")" = "$n" ]
	done
}

@test "a file is known again by its name and the places of its lines" {
	printf '{"a":%d}\n' 1 2 3 >log.ndjson
	sk-cat log.ndjson -o capture:cap
	printf '{"a":4}\n' >>log.ndjson
	sk-cat log.ndjson -o capture:cap
	run_tool sk-cat capture:cap
	assert_output $'{"a":1}\n{"a":2}\n{"a":3}\n{"a":4}'
	echo '{"another":1}' >log.ndjson
	run_tool sk-cat log.ndjson -o capture:cap
	assert_status 78
	assert_says 'sk-cat: capture:cap: log.ndjson[0]@0 was captured with other contents'
}

@test "records from a pipe, and of paths if they are given a name, are numbered" {
	printf '{"a":%d}\n' 1 2 | sk-cat -o capture:cap
	printf '{"a":%d}\n' 1 2 | sk-cat -o capture:cap
	[ "$(offsets capture:cap)" = "0 1 2 3 " ]
	run jq -c 'select(.capture).numbered' cap/manifest.ndjson
	assert_output '["records"]'
	mkdir in
	echo '{"a":5}' >in/x
	run_tool sk-cat in/x -o capture:cap
	assert_status 65
	assert_says "'in/x' is no name of a topic"
	assert_says '?topic=NAME'
	sk-cat in/x -o 'capture:cap?topic=mine'
	run_tool sk-cat -e 'capture:cap?topic=mine'
	assert_output '{"topic":"mine","partition":0,"offset":0,"ts":null,"time":null,"key":null,"headers":[],"value":{"a":5}}'
}

@test "records that cannot be filed are bad records" {
	{ envelopes 0 2; echo '{"topic":"../x","partition":0,"offset":1,"value":9}'; envelopes 2 4; } >in
	run_tool sk-cat -e in -o capture:cap
	assert_status 65
	run_tool sk-cat -e in -o capture:other --dead-letter bad
	assert_status 1
	[ "$(offsets capture:other)" = "0 1 2 3 " ]
	[ ! -e x ]
	[ ! -e other/x ]
	run jq -c .value bad
	assert_output 9
}

@test "several records made of one are kept together and replayed together" {
	{ envelopes 0 3; } | jq -c '.value={items:[{i:1},{i:1},{i:2}]}' >in
	sk-split -e .items in -o capture:cap
	sk-split -e .items in -o capture:cap
	[ "$(offsets capture:cap)" = "0 0 0 1 1 1 2 2 2 " ]
}

@test "one writer at a time" {
	mkfifo fifo
	sk-cat -e fifo -o capture:cap 3>&- &
	exec 4>fifo
	envelopes 0 5 >&4
	for _ in $(seq 100); do [ -s cap/@lock ] && break; sleep 0.05; done
	envelopes 5 9 >in
	run_tool sk-cat -e in -o capture:cap
	assert_status 75
	assert_said "sk-cat: capture:cap: process $! writes to it"
	for _ in $(seq 100); do [ "$(offsets capture:cap)" = "0 1 2 3 4 " ] && break; sleep 0.05; done
	[ "$(offsets capture:cap)" = "0 1 2 3 4 " ]
	exec 4>&-
	wait $!
}

@test "a capture and other inputs don't mix, and a damaged one is told" {
	envelopes 0 5 >in
	sk-cat -e in -o capture:cap
	run_tool sk-cat capture:cap in
	assert_status 64
	run_tool sk-cat capture:cap --merge-by .n
	assert_status 64
	run_tool sk-cat capture:none
	assert_status 66
	assert_said 'sk-cat: capture:none: No such file or directory'
	file=cap/orders/0/00000000000000000000.ndjson.zst
	damage $file 40
	run_tool sk-cat capture:cap
	assert_status 65
	assert_says "sk-cat: $file: damaged: "
	run_tool sk-cat 'capture:cap?topic=orders&topic='
	assert_status 64
}

@test "a bad record is said by its place in the topic" {
	envelopes 0 3 >in
	sk-cat -e in -o capture:cap
	run_tool sk-map '.n | test(1)' capture:cap
	assert_status 65
	assert_says 'orders[0]@0'
}

@test "killed at any moment and run again, every offset is there once" {
	envelopes 0 60000 3 >in
	start=$(date +%s%N)
	sk-cat -e in -o 'capture:whole?roll=200k'
	took=$((($(date +%s%N) - start) / 1000))
	kills=0
	for i in $(seq 25); do
		sk-cat -e in -o 'capture:cap?roll=200k' 3>&- &
		pid=$!
		delay=$((took * (RANDOM % 100) / 100))
		sleep "$(printf '%d.%06d' $((delay / 1000000)) $((delay % 1000000)))"
		kill -9 $pid 2>/dev/null && kills=$((kills + 1))
		wait $pid 2>/dev/null || true
		# Whatever is there can be read, from the first offset on without a gap.
		[ ! -d cap/orders ] || sk-cat -e capture:cap | jq -r '"\(.partition) \(.offset)"' |
			awk '$2 != n[$1]++ { exit 1 }'
		# Every fifth time it starts anew.
		((i % 5)) || { sk-cat -e in -o 'capture:cap?roll=200k'
			sk-cat -e 'capture:cap?merge=time' | cmp - in
			rm -rf cap; }
	done
	((kills > 5))
}
