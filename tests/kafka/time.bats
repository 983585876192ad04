#!/usr/bin/env bats
# Event time over partitions: what holds it back, and what does not.

load helper
BROKER_OPTIONS=()

# For a subshell: groups of one key, due after a second of event time; what is due by the watermark goes out.
due() {
	exec sk-aggregate -i "kafka:$1" -k .k --time .t --time-unit s --timeout 1s --merge array \
		--at-end drop --closed 1d --late append:late "${@:2}"
}

@test "a partition that is read after the others makes nothing late" {
	fresh_topic 4
	# One after the other, as a catch-up reads them.
	for p in 0 1 2 3; do
		seq 1 20000 | jq -c --argjson p $p \
			'{partition:$p,key:"k",value:({k:.,t:.}|tojson)}'
	done | admin produce "$topic"
	(due "$topic?until=end" -o out)
	# The groups of the last two seconds are not due at the end, and are dropped.
	assert_equal "$(wc -l <out)" 19998
	assert_equal "$(jq -c 'select(length != 4)' out)" ""
	[ ! -s late ]
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
