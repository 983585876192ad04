#!/usr/bin/env bats
# Event time over partitions: what holds it back, and what does not.

load helper
BROKER_OPTIONS=()

# For a subshell: groups of one key, due after a second of event time; what is due by the watermark
# goes out.
due() {
	exec sk-aggregate -i "kafka:$1" -k .k --time .t --time-unit s --timeout 1s --merge array \
		--at-end drop --closed 1d --late append:late "${@:2}"
}

# A topic of four partitions, each with the same 20,000 seconds, which a catch-up reads one after
# the other.
four_alike() {
	local p
	fresh_topic 4
	for p in 0 1 2 3; do
		seq 1 20000 | jq -c --argjson p $p \
			'{partition:$p,key:"k",value:({k:.,t:.}|tojson)}'
	done | admin produce "$topic"
}

# The file $1 has a group of four for each second, and nothing was late. Those of the last two
# seconds are not due at the end, and are dropped.
assert_all_met() {
	assert_equal "$(wc -l <"$1")" 19998
	assert_equal "$(jq -c 'select(length != 4)' "$1")" ""
	[ ! -s late ]
}

@test "a partition that is read after the others makes nothing late" {
	four_alike
	(due "$topic?until=end" -o out)
	assert_all_met out
}

@test "nor does one of a group that is assigned while others are read" {
	four_alike
	for group in 1 2 3; do
		(due "$topic?until=end&group=g$group-$topic" -o "out.$group")
		assert_all_met "out.$group"
	done
}

@test "time goes on within what is read first, as far as all partitions have told it" {
	for partitions in 1 3; do
		fresh_topic $partitions
		for ((p = 0; p < partitions; p++)); do
			seq 1 20 | jq -c --argjson p $p '{partition:$p,key:"k",value:({t:.}|tojson)}'
		done | admin produce "$topic"
		: >out
		# Nothing follows that would move it.
		sk-window -i "kafka:$topic?offset=earliest" --tumbling 1s -a n=count --time .t \
			--time-unit s >out 3>&- &
		pid=$!
		for ((tries = 0; tries < 300; tries++)); do
			[[ $(wc -l <out) -lt 18 ]] || break
			sleep 0.1
		done
		kill $pid
		wait $pid
		[ "$(jq -s 'map(.n) | add' out)" -ge $((18 * partitions)) ]
	done
}

# How far, in seconds, a partition is ahead of the other while both have more.
lead() {
	jq -n 'reduce inputs as $e ({most: 0}; .[$e.partition | tostring] |= ([., $e.value.t] | max)
		| if .["0"] and .["1"] and .["0"] < 30000 and .["1"] < 30000
		then .most = ([.most, .["0"] - .["1"], .["1"] - .["0"]] | max) else . end) | .most' out
}

@test "--align: no partition is read further ahead of the others, and all are read" {
	fresh_topic 3
	for p in 0 1; do
		seq 1 30000 | jq -c --argjson p $p \
			'{partition:$p,key:"k",value:({k:.,t:.,pad:("x" * 100)}|tojson)}'
	done | admin produce "$topic"
	# The last record of one is old; the third is empty.
	printf '{"partition":1,"key":"k","value":"{\\"k\\":3,\\"t\\":3}"}\n' | admin produce "$topic"
	sk-cat -i "kafka:$topic?until=end" --time .t --time-unit s --align 100s --envelope=out -o out
	assert_equal "$(wc -l <out)" 60001
	# What one read takes comes to that, 2048 records of either.
	[ "$(lead)" -le $((100 + 2 * 2048)) ] || fail "a lead of $(lead)"
	jq -c 'select(.partition == 0).value.t' out | cmp - <(seq 1 30000)
	(due "$topic?until=end" --align 100s -o out)
	assert_equal "$(jq -c 'select(length == 2)' out | wc -l)" 29998
}

@test "--align: who waits for more is waited for by nobody; other sources have no partitions" {
	fresh_topic 2
	{
		printf '{"partition":0,"key":"k","value":"{\\"t\\":1}"}\n'
		printf '{"partition":1,"key":"k","value":"{\\"t\\":%s}"}\n' 2 5000 10000
	} | admin produce "$topic"
	sk-cat -i "kafka:$topic?offset=earliest" --time .t --time-unit s --align 10s \
		--envelope=out >out 3>&- &
	pid=$!
	until [ "$(wc -l <out)" = 4 ]; do
		kill -0 $pid
		sleep 0.1
	done
	printf '{"partition":0,"key":"k","value":"{\\"t\\":6}"}\n' | admin produce "$topic"
	printf '{"partition":1,"key":"k","value":"{\\"t\\":20000}"}\n' | admin produce "$topic"
	until [ "$(wc -l <out)" = 6 ]; do
		kill -0 $pid
		sleep 0.1
	done
	kill $pid
	wait $pid || true
	echo '{"t":1}' >in
	run_tool sk-window --tumbling 1m -a n=count --time .t --align 10s in
	assert_status 64
	[[ $stderr = *"--align is for the partitions of a kafka: source"* ]]
}

@test "an empty partition, and one that was read to its bound, hold nothing back" {
	fresh_topic 3
	{
		printf '{"partition":0,"key":"k","value":"{\\"k\\":1,\\"t\\":1}"}\n'
		printf '{"partition":1,"key":"k","value":"{\\"k\\":%s,\\"t\\":%s}"}\n' 2 5 3 50 4 500
	} | admin produce "$topic"
	(due "$topic?until=end" -o out)
	run jq -c '[.[].t]' out
	assert_output "$(printf '[%s]\n' 1 5 50)"
}

@test "--idle: a partition at its end does not hold time back for ever; without it does" {
	fresh_topic 2
	{
		printf '{"partition":0,"key":"k","value":"{\\"k\\":1,\\"t\\":1}"}\n'
		printf '{"partition":1,"key":"k","value":"{\\"k\\":%s,\\"t\\":%s}"}\n' 2 50 3 500
	} | admin produce "$topic"
	(due "$topic?offset=earliest" --idle 300ms) >out 2>said 3>&- &
	pid=$!
	for ((n = 0; n < 15; n++)); do
		[ ! -s out ] || break
		sleep 0.1
	done
	[ ! -s out ] || fail "both partitions are idle, and time went on"
	printf '{"partition":1,"key":"k","value":"{\\"k\\":4,\\"t\\":900}"}\n' | admin produce "$topic"
	until [ "$(wc -l <out)" = 3 ]; do
		kill -0 $pid
		sleep 0.1
	done
	kill $pid
	wait $pid || true
	run jq -c '.[0].k' out
	assert_output "$(printf '%s\n' 1 2 3)"
}
