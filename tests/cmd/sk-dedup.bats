#!/usr/bin/env bats
# sk-dedup: each event once.

load helper

# Lines, one an argument.
lines() {
	printf '%s\n' "$@"
}

# Events of key and second: k1@0 k2@5 ...
events() {
	local e
	for e; do
		printf '{"k":"%s","t":%s}\n' "${e%@*}" "${e#*@}"
	done
}

# And back.
told() {
	sk-map -r '"\(.k)@\(.t)"' | xargs
}

# ---- what is the same ------------------------------------------------------------------------

@test "each line once, the first one, in order, byte for byte" {
	run_tool sk-dedup < <(lines '{"b": 1}' '{"a":1}' '{"b": 1}' '{"b":1}' ' {"a":1}' '{"a":1}' '{"b": 1.0}')
	assert_success
	assert_output "$(lines '{"b": 1}' '{"a":1}' '{"b":1}' ' {"a":1}' '{"b": 1.0}')"
	assert_silent
}

@test "whole lines: as awk has it, on orders, from a file, a pipe, and with --trust" {
	with_orders
	awk '!s[$0]++' orders.ndjson >want
	[ "$(wc -l <want)" -lt "$(wc -l <orders.ndjson)" ]
	sk-dedup orders.ndjson | cmp - want
	sk-dedup <orders.ndjson | cmp - want
	sk-dedup --trust orders.ndjson | cmp - want
	sk-dedup orders.ndjson orders.ndjson -o out && cmp out want
	sk-dedup < orders.ndjson | sk-dedup | cmp - <(sk-dedup < orders.ndjson)
}

@test "lines with escapes, with CR, without an end" {
	printf '"\\u0061"\r\n"a"\n"\\u0061"\n"a"' | sk-dedup >out
	assert_file out '"\u0061"' '"a"'
}

@test "--canonical: the order of keys, white space and spelling don't matter" {
	run_tool sk-dedup --canonical < <(lines '{"a":1,"b":[2,"x"]}' '{ "b" : [2.0,"\u0078"] , "a":1e0 }' \
		'{"a":1,"b":["x",2]}' 12345678901234567890 12345678901234567891 \
		1.2345678901234567890e19 '{"a":0,"b":[2,"x"],"a":1}' null '"\u007f"' "$(printf '"\x7f"')")
	assert_success
	assert_output "$(lines '{"a":1,"b":[2,"x"]}' '{"a":1,"b":["x",2]}' 12345678901234567890 \
		12345678901234567891 null '"\u007f"')"
}

@test "--ignore: what events mean without these fields" {
	run_tool sk-dedup --ignore .ts,.meta.seq < <(lines '{"a":1,"ts":1,"meta":{"seq":1,"x":1}}' \
		'{"meta":{"x":1.0},"a":1}' '{"a":1,"ts":3,"meta":{"seq":2,"x":2}}' '{"a":1,"meta":7}' '[1]' '[1.0]')
	assert_success
	assert_output "$(lines '{"a":1,"ts":1,"meta":{"seq":1,"x":1}}' \
		'{"a":1,"ts":3,"meta":{"seq":2,"x":2}}' '{"a":1,"meta":7}' '[1]')"
}

@test "-k: keys are equal as jq has it, numbers as exact decimals" {
	run_tool sk-dedup -k .k < <(lines '{"k":1,"v":1}' '{"k":12345678901234567890}' '{"k":"1"}' \
		'{"k":1.0}' '{"k":12345678901234567891}' '{"k":"\u0031"}' '{"k":1.2345678901234567891e19}' \
		'{"k":{"a":1,"b":[2]}}' '{"k":{"b":[2.0],"a":1}}' '{"v":1,"k":"1"}' '{"k":false}' '{"k":"1" , "v":2}')
	assert_success
	assert_output "$(lines '{"k":1,"v":1}' '{"k":12345678901234567890}' '{"k":"1"}' \
		'{"k":12345678901234567891}' '{"k":{"a":1,"b":[2]}}' '{"k":false}')"
}

