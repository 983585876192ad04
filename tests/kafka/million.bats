#!/usr/bin/env bats
# A million records, and brokers that go away while they are written.

load helper
BROKER_OPTIONS=(--nodes 3)

@test "a million records through sk-cat | sk-map | sk-cat" {
	fresh_topic 4 3
	from=$topic
	fresh_topic 4 3
	seq 1000000 | sed 's/.*/{"n":&}/' | sk-cat -o "kafka:$from?key=.n"
	sk-cat "kafka:$from?until=end" | sk-map '.n' | sk-cat -o "kafka:$topic"
	sk-cat "kafka:$topic?until=end" | sort -n | cmp - <(seq 1000000)
}

@test "one of three nodes is killed while a file is produced: nothing lost, nothing twice" {
	seq 600000 | sed 's/.*/{"n":&,"text":"something to say, and more of it"}/' >in
	for round in 1 2; do
		fresh_topic 6 3
		# Small batches, so that it is at work when a node dies.
		sk-cat in -o "kafka:$topic?key=.n" -X batch.num.messages=200 2>said 3>&- &
		pid=$!
		for ((i = 0; i < 500; i++)); do
			(($(admin ends "$topic" | awk '{n += $3} END {print n + 0}') < 20000)) || break
			sleep 0.02
		done
		"$BROKER" halt "$BROKER_DIR" $((round + 1)) KILL
		kill -0 $pid || fail 'it had ended before the node died'
		wait $pid
		[[ ! -s said ]] || fail "$(<said)"
		"$BROKER" resume "$BROKER_DIR" $((round + 1))
		sk-map .n "kafka:$topic?until=end" | sort -n | cmp - <(seq 600000)
	done
}

@test "all nodes stop while a file is produced, and start again: it waits, in order" {
	seq 300000 | sed 's/.*/{"n":&,"text":"something to say, and more of it"}/' >in
	fresh_topic 1 3
	sk-cat in -o "kafka:$topic" -X batch.num.messages=100 2>said 3>&- &
	pid=$!
	for ((i = 0; i < 500; i++)); do
		(($(admin ends "$topic" | awk '{n += $3} END {print n + 0}') < 10000)) || break
		sleep 0.02
	done
	for node in 1 2 3; do
		"$BROKER" halt "$BROKER_DIR" $node KILL &
	done
	wait $(jobs -p | grep -vx $pid)
	kill -0 $pid || fail 'it had ended before the nodes died'
	sleep 2
	for node in 1 2 3; do
		"$BROKER" resume "$BROKER_DIR" $node
	done
	wait $pid
	[[ ! -s said ]] || fail "$(<said)"
	sk-map .n "kafka:$topic?until=end" | cmp - <(seq 300000)
}
