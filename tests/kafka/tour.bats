#!/usr/bin/env bats
# A tour: events into a topic, out again, shared out by type, copied, captured, and the lag.

load helper

@test "the tour of a user who tries things out" {
	orders=orders-$$-$RANDOM
	run_tool sk-cat "$ROOT/examples/orders.ndjson" -o "kafka:$orders?key=.orderId" \
		--create-topics partitions=4
	assert_success
	assert_silent
	n=$(wc -l <"$ROOT/examples/orders.ndjson")
	assert_equal "$(sk-cat "kafka:$orders?offset=earliest&until=end" | wc -l)" "$n"

	run_tool sk-route -i "kafka:$orders?group=g-$orders&until=end" --by .type \
		-o "kafka:$orders.{}" --allow '*-created' --allow '*-processed' \
		--allow '*-reserved' --drop-unmatched --create-topics partitions=2
	assert_success
	assert_silent
	sk-map -i "kafka:^$orders\\..*?until=end" .type | sort | uniq -c >routed
	sk-map 'select(.type|endswith("-created","-processed","-reserved"))|.type' \
		"$ROOT/examples/orders.ndjson" | sort | uniq -c | diff - routed
	[[ $(wc -l <routed) -ge 2 ]]

	sk-cat -e "kafka:$orders?offset=earliest&until=end" |
		sk-cat -e -o "kafka:$orders-copy?partition=\$partition" --create-topics partitions=4
	admin dump "$orders" >want
	admin dump "$orders-copy" | cmp want -

	run_tool sk-cat -i "kafka:$orders?group=cap-$orders&until=end" -o capture:cap
	assert_success
	assert_equal "$(sk-cat capture:cap | wc -l)" "$n"

	run_tool sk-kafka --json lag "g-$orders"
	assert_success
	assert_equal "$(jq -s 'map(.lag) | add' <<<"$output")" 0
	run_tool sk-cat "kafka:$orders?offset=-1&until=end&partition=0"
	assert_success
	assert_equal "${#lines[@]}" 1
	run_tool sk-kafka reset "g-$orders" --to @-2h
	assert_success
	run_tool sk-kafka --json lag "g-$orders"
	assert_equal "$(jq -s 'map(.lag) | add' <<<"$output")" 0
}