@test "-k: paths, several outputs, expressions, variables" {
	lines '{"a":{"b":1},"c":1}' '{"a":{"b":1},"c":2}' '{"a":{"b":2},"c":1}' '{"a":{"b":1},"c":2.0}' >in
	assert_equal "$(sk-dedup -k .a.b in | wc -l)" 2
	assert_equal "$(sk-dedup -k .a.b,.c in | wc -l)" 3
	assert_equal "$(sk-dedup -k '.a.b + .c' in | wc -l)" 2
	assert_equal "$(sk-dedup -k '$offset' in | wc -l)" 4
	assert_equal "$(SK_EXPR=libjq sk-dedup -k .a.b in | wc -l)" 2
}

@test "-k of a name that stands elsewhere too, repeated, escaped, deeper" {
	lines '{"x":{"k":1},"k":"a"}' '{"k":"b","k":"a"}' '{"s":"\"k\":\"b\"","k":"a"}' '{"\u006b":"a"}' \
		'{"k":"a"}' '{"x":"k","k":"b"}' '{"x":["k","a"],"k":"c"}' >in
	run_tool sk-dedup -k .k in
	assert_output "$(lines '{"x":{"k":1},"k":"a"}' '{"x":"k","k":"b"}' '{"x":["k","a"],"k":"c"}')"
	for more in '' --trust '--jobs 2'; do
		sk-dedup $more -k .k in | cmp - <(echo "$output")
	done
}

@test "a key that is null, missing or not there is a bad record, unless --null-key" {
	for key in .x .n 'empty' '.k,.x'; do
		run_tool sk-dedup -k "$key" <<<'{"k":1,"n":null}'
		assert_status 65
		assert_output ''
		assert_says 'stdin:1: '
	done
	run_tool sk-dedup -k .n --null-key < <(lines '{"k":1,"n":null}' '{"k":2}' '{"k":3,"n":0}')
	assert_success
	assert_output "$(lines '{"k":1,"n":null}' '{"k":3,"n":0}')"
}

# ---- duplicates --------------------------------------------------------------------------------

@test "duplicates go to a sink, in order, as they came" {
	run_tool sk-dedup -v -k .k --duplicates twice < <(lines '{"k":1}' '{"k": 1.0}' '{"k":2}' '{"k":1,"x":2}')
	assert_success
	assert_output "$(lines '{"k":1}' '{"k":2}')"
	assert_file twice '{"k": 1.0}' '{"k":1,"x":2}'
	assert_says '4 records in = 4 output'
	with_orders
	sk-dedup orders.ndjson --duplicates twice >once
	awk 's[$0]++' orders.ndjson | cmp - twice
	awk '!s[$0]++' orders.ndjson | cmp - once
}

@test "duplicates and the others into one sink are the input" {
	with_orders
	sk-dedup orders.ndjson -o out --duplicates out
	cmp out orders.ndjson
}

@test "--mark: duplicates pass, and say so" {
	run_tool sk-dedup --mark < <(lines '{"a":1}' '{"a":1}' '{}' '{}' 7 7 '{"a":2,"_duplicate":0}' \
		'{"a":2,"_duplicate":0}')
	assert_success
	assert_output "$(lines '{"a":1}' '{"a":1,"_duplicate":true}' '{}' '{"_duplicate":true}' 7 \
		'{"value":7,"_duplicate":true}' '{"a":2,"_duplicate":0}' '{"a":2,"_duplicate":true}')"
}

@test "the balance" {
	run_tool sk-dedup -v -k .k --on-error skip < <(lines '{"k":1}' '{"k":1}' '{"k":2}' bad '{"k":1}' '{}')
	assert_status 1
	assert_says '6 records in = 2 output + 2 dropped + 2 skipped'
}

# ---- the last one --------------------------------------------------------------------------------

@test "--keep last: the last of each key, in the order in which those came" {
	lines '{"k":1,"v":1}' '{"k":2,"v":2}' '{"k":3,"v":3}' '{"k":1, "v":4}' '{"k":2,"v":5}' >in
	run_tool sk-dedup -k .k --keep last --duplicates twice in
	assert_success
	assert_output "$(lines '{"k":3,"v":3}' '{"k":1, "v":4}' '{"k":2,"v":5}')"
	assert_file twice '{"k":1,"v":1}' '{"k":2,"v":2}'
	run_tool sk-dedup -k .k --keep last --mark in
	assert_output "$(lines '{"k":1,"v":1,"_duplicate":true}' '{"k":2,"v":2,"_duplicate":true}' \
		'{"k":3,"v":3}' '{"k":1, "v":4}' '{"k":2,"v":5}')"
}

