#!/usr/bin/env bats
# Laws of sk-join: it says what SQL says, in an order that the order of arrival doesn't change.

load ../cmd/helper

@test "streams and tables are joined as SQLite joins them, whatever the disorder" {
	run -0 python3 "$ROOT/tests/laws/join.py" 400
	assert_output 'same 400'
}

@test "records beyond the delay are joined as the page says, or are late, from wherever they come" {
	run -0 python3 "$ROOT/tests/laws/join_turns.py" 120
	assert_output 'same 120'
}

@test "paths, a native filter and libjq's keep and write the same" {
	"$SK_BUILD/examples/generate" --seed 3 --events 3000 >in
	join=(sk-join --left '.type=="order-created"' --right '.type=="payment-processed"' -k .orderId
		--within 2s --time .ts --delay 5s --type left)
	"${join[@]}" --emit '{o:$left.orderId,i:$left.items,p:$right.amount}' in >want
	[ "$(wc -l <want)" -gt 900 ]
	"${join[@]}" --emit '{o:$left.orderId} + {i:$left.items,p:$right.amount}' in | cmp - want
	"${join[@]}" in | sk-map '{o:.left.orderId,i:.left.items,p:.right.amount}' | cmp - want
}

@test "the order of arrival within the delay changes nothing, byte for byte" {
	"$SK_BUILD/examples/generate" --seed 5 --events 3000 >in
	join=(sk-join --left '.type=="order-created"' -k .userId,.orderId --null-key --within 9s
		--time .ts --delay 10h --type left)
	"${join[@]}" in >want
	for seed in 1 2 3; do
		shuf --random-source=<(yes $seed) in | "${join[@]}" | cmp - want
	done
	join=(sk-join --table-where '.type=="payment-processed"' -k .orderId --wait 1s --time .ts
		--delay 10h --type left)
	"${join[@]}" in >want
	for seed in 1 2 3; do
		shuf --random-source=<(yes $seed) in | "${join[@]}" | cmp - want
	done
}

@test "one source with both sides, and two inputs, with and without memory, are one join" {
	"$SK_BUILD/examples/generate" --seed 7 --events 6000 >in
	sk-map 'select(.type=="order-created")' in >left
	sk-map 'select(.type=="payment-processed")' in >right
	join=(sk-join -k .orderId --within 3s --time .ts --delay 5s --type left)
	"${join[@]}" --left '.type=="order-created"' --right '.type=="payment-processed"' in >want
	"${join[@]}" left right | cmp - want
	"${join[@]}" left right --max-keys 500 | cmp - want
	jq -cs 'sort_by(.ts)[]' left >a
	jq -cs 'sort_by(.ts)[]' right >b
	"${join[@]}" a b --merge-by .ts | cmp - <("${join[@]}" a b)
}

@test "inner, left and anti: left is inner and anti" {
	"$SK_BUILD/examples/generate" --seed 9 --events 3000 >in
	for how in '--left .type=="order-created" --within 500ms --delay 5s' \
		'--table-where .type=="payment-processed" --wait 500ms --delay 5s'; do
		# shellcheck disable=SC2206  # words
		join=(sk-join -k .orderId --time .ts $how --emit '[$left.orderId,$left.type,$right.ts]')
		"${join[@]}" --type left in >left
		("${join[@]}" in && "${join[@]}" --type anti in) | sort | cmp - <(sort left)
	done
}
