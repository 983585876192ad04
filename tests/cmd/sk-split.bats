#!/usr/bin/env bats
# sk-split: one event into many.

load helper

order='{"type":"order-created","orderId":"o1","userId":"u1","items":[{"itemId":"a","q":1},{"itemId":"b","q":2}],"amount":3}'

@test "a bare path: its elements become events" {
	run sk-split .items <<<"$order"
	assert_success
	assert_output $'{"itemId":"a","q":1}\n{"itemId":"b","q":2}'
}

@test "--copy takes fields of the parent along" {
	run sk-split .items --copy .orderId,.userId <<<"$order"
	assert_output $'{"itemId":"a","q":1,"orderId":"o1","userId":"u1"}\n{"itemId":"b","q":2,"orderId":"o1","userId":"u1"}'
}

@test "--copy of a name that the element has too is a bad record, --overwrite lets it give way" {
	run --separate-stderr sk-split .i --copy .id <<<'{"id":1,"i":[{"id":2,"x":3}]}'
	assert_failure 65
	assert_output ''
	[[ $stderr == *"'id'"*--overwrite* ]]
	run sk-split .i --copy .id --overwrite <<<'{"id":1,"i":[{"id":2,"x":3}]}'
	assert_output '{"x":3,"id":1}'
}

@test "any other expression: each output is an event" {
	run sk-split '.items[]|select(.q>1)' <<<"$order"
	assert_output '{"itemId":"b","q":2}'
}

@test "missing, null and [] are refused unless --empty says what becomes of them" {
	for parent in '{}' '{"items":null}' '{"items":[]}'; do
		run --separate-stderr sk-split .items <<<"$parent"
		assert_failure 65
		assert_output ''
		[[ $stderr == *--empty* ]]
		run sk-split .items --empty drop <<<"$parent"
		assert_success
		assert_output ''
		run sk-split .items --empty pass <<<"$parent"
		assert_output "$parent"
	done
}

@test "a value that is no array is a bad record, whatever --empty says" {
	for value in 1 '"x"' '{"a":1}' true; do
		run --separate-stderr sk-split .items --empty drop <<<"{\"items\":$value}"
		assert_failure 65
		[[ $stderr == *'.items is no array'* ]]
	done
}

@test "children that are no objects need --emit" {
	run --separate-stderr sk-split .i <<<'{"i":[1,2]}'
	assert_failure 65
	assert_output ''
	[[ $stderr == *--emit* ]]
	run sk-split .i --emit '{v: ., i: $index, n: $count, p: $root.id}' <<<'{"id":"x","i":[7,8]}'
	assert_output $'{"v":7,"i":0,"n":2,"p":"x"}\n{"v":8,"i":1,"n":2,"p":"x"}'
}

@test "--summary adds an event after the children" {
	run sk-split .items --summary '{orderId, n: (.items|length)}' <<<"$order"
	assert_output $'{"itemId":"a","q":1}\n{"itemId":"b","q":2}\n{"orderId":"o1","n":2}'
	sk-split .items --summary '{orderId, $count}' --summary-to sum.ndjson <<<"$order" >kids
	[ "$(cat sum.ndjson)" = '{"orderId":"o1","count":2}' ]
	[ "$(wc -l <kids)" = 2 ]
}

@test "--correlate adds what is needed to put the parts together again" {
	run sk-split .items --correlate --id .orderId <<<"$order"
	assert_output '{"itemId":"a","q":1,"_split":{"id":"o1","index":0,"count":2,"last":false}}
{"itemId":"b","q":2,"_split":{"id":"o1","index":1,"count":2,"last":true}}'
}

@test "--correlate: the id is the place in the file, or a hash of the content" {
	printf '%s\n%s\n' "$order" "$order" >in.ndjson
	run bash -c 'sk-split .items --correlate in.ndjson | sk-map -r ._split.id'
	assert_output "in.ndjson@0
in.ndjson@0
in.ndjson@$((${#order} + 1))
in.ndjson@$((${#order} + 1))"
	a=$(sk-split .items --correlate <<<"$order" | sk-map -r ._split.id | head -1)
	b=$(sk-split .items --correlate <<<"${order/:3/: 3.0}" | sk-map -r ._split.id | head -1)
	c=$(sk-split .items --correlate <<<"${order/:3/:4}" | sk-map -r ._split.id | head -1)
	[ "${#a}" = 32 ] && [ "$a" = "$b" ] && [ "$a" != "$c" ]
}

@test "a parent whose child fails gives nothing, and its neighbours everything" {
	run --separate-stderr sk-split .i --on-error skip --summary .n \
		<<<$'{"n":1,"i":[{"a":1}]}\n{"n":2,"i":[{"a":1},5]}\n{"n":3,"i":[{"b":1}]}'
	assert_failure 1
	assert_output $'{"a":1}\n1\n{"b":1}\n3'
}

@test "-w chooses the parents" {
	run sk-split .items -w '.type=="order-created"' <<<"$order"$'\n{"type":"x"}'
	assert_success
	[ "${#lines[@]}" = 2 ]
}

@test "options that make no sense together" {
	run sk-split .i --id .x
	assert_failure 64
	run sk-split .i --summary-to x
	assert_failure 64
	run sk-split .i --copy 'length'
	assert_failure 64
	run sk-split .i --copy '.a.id,.b.id'
	assert_failure 64
}