@test "--keep last is --keep first of the input backwards" {
	with_orders
	for key in '' '-k .orderId' --canonical '--ignore .ts'; do
		sk-dedup $key --keep last orders.ndjson >last
		tac orders.ndjson | sk-dedup $key | tac | cmp - last
	done
}

@test "what is held is not written by a run that is told to stop" {
	mkfifo in
	sk-dedup --keep last in --duplicates append:twice >out 3>&- &
	pid=$!
	exec 9>in
	lines 1 2 1 >&9
	until [ -s twice ]; do sleep 0.05; done
	kill -TERM $pid
	wait $pid
	exec 9>&-
	[ ! -s out ]
}

@test "--keep last keeps keys, headers and bytes of envelopes" {
	lines '{"topic":"t","partition":1,"offset":5,"ts":7,"time":null,"key":"p","headers":[["h","1"],["h",null]],"value":{"k":1}}' \
		'{"value": {"k": 1, "v": 2},"key_b64":"/w==","headers":[["x",{"b64":"/w=="}]],"offset":6}' \
		'{"key":"q","headers":[],"value_b64":"eyJrIjoyLAoidiI6MX0="}' >in
	run_tool sk-dedup -e -k .k --keep last in
	assert_success
	assert_output "$(tail -2 in)"
	run_tool sk-dedup --envelope=in -k .k --keep last in
	assert_output "$(lines '{"k": 1, "v": 2}' '{"k":2, "v":1}')"
	run_tool sk-dedup --envelope=out --keep last < <(lines 7)
	assert_output '{"topic":null,"partition":0,"offset":0,"ts":null,"time":null,"key":null,"headers":[],"value":7}'
	lines 7 8 7 >plain
	sk-dedup --envelope=out --keep last plain | cmp - <(sk-cat --envelope=out plain | sed 1d)
}

# ---- for some time --------------------------------------------------------------------------------

@test "--within: not more than D after the one that passed" {
	events a@0 a@10 a@10.000001 b@12 a@20 a@20.000002 >in
	assert_equal "$(sk-dedup -k .k --within 10s --time .t in | told)" \
		'a@0 a@10.000001 b@12 a@20.000002'
}

@test "--refresh: not more than D after the one before" {
	events a@0 a@10 a@19 a@29 a@40 >in
	assert_equal "$(sk-dedup -k .k --within 10s --refresh --time .t in | told)" 'a@0 a@40'
	assert_equal "$(sk-dedup -k .k --within 10s --time .t in | told)" 'a@0 a@19 a@40'
}

@test "--within: what comes out of order, but not by more than D, is told exactly" {
	events a@100 b@109 b@104 a@101 b@99.5 c@110 c@100 >in
	run_tool sk-dedup -v -k .k --within 10s --time .t in
	assert_equal "$(echo "$output" | told)" 'a@100 b@109 c@110'
	assert_says '7 records in = 3 output + 4 dropped'
	events a@81 b@100 a@90.5 a@92 >in
	assert_equal "$(sk-dedup -k .k --within 10s --time .t in | told)" 'a@81 b@100 a@92'
}

@test "--within: what is more than D older than the watermark is late" {
	events a@100 b@89.9 b@90 c@120 d@109 >in
	run_tool sk-dedup -v -k .k --within 10s --time .t --late late in
	assert_success
	assert_equal "$(echo "$output" | told)" 'a@100 b@90 c@120'
	assert_equal "$(told <late)" 'b@89.9 d@109'
	assert_says '5 records in = 3 output + 2 late'
	run_tool sk-dedup -v -k .k --within 10s --time .t --delay 20s in
	assert_says '5 records in = 4 output + 1 dropped'
}

@test "--within forgets: memory does not grow with the input" {
	awk 'BEGIN { for (i = 0; i < 200000; i++) printf "{\"k\":%d,\"t\":%d}\n", i, i }' >in
	run_tool sk-dedup -k .k --within 100s --time .t --max-keys 2000 in
	assert_success
	assert_equal "${#lines[@]}" 200000
	run_tool sk-dedup -k .k --within 100s --keep last --time .t --max-keys 2000 in
	assert_success
	assert_equal "$output" "$(cat in)"
}

@test "--within and a record without a time: a bad record" {
	run_tool sk-dedup --within 10s --time .t <<<'{"a":1}'
	assert_status 65
	assert_says 'no event time'
}

