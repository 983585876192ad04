#!/usr/bin/env bats
# sk-join on topics: two of them into a third, exactly once, and a table that is a topic.

load helper
BROKER_OPTIONS=(--nodes 1 --set group.min.session.timeout.ms=500 \
	--set transaction.abort.timed.out.transaction.cleanup.interval.ms=1000)

teardown() {
	[[ -z ${stages-} ]] || kill -KILL "${stages[@]}" 2>/dev/null || :
}

# The values of a topic, sorted.
values() {
	admin dump "$1" | jq -r '.value' | sort
}

# send TYPE TOPIC: what in.part has of that type.
send() {
	jq -c --arg type "$1" 'select(.type == $type) | {key: .orderId, value: tojson}' in.part |
		admin produce "$2"
}

# begin [OPTION]: the pipeline, in the background; pid is that of sk-join.
begin() {
	sk-cat -i "kafka:$orders,$payments?offset=earliest$1" --checkpoint 20ms --time .ts \
		--delay 5s >a 3>&- &
	stages=($!)
	sk-join --left "\$topic == \"$orders\"" -k .orderId --within 2s --type left \
		--emit '{o: $left.orderId, p: $right.amount}' <a >b 3>&- &
	pid=$!
	sk-cat -o "kafka:$out" <b 3>&- &
	stages+=("$pid" $!)
}

@test "two topics are joined into a third, each result once, though the join is killed" {
	local n=0 tries stage
	"$SK_BUILD/examples/generate" --seed 11 --events 6000 >in
	sk-join --left '.type == "order-created"' --right '.type == "payment-processed"' \
		-k .orderId --within 2s --type left --time .ts --delay 5s \
		--emit '{o: $left.orderId, p: $right.amount}' in | sort >want
	[ "$(grep -c null want)" -gt 10 ]
	[ "$(grep -vc null want)" -gt 1900 ]
	fresh_topic 3
	orders=$topic
	fresh_topic 2
	payments=$topic
	fresh_topic 2
	out=$topic
	export SK_APP=a-$topic SK_STATE=$PWD/state
	mkfifo a b
	split -n l/4 in part.
	# It is killed when something is there of each part of the input.
	for part in part.*; do
		cp "$part" in.part
		send order-created "$orders"
		send payment-processed "$payments"
		begin ''
		for ((tries = 0; tries < 300; tries++)); do
			admin dump "$out" >got
			[ "$(wc -l <got)" -le "$n" ] || break
			sleep 0.1
		done
		[ "$(wc -l <got)" -gt "$n" ]
		n=$(wc -l <got)
		kill -KILL "$pid"
		# It would see that nobody reads when it next writes.
		kill "${stages[0]}"
		for stage in "${stages[@]}"; do
			wait "$stage" || :
		done
	done
	[ "$n" -lt "$(wc -l <want)" ]
	for _ in once again; do
		begin '&until=end'
		for stage in "${stages[@]}"; do
			wait "$stage"
		done
		values "$out" | cmp - want
	done
	stages=()
}

@test "a topic of rows: each is there from its own time on, until a tombstone takes it away" {
	fresh_topic 2
	rows=$topic
	fresh_topic 3
	events=$topic
	t=1700000000
	for k in {1..40}; do
		jq -nc --arg k "k$k" --argjson t "$t" --argjson n "$k" '
			{key: $k, ts: ($t * 1000), value: ({v: "a\($n)"} | tojson)},
			{key: $k, ts: (($t + 20) * 1000), value: ({v: "b\($n)"} | tojson)},
			if $n % 2 == 0 then {key: $k, ts: (($t + 40) * 1000), value: null} else empty end'
	done | admin produce "$rows"
	for k in {1..41}; do
		for at in 10 20 30 50; do
			echo "{\"ts\":$(((t + at) * 1000)),\"key\":null,\"value\":\"{\\\"k\\\":\\\"k$k\\\",\\\"at\\\":$at}\"}"
		done
	done | admin produce "$events"
	sk-join -i "kafka:$rows,$events?until=end" --table-topic "$rows" --left-key .k \
		--right-key '$key' --delay 1h --type left --emit '[$left.k,$left.at,$right.v]' | sort >got
	for k in {1..41}; do
		for at in 10 20 30 50; do
			v=\"b$k\"
			[ $at != 10 ] || v=\"a$k\"
			[ $((at + k % 2)) != 50 ] || v=null
			[ "$k" != 41 ] || v=null
			echo "[\"k$k\",$at,$v]"
		done
	done | sort | cmp - got
}