@test "--within --keep last: when D is over, in the order of deadlines" {
	events b@0 a@0 c@1 a@5 b@7 d@10 d@10.5 c@11.2 e@30 >in
	assert_equal "$(sk-dedup -k .k --within 10s --keep last --time .t in | told)" \
		'b@7 a@5 c@1 d@10.5 c@11.2 e@30'
	assert_equal "$(sk-dedup -k .k --within 10s --refresh --keep last --time .t in | told)" \
		'c@1 a@5 b@7 d@10.5 c@11.2 e@30'
}

@test "--within --keep last: the latest by event time; what comes for one that is gone is late" {
	events a@5 a@3 b@7 a@12 a@14 c@15.5 a@16 b@8 d@40 >in
	run_tool sk-dedup -v -k .k --within 10s --keep last --time .t --late late --duplicates twice in
	assert_equal "$(echo "$output" | told)" 'a@14 b@8 c@15.5 a@16 d@40'
	assert_equal "$(told <twice)" 'a@3 a@5 a@12 b@7'
	[ ! -s late ]
	events a@5 b@15.5 a@12 a@15.2 c@40 >in
	assert_equal "$(sk-dedup -k .k --within 10s --keep last --time .t --late late in | told)" \
		'a@5 a@15.2 b@15.5 c@40'
	assert_equal "$(told <late)" 'a@12'
}

@test "--within --keep last with a delay: two windows of one key at once" {
	events a@0 a@11 a@4 a@13 b@14 c@50 >in
	assert_equal "$(sk-dedup -k .k --within 10s --keep last --time .t --delay 30s in | told)" \
		'a@0 a@13 b@14 c@50'
}

# ---- ids -----------------------------------------------------------------------------------------

@test "--tag: the SHA-256 of the canonical form" {
	run_tool sk-dedup --tag .messageId <<<'{ "b" : 1.0, "a":"\u00fc" }'
	assert_success
	sum=$(printf '{"a":"ü","b":1}' | sha256sum)
	assert_output "{\"b\":1.0,\"a\":\"ü\",\"messageId\":\"${sum%% *}\"}"
}

@test "--tag --ignore: without what is ignored, and without the tag itself" {
	run_tool sk-dedup --canonical --ignore .ts --tag .id < <(lines '{"a":1,"ts":5}' '{"id":"old","a":1.0}' \
		'{"id":"old","a":2}')
	assert_success
	one=$(printf '{"a":1}' | sha256sum)
	two=$(printf '{"a":2}' | sha256sum)
	assert_output "$(lines "{\"a\":1,\"ts\":5,\"id\":\"${one%% *}\"}" "{\"a\":2,\"id\":\"${two%% *}\"}")"
	run_tool sk-dedup -k .k --ignore .ts --tag .id <<<'{"a":1,"k":1,"ts":2}'
	sum=$(printf '{"a":1,"k":1}' | sha256sum)
	assert_output "{\"a\":1,\"k\":1,\"ts\":2,\"id\":\"${sum%% *}\"}"
}

@test "--tag a place within an object" {
	run_tool sk-dedup --tag .meta.id < <(lines '{"a":1,"meta":{"x":1,"id":2}}' '{"a":1}')
	assert_success
	one=$(printf '{"a":1,"meta":{"x":1}}' | sha256sum)
	two=$(printf '{"a":1}' | sha256sum)
	assert_output "$(lines "{\"a\":1,\"meta\":{\"x\":1,\"id\":\"${one%% *}\"}}" \
		"{\"a\":1,\"meta\":{\"id\":\"${two%% *}\"}}")"
}

@test "--tag twice gives the same ids" {
	with_orders
	sk-dedup --tag .messageId orders.ndjson | sk-dedup --tag .messageId |
		cmp - <(sk-dedup --tag .messageId orders.ndjson)
	sk-dedup --keep last --tag .messageId orders.ndjson | sort |
		cmp - <(sk-dedup --tag .messageId orders.ndjson | sort)
}

@test "what has no place for an id is a bad record, and is not remembered" {
	run_tool sk-dedup -k '.k? // 1' --tag .m.id --on-error skip < <(lines '[1]' '{"k":1,"m":"x"}' '{"k":1}')
	assert_status 1
	assert_equal "${#lines[@]}" 1
	assert_output --partial '"k":1'
	assert_says 'stdin:1: the record is no object'
	assert_says 'stdin:2: --tag: '
	run_tool sk-dedup --tag .id --keep last --on-error skip <<<7
	assert_output ''
	assert_status 1
}

@test "--key-by-id: key and header of the record too" {
	lines '{"key":"old","headers":[["h","1"],["messageId","x"],["h","2"]],"value":{"a": 1}}' >in
	run_tool sk-dedup -e --key-by-id in
	assert_success
	sum=$(printf '{"a":1}' | sha256sum)
	assert_output "{\"topic\":null,\"partition\":0,\"offset\":0,\"ts\":null,\"time\":null,\"key\":\"${sum%% *}\",\"headers\":[[\"h\",\"1\"],[\"h\",\"2\"],[\"messageId\",\"${sum%% *}\"]],\"value\":{\"a\": 1}}"
	lines '{"a":1}' >plain
	run_tool sk-dedup --envelope=out --key-by-id --tag .id plain
	assert_output "{\"topic\":\"plain\",\"partition\":0,\"offset\":0,\"ts\":null,\"time\":null,\"key\":\"${sum%% *}\",\"headers\":[[\"messageId\",\"${sum%% *}\"]],\"value\":{\"a\":1,\"id\":\"${sum%% *}\"}}"
	sk-dedup --key-by-id plain -o capture:cap
	run_tool sk-map -r '$key, $headers[0][1]' capture:cap
	assert_output "$(lines "${sum%% *}" "${sum%% *}")"
}

@test "--key-by-id: a tombstone has no content, and a text null has" {
	run_tool sk-dedup -e --key-by-id <<<'{"key":"a","value":null}'
	assert_status 65
	assert_says tombstone
	run_tool sk-dedup -e --key-by-id <<<'{"key":"a","value_b64":"bnVsbA=="}'
	assert_success
	assert_output --partial '"value_b64":"bnVsbA=="'
}

# ---- envelopes ---------------------------------------------------------------------------------------

@test "envelopes: the same key and the same value; where it came from does not matter" {
	lines '{"offset":1,"key":"a","value":{"v":1}}' '{"offset":2,"key":"b","value":{"v":1}}' \
		'{"offset":3,"key":"a","headers":[["h","1"]],"value":{"v":1}}' '{"offset":4,"key":null,"value":{"v":1}}' \
		'{"offset":5,"value":{"v":1}}' '{"offset":6,"key":"","value":{"v":1}}' \
		'{"offset":7,"key":"a","value":null}' '{"offset":8,"key":"b","value":null}' '{"offset":9,"key":"b","value":null}' >in
	run_tool sk-dedup -e in
	assert_success
	assert_equal "$(sk-map -r --envelope=in '$offset' <<<"$output" | xargs)" '1 2 4 6 7 8'
	run_tool sk-dedup -e --canonical in
	assert_equal "$(sk-map -r --envelope=in '$offset' <<<"$output" | xargs)" '1 2 4 6 7 8'
	run_tool sk-dedup -e -k '$key' -w '$key' in
	assert_equal "$(sk-map -r --envelope=in '$offset' <<<"$output" | xargs)" '1 2 6'
}

# ---- the filter ----------------------------------------------------------------------------------------

@test "--approx says that it is, and how wrong it may be" {
	run_tool sk-dedup --approx 1000 < <(lines 1 2 1 3)
	assert_success
	assert_output "$(lines 1 2 3)"
	assert_said 'sk-dedup: --approx: one in 134 million new records may be taken for a duplicate'
}

@test "--approx: more keys than it has room for are an error" {
	run_tool sk-dedup --approx 1000 < <(seq 2000)
	assert_status 71
	assert_says 'the filter is full'
	run_tool sk-dedup --approx 1000000 --max-memory 1M < <(seq 2000)
	assert_status 64
	assert_says 'more than --max-memory'
}

@test "--approx takes a fifth of the memory" {
	run_tool sk-dedup --approx 400000 --max-memory 2M < <(seq 400000)
	assert_success
	assert_equal "${#lines[@]}" 400000
	run_tool sk-dedup --max-memory 2M < <(seq 400000)
	assert_status 71
}

# ---- the ways that lines take ----------------------------------------------------------------------------

# Lines of few keys: plain, escaped, numbers, nested, repeated names, CR, broken, not UTF-8.
mixed() {
	awk -v seed="$1" 'BEGIN {
		srand(seed)
		split("{\"k\":\"#\"}|{\"k\": \"#\"}|{\"v\":1,\"k\":\"#\"}|{\"\\u006b\":\"#\"}|{\"k\":\"\\u006b#\"}|" \
			"{\"k\":\"k#\"}\r|{\"k\":#}|{\"k\":#.0}|{\"k\":[#]}|{\"k\":\"#\",\"k\":\"#\"}|{\"x\":{\"k\":\"#\"},\"k\":\"k#\"}|" \
			"{\"k\":\"#\",|{\"k\":\"k#\"|{\"k\":\"#\",\"z\":\"\xff\"}|{\"n\":\"#\"}|{\"k\":null}|#|{\"k\":\"#\",\"e\":\"\\n\"}", form, "|")
		for (i = 0; i < 3000; i++) {
			line = form[1 + int(rand() * 18)]
			gsub("#", int(rand() * 40), line)
			print line
		}
		printf "{\"k\":\"last\"}"
	}'
}

@test "whichever way a line takes, the same ones pass" {
	for seed in 1 2 3; do
		mixed $seed >in
		for args in '' '-k .k' '-k .k --null-key' '-k .k?'; do
			common="$args --on-error skip -q"
			# With --where each line is a record.
			sk-dedup $common -w true in --duplicates twice >want || [ $? = 1 ]
			[ "$(wc -l <want)" -gt 30 ]
			mv twice twice.want
			sk-dedup $common in | cmp - want
			sk-dedup $common --jobs 1 in | cmp - want
			sk-dedup $common in --duplicates twice | cmp - want
			cmp twice twice.want
			sk-dedup $common <in | cmp - want
			sk-dedup $common --state dir --checkpoint 1ms in -o out || [ $? = 1 ]
			cmp out want
			sk-cat --on-error skip -q in | sk-dedup $common | cmp - <(sk-cat --on-error skip -q want)
			rm -rf dir out twice
		done
	done
}

@test "a broken line does not count for its key" {
	run_tool sk-dedup -k .k --on-error skip -q < <(lines '{"k":"a",' '{"k":"a"}' '{"k":"b"}x' '{"k":"b"}')
	assert_status 1
	assert_output "$(lines '{"k":"a"}' '{"k":"b"}')"
}

# ---- errors and bounds ----------------------------------------------------------------------------------

@test "a bad record is told, dead-lettered, and its neighbours pass" {
	run_tool sk-dedup <<<$'{"a":1}\n{"a":\n{"a":1}'
	assert_status 65
	assert_output '{"a":1}'
	assert_says 'stdin:2:'
	run_tool sk-dedup --dead-letter dead <<<$'1\n{"a":\n1\n{"a":\n2'
	assert_status 1
	assert_output "$(lines 1 2)"
	assert_equal "$(sk-map .origin.line dead | xargs)" '2 4'
	printf '"\xff"\n3\n"\xff"\n' | sk-dedup --on-error skip -q >out || [ $? = 1 ]
	assert_file out 3
}

@test "beyond --max-keys and --max-memory it is an error, and nothing is lost before" {
	run_tool sk-dedup --max-keys 3 < <(lines 1 2 1 3 2 4 5)
	assert_status 71
	assert_output "$(lines 1 2 3)"
	assert_says '--max-keys takes more'
	run_tool sk-dedup --max-memory 1M < <(seq 200000)
	assert_status 71
	assert_says '--max-memory takes more'
}

@test "--on-full evict forgets the oldest keys, and says so" {
	run_tool sk-dedup --max-keys 2 --on-full evict < <(lines 1 2 3 3 2 1)
	assert_success
	assert_output "$(lines 1 2 3 1)"
	assert_said 'sk-dedup: 2 keys were given up for the bounds of the state: duplicates that came later were not told'
	run_tool sk-dedup --max-keys 2 --on-full evict --keep last -k .k < <(lines '{"k":1}' '{"k":2}' '{"k":1,"v":1}' '{"k":3}' '{"k":4}')
	assert_success
	assert_output "$(lines '{"k":1,"v":1}' '{"k":2}' '{"k":3}' '{"k":4}')"
}

@test "options that make no sense are refused" {
	refused() {
		run_tool sk-dedup "$@" </dev/null
		assert_status 64
		assert_output ''
	}
	refused -k .k --canonical
	refused -k .k --ignore .ts
	refused --null-key
	refused --refresh
	refused --late x
	refused --mark --duplicates x
	refused --key-by-id
	assert_says '-e, or a sink that takes them'
	refused --tag .a,.b
	refused --tag .
	refused --tag '.a[0]'
	refused --ignore '.a[]'
	refused --ignore .
	refused --ignore .a.b.c.d.e.f.g.h.i
	refused --ignore '.['
	assert_says '--ignore: '
	refused --approx 10 --state dir
	assert_says 'in memory alone'
	[ ! -e dir ]
	SK_STATE=dir refused --approx 10
	refused --approx 10 --within 1s
	refused --approx 10 --keep last
	refused --approx 10 --on-full evict
	refused --approx 0
	refused --keep both
	refused --within 0s
	refused -k '.['
	assert_says '-k: '
}

@test "--explain, and an input without records" {
	run_tool sk-dedup -k .orderId --approx 10 --explain
	assert_success
	assert_output 'native: .orderId'
	assert_silent
	for args in '' '-k .k' '--keep last' '--canonical'; do
		run_tool sk-dedup $args </dev/null
		assert_success
		assert_output ''
		assert_silent
	done
}

@test "a full disk and a reader that goes away" {
	run_tool bash -c 'seq 100000 | sk-dedup >/dev/full'
	assert_status 74
	run_tool bash -c 'yes | sed "s/.*/1/" | sk-dedup --duplicates /dev/full'
	assert_status 74
	run_tool bash -c 'seq 1000000 | sk-dedup | head -1; exit ${PIPESTATUS[1]}'
	assert_status 141
}

# ---- state ------------------------------------------------------------------------------------------------

@test "keys are remembered from run to run" {
	lines 1 2 3 >one
	lines 3 4 1 5 >two
	run_tool sk-dedup --state dir <one
	assert_output "$(lines 1 2 3)"
	run_tool sk-dedup --state dir <two
	assert_success
	assert_output "$(lines 4 5)"
	assert_silent
}

@test "one run is two runs over the halves, whatever is kept" {
	events a@0 b@3 a@9 c@10 a@11 b@12 b@13.5 d@24 a@25 c@20 d@33 a@36 e@60 >in
	for n in 1 3 5 6 8 10 12; do
		head -n $n in >one
		tail -n +$((n + 1)) in >two
		for args in '' '-k .k' --canonical '--ignore .t' '-k .k --within 10s --time .t' \
			'-k .k --within 10s --refresh --time .t' '-k .k --mark' '-k .k --within 10s --time .t --delay 5s'; do
			rm -rf dir
			sk-dedup $args in >want
			sk-dedup $args --state dir <one >got
			sk-dedup $args --state dir <two >>got
			cmp want got
		done
	done
}

@test "an epoch for each block that comes: the last of each key, when its time is over" {
	events a@0 b@3 a@9 c@10 a@11 b@12 b@13.5 d@24 a@25 c@20 d@33 a@36 e@60 >in
	sk-dedup -k .k --within 10s --keep last --time .t in >want
	for n in 1 2 4 5 7 9 11; do
		head -n $n in >part
		rm -rf dir out
		{ cat part; sleep 0.05; tail -n +$((n + 1)) in; } | sk-dedup -k .k --within 10s \
			--keep last --time .t --state dir --checkpoint 1ms --plain -o append:out
		cmp want out
	done
}

@test "a state that other options shaped is refused" {
	sk-dedup -k .k --state dir <<<'{"k":1,"t":1}'
	for other in '' '-k .x' '-k .k --null-key' '-k .k --within 1s --time .t' '-k .k --keep last' --canonical; do
		run_tool sk-dedup $other --state dir <<<'{"k":1,"x":1,"t":1}'
		assert_status 78
		assert_output ''
	done
	run_tool sk-dedup -k .k --mark --state dir <<<'{"k":1}'
	assert_output '{"k":1,"_duplicate":true}'
}

@test "killed with checkpoints, started again: the same bytes" {
	for job in dedup dedup-last; do
		run "$ROOT/tests/crash/torture" --kills 25 "$job"
		echo "$output"
		assert_success
	done
}
