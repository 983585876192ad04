#!/usr/bin/env bats
# sk-aggregate: parts of one thing become one.

load helper

part='if .type=="order-created" then {id:.orderId,userId} elif .type=="payment-processed" then {paymentId} else {inventoryReserved:true} end'

# Lines, one an argument.
lines() {
	printf '%s\n' "$@"
}

# ---- keys ------------------------------------------------------------------------------------

# Feed a record to a run over a pipe that then rests; what came out before the end.
before_the_end() {
	mkfifo in
	sk-aggregate -k .k --time .t --time-unit s --timeout 1s --merge array --at-end drop "$@" \
		<in >out &
	pid=$!
	exec 9>in
	printf '{"k":1,"t":100}\n' >&9
}

@test "--idle-advance: a group is due by the clock where nothing comes any more" {
	before_the_end --idle 50ms --idle-advance
	until [ -s out ]; do sleep 0.05; done
	exec 9>&-
	wait $pid
	assert_file out '[{"k":1,"t":100}]'
}

@test "--idle alone: where all inputs are idle time stands still" {
	before_the_end --idle 20ms
	sleep 1.5
	exec 9>&-
	wait $pid
	[ ! -s out ]
	run_tool sk-aggregate -k .k --idle-advance
	assert_status 64
	assert_says '--idle-advance needs --idle D'
}

@test "three events of an order become one, when all that is required is there" {
	with_orders
	run_tool sk-aggregate -k .orderId --require id,paymentId,inventoryReserved --part "$part" \
		--at-end drop -w '.orderId=="order-28ef050f7bcd3d42"' orders.ndjson
	assert_success
	assert_output '{"id":"order-28ef050f7bcd3d42","userId":"user-019357","paymentId":"payment-ab145cf5040b86e3","inventoryReserved":true}'
	assert_silent
}

@test "keys are equal as jq has it, numbers as exact decimals" {
	run_tool sk-aggregate -k .k --size 2 --merge array --part .v < <(lines '{"k":1,"v":1}' \
		'{"k":12345678901234567890,"v":2}' '{"k":"1","v":3}' '{"k":1.0,"v":4}' \
		'{"k":12345678901234567891,"v":5}' '{"k":"\u0031","v":6}' \
		'{"k":12345678901234567890,"v":7}' '{"k":1.2345678901234567891e19,"v":8}' \
		'{"k":{"a":1,"b":[2]},"v":9}' '{"k":{"b":[2.0],"a":1},"v":10}')
	assert_success
	assert_output "$(lines '[1,4]' '[3,6]' '[2,7]' '[5,8]' '[9,10]')"
}

@test "several outputs are one key" {
	run_tool sk-aggregate -k .a,.b --size 2 --meta < <(lines '{"a":1,"b":2}' '{"a":2,"b":1}' \
		'{"a":1,"b":2,"c":3}')
	assert_status 1
	assert_output '{"a":1,"b":2,"c":3,"_aggregate":{"key":[1,2],"count":2,"by":"size"}}'
}

@test "a key that is null, missing or not there is a bad record, unless --null-key" {
	for key in .x .n 'empty' '.k,.x'; do
		run_tool sk-aggregate -k "$key" --size 1 <<<'{"k":1,"n":null}'
		assert_status 65
		assert_output ''
		assert_says 'stdin:1: '
		run_tool sk-aggregate -k "$key" --null-key --size 1 <<<'{"k":1,"n":null}'
		assert_success
		assert_output '{"k":1,"n":null}'
	done
}

@test "a record that is bad leaves no trace in its group" {
	run_tool sk-aggregate -k .k --field n=sum --size 2 --on-error skip -q < <(lines \
		'{"k":1,"n":1}' '{"k":1,"n":"x","m":1}' '{"k":1,"n":2}')
	assert_status 1
	assert_output '{"k":1,"n":3}'
}

# ---- parts -------------------------------------------------------------------------------------

@test "--part shapes each part; without an output the event is dropped, several are parts each" {
	run_tool sk-aggregate -v -k .k --part '.p[]' --merge array --size 3 < <(lines '{"k":1,"p":[1]}' \
		'{"k":1,"p":[]}' '{"k":1,"p":[2,3,4,5,6]}' '{"k":1,"p":[7]}')
	assert_status 1
	assert_output "$(lines '[1,2,3]' '[4,5,6]')"
	assert_says '4 records in = 1 output + 1 dropped + 2 held'
}

@test "what is no object can't be merged into one" {
	run_tool sk-aggregate -k .k --part .k --size 1 <<<'{"k":1}'
	assert_status 65
	assert_says '--merge array'
}

# ---- merging -----------------------------------------------------------------------------------

@test "shallow: later fields win, in the place of the first" {
	run_tool sk-aggregate -k .k --size 3 < <(lines '{"k":1,"a":{"x":1},"b":1}' \
		'{"k":1,"c":12345678901234567890,"b":2}' '{"k":1.0,"a":{"y":2}}')
	assert_success
	assert_output '{"k":1.0,"a":{"y":2},"b":2,"c":12345678901234567890}'
}

@test "deep: objects go into objects" {
	run_tool sk-aggregate -k .k --merge deep --size 3 < <(lines '{"k":1,"a":{"x":1,"z":{"p":1}}}' \
		'{"k":1,"a":{"z":{"q":[1]},"w":null}}' '{"k":1,"a":{"x":{"n":1},"z":{"p":2}}}')
	assert_success
	assert_output '{"k":1,"a":{"x":{"n":1},"z":{"p":2,"q":[1]},"w":null}}'
}

@test "deep and shallow are jq's * and +" {
	for i in 1 2 3 4 5 6 7 8; do
		jq -nc --argjson s $i 'def r($n): (($s*7919+$n*104729)%1000003)%5;
			[range(6)] | map({k: 1, ("f\(r(.))"): {("g\(r(.+7))"): r(.+9), h: {("i\(r(.+3))"): .}},
			("f\(r(.+11))"): (if r(.)>2 then . else {x: .} end)})|.[]' >in
		sk-aggregate -k .k --merge deep --size 6 in >ours
		jq -cs 'reduce .[] as $e ({}; . * $e)' in | cmp - ours
		sk-aggregate -k .k --size 6 in >ours
		jq -cs add in | cmp - ours
	done
}

@test "many fields, many of them set again" {
	jq -nc '[range(300)]|{k: 1} + (map({key: "f\(.)", value: .})|from_entries),
		{k: 1} + (map({key: "f\(. * 3)", value: -.})|from_entries)' >in
	sk-aggregate -k .k --size 2 in >ours
	jq -cs add in | cmp - ours
}

@test "names with escapes are what they mean" {
	run_tool sk-aggregate -k .k --size 2 < <(lines '{"k":1,"a\"b":1,"\u0063":2}' \
		'{"k":1,"a\u0022b":3,"c":4,"\u0001":5}')
	assert_output '{"k":1,"a\"b":3,"c":4,"\u0001":5}'
}

@test "array: parts as they came" {
	run_tool sk-aggregate -k '.k? // 0' --merge array --size 3 < <(lines '{"k": 0, "a":1.0}' '7' \
		'[ "x" ]')
	assert_output '[{"k": 0, "a":1.0},7,[ "x" ]]'
}

@test "an expression: . is the whole so far, null at first, \$event the part" {
	run_tool sk-aggregate -k .k --merge '(. // {n:0,l:[]}) | .n += $event.v | .l += [$event.v]' \
		--complete-when '.n > 5' < <(lines '{"k":1,"v":2}' '{"k":1,"v":3}' '{"k":1,"v":4}')
	assert_success
	assert_output '{"n":9,"l":[2,3,4]}'
	run_tool sk-aggregate -k .k --merge empty --size 1 <<<'{"k":1}'
	assert_status 65
	assert_says '--merge gives nothing'
	run_tool sk-aggregate -k .k --part .v --merge '[., $event]' --size 2 \
		< <(lines '{"k":1,"v":2}' '{"k":1,"v":3}')
	assert_output '[[null,2],3]'
}

# ---- fields ------------------------------------------------------------------------------------

# What becomes of values of f, each a part, by a rule.
rule() {
	local rule=$1
	shift
	run_tool sk-aggregate -k .k --part '{f}' --field "f=$rule" --size $# \
		< <(printf '{"k":1,"f":%s}\n' "$@")
}

@test "sum is exact, for integers and decimals as they are written" {
	rule sum 1 2
	assert_output '{"f":3}'
	rule sum 0.1 0.2 -0.05
	assert_output '{"f":0.25}'
	rule sum 12345678901234567890 1 null 0.5
	assert_output '{"f":12345678901234567891.5}'
	rule sum 19.99 5.01
	assert_output '{"f":25.00}'
	rule sum 1 '"2"'
	assert_status 65
	assert_says "field 'f': sum of numbers: string is none"
}

@test "min and max are by jq's order, null passed over" {
	rule min 3 null 1.5 2
	assert_output '{"f":1.5}'
	rule max 12345678901234567890 12345678901234567891 7
	assert_output '{"f":12345678901234567891}'
	rule max '"2026-01-02"' '"2026-01-10"' '"2026-01-09"'
	assert_output '{"f":"2026-01-10"}'
}

@test "first and last take null too, retain does not" {
	rule first null 1 2
	assert_output '{"f":null}'
	rule last 1 2 null
	assert_output '{"f":null}'
	rule retain 1 2 null
	assert_output '{"f":2}'
}

@test "concat joins strings or arrays" {
	rule concat '"a"' null '"b\n"' '"\u00e9"'
	assert_output '{"f":"ab\né"}'
	rule concat '[1]' '[]' '[2,[3]]'
	assert_output '{"f":[1,2,[3]]}'
	rule concat '[]' '[1]'
	assert_output '{"f":[1]}'
	rule concat '[]' '[]'
	assert_output '{"f":[]}'
	rule concat '"a"' '[1]'
	assert_status 65
	rule concat 1
	assert_status 65
}

@test "array, unique and count take every value" {
	rule array 1 null '{"a": 1}'
	assert_output '{"f":[1,null,{"a":1}]}'
	rule unique 1 2 1.0 '"1"' '{"a":1,"b":2}' '{"b":2,"a":1.0}' 2
	assert_output '{"f":[1,2,"1",{"a":1,"b":2}]}'
	rule count '"a"' null 3
	assert_output '{"f":3}'
}

@test "longest is by jq's length, the first of equals" {
	rule longest '"ab"' '"éé"' '"a"'
	assert_output '{"f":"ab"}'
	rule longest '[1]' '[1,2]' '[3,4]'
	assert_output '{"f":[1,2]}'
	rule longest 12
	assert_status 65
}

@test "a part without the field changes nothing" {
	run_tool sk-aggregate -k .k --size 3 --field n=sum --field c=count < <(lines '{"k":1,"n":1,"c":1}' \
		'{"k":1}' '{"k":1,"n":2}')
	assert_output '{"k":1,"n":3,"c":1}'
}

# ---- completion ---------------------------------------------------------------------------------

@test "--require: all of them, true in jq's sense" {
	run_tool sk-aggregate -k .k --require a,.b --at-end drop < <(lines '{"k":1,"a":1}' \
		'{"k":1,"b":false}' '{"k":1,"b":null}' '{"k":1,"b":0}' '{"k":2,"a":1}')
	assert_success
	assert_output '{"k":1,"a":1,"b":0}'
}

@test "--complete-when looks at the whole, --eager at the event" {
	run_tool sk-aggregate -k .k --complete-when '.a and .last' --at-end drop < <(lines \
		'{"k":1,"a":1}' '{"k":1,"last":true}' '{"k":1,"last":true}')
	assert_output '{"k":1,"a":1,"last":true}'
	run_tool sk-aggregate -k .k --part '{a}' --complete-when .last --eager < <(lines \
		'{"k":1,"a":1}' '{"k":1,"a":2,"last":true}')
	assert_output '{"a":2}'
}

@test "--size by an expression: the newest one that is known" {
	run_tool sk-aggregate -k .k --size .n --merge array --part .v < <(lines '{"k":1,"v":1}' \
		'{"k":1,"n":3,"v":2}' '{"k":1,"n":null,"v":3}')
	assert_success
	assert_output '[1,2,3]'
	for n in 0 1.5 '"3"' -1 '[3]'; do
		run_tool sk-aggregate -k .k --size .n <<<"{\"k\":1,\"n\":$n}"
		assert_status 65
	done
}

@test "the first rule that holds wins: complete-when, require, size" {
	run_tool sk-aggregate -k .k --complete-when true --require k --size 1 --meta <<<'{"k":1}'
	assert_output '{"k":1,"_aggregate":{"key":1,"count":1,"by":"complete-when"}}'
	run_tool sk-aggregate -k .k --complete-when false --require k --size 1 --meta <<<'{"k":1}'
	assert_output '{"k":1,"_aggregate":{"key":1,"count":1,"by":"require"}}'
	run_tool sk-aggregate -k .k --complete-when false --require x --size 1 --meta <<<'{"k":1}'
	assert_output '{"k":1,"_aggregate":{"key":1,"count":1,"by":"size"}}'
}

@test "--sorted: another key completes the group, and so does the end" {
	run_tool sk-aggregate -v -k .k --sorted --field n=sum --meta < <(lines '{"k":1,"n":1}' \
		'{"k":1,"n":2}' '{"k":2,"n":3}' '{"k":1,"n":4}')
	assert_success
	assert_output "$(lines '{"k":1,"n":3,"_aggregate":{"key":1,"count":2,"by":"key-change"}}' \
		'{"k":2,"n":3,"_aggregate":{"key":2,"count":1,"by":"key-change"}}' \
		'{"k":1,"n":4,"_aggregate":{"key":1,"count":1,"by":"end"}}')"
	assert_says '4 records in = 2 output + 2 held'
}

@test "--sorted: a bad record does not end the group before it" {
	run_tool sk-aggregate -q -k .k --sorted --field n=sum --on-error skip < <(lines \
		'{"k":1,"n":1}' '{"k":2,"n":"x"}' '{"k":1,"n":2}')
	assert_status 1
	assert_output '{"k":1,"n":3}'
}

@test "a complete group is forgotten: what comes later begins another" {
	run_tool sk-aggregate -k .k --size 2 --part .v --merge array < <(lines '{"k":1,"v":1}' \
		'{"k":1,"v":2}' '{"k":1,"v":3}' '{"k":1,"v":4}')
	assert_output "$(lines '[1,2]' '[3,4]')"
}

# ---- the end of the input --------------------------------------------------------------------------

@test "what is incomplete at the end is counted, and the exit status says it" {
	run_tool sk-aggregate -k .k --size 2 < <(lines '{"k":1}' '{"k":2}' '{"k":1,"a":1}' '{"k":3}')
	assert_status 1
	assert_output '{"k":1,"a":1}'
	assert_says 'sk-aggregate: 2 groups are incomplete at the end of the input, and not written'
	assert_says '--at-end emit'
}

@test "--at-end emit writes it, in the order of the keys" {
	run_tool sk-aggregate -k .k --at-end emit --part '{k}' < <(lines '{"k":"b"}' '{"k":10}' \
		'{"k":[1]}' '{"k":"a"}' '{"k":9}' '{"k":{"a":1}}' '{"k":true}' '{"k":"a\u0000"}' \
		'{"k":-1.5}')
	assert_success
	assert_output "$(lines '{"k":true}' '{"k":-1.5}' '{"k":9}' '{"k":10}' '{"k":"a"}' \
		'{"k":"a\u0000"}' '{"k":"b"}' '{"k":[1]}' '{"k":{"a":1}}')"
}

@test "--at-end drop does not mind" {
	run_tool sk-aggregate -k .k --size 2 --at-end drop <<<'{"k":1}'
	assert_success
	assert_output ''
	assert_silent
}

@test "with --dead-letter it becomes a dead letter" {
	run_tool sk-aggregate -k .k --size 2 --dead-letter dead < <(lines '{"k":"x","a":1}' 'broken')
	assert_status 1
	assert_output ''
	[ "$(wc -l <dead)" = 2 ]
	assert_equal "$(tail -1 dead)" '{"error":{"type":"incomplete","message":"a group is incomplete: end"},"origin":null,"key":"x","headers":[],"value":{"k":"x","a":1}}'
	run_tool sk-map .value -w '.error.type=="incomplete"' dead
	assert_output '{"k":"x","a":1}'
}

# ---- time --------------------------------------------------------------------------------------------

@test "--timeout: D after its last part in event time" {
	run_tool sk-aggregate -k .k --time .t --timeout 10s --part '{k}' --meta < <(lines \
		'{"k":"a","t":100}' '{"k":"b","t":101}' '{"k":"a","t":109}' '{"k":"c","t":111}' \
		'{"k":"a","t":119}' '{"k":"c","t":140}')
	assert_success
	assert_output "$(lines \
		'{"k":"b","_aggregate":{"key":"b","count":1,"by":"timeout","first":"1970-01-01T00:01:41Z","last":"1970-01-01T00:01:41Z"}}' \
		'{"k":"c","_aggregate":{"key":"c","count":1,"by":"timeout","first":"1970-01-01T00:01:51Z","last":"1970-01-01T00:01:51Z"}}' \
		'{"k":"a","_aggregate":{"key":"a","count":3,"by":"timeout","first":"1970-01-01T00:01:40Z","last":"1970-01-01T00:01:59Z"}}' \
		'{"k":"c","_aggregate":{"key":"c","count":1,"by":"end","first":"1970-01-01T00:02:20Z","last":"1970-01-01T00:02:20Z"}}')"
}

@test "a part that comes at the deadline, not after it, still belongs to the group" {
	run_tool sk-aggregate -k .k --time .t --timeout 10s --part .t --merge array < <(lines \
		'{"k":1,"t":100}' '{"k":1,"t":110}' '{"k":1,"t":120.000001}')
	assert_output "$(lines '[100,110]' '[120.000001]')"
}

@test "--max-age: D after its first part, whatever comes" {
	run_tool sk-aggregate -k .k --time .t --max-age 10s --timeout 8s --part .t --merge array < <(lines \
		'{"k":1,"t":100}' '{"k":1,"t":107}' '{"k":1,"t":110}' '{"k":1,"t":111}' '{"k":1,"t":120}')
	assert_output "$(lines '[100,107,110]' '[111]' '[120]')"
}

@test "timers fire in the order of deadline and key" {
	run_tool sk-aggregate -k .k --time .t --timeout 10s --part .k --merge array < <(lines \
		'{"k":"b","t":100}' '{"k":10,"t":100}' '{"k":"a","t":100}' '{"k":9,"t":100}' \
		'{"k":"z","t":99}' '{"k":"y","t":1000}')
	assert_output "$(lines '["z"]' '[9]' '[10]' '["a"]' '["b"]' '["y"]')"
}

@test "with --delay parts may come out of order, and the deadline moves both ways" {
	run_tool sk-aggregate -k .k --time .t --delay 20s --max-age 10s --part .t --merge array < <(lines \
		'{"k":1,"t":105}' '{"k":2,"t":106}' '{"k":2,"t":99}' '{"k":3,"t":129.5}' '{"k":3,"t":135.5}' \
		'{"k":4,"t":300}')
	assert_output "$(lines '[106,99]' '[105]' '[129.5,135.5]' '[300]')"
}

@test "--on-timeout drop and dead-letter" {
	lines '{"k":1,"t":100}' '{"k":2,"t":200}' >in
	run_tool sk-aggregate -k .k --time .t --size 2 --timeout 10s --on-timeout drop --at-end drop in
	assert_success
	assert_output ''
	run_tool sk-aggregate -k .k --time .t --size 2 --timeout 10s --on-timeout dead-letter \
		--dead-letter dead --at-end emit in
	assert_status 1
	assert_output '{"k":2,"t":200}'
	assert_equal "$(sk-map -r .error.message dead)" 'a group is incomplete: timeout'
}

# ---- finished keys --------------------------------------------------------------------------------------

@test "--closed N: what comes for a finished key is late" {
	run_tool sk-aggregate -v -k .k --size 1 --closed 2 --late late < <(lines '{"k":1}' '{"k":1,"a":1}' \
		'{"k":2}' '{"k":3}' '{"k":3,"b":1}' '{"k":1,"c":1}' '{"k":2,"d":1}')
	assert_success
	assert_output "$(lines '{"k":1}' '{"k":2}' '{"k":3}' '{"k":1,"c":1}' '{"k":2,"d":1}')"
	assert_file late '{"k":1,"a":1}' '{"k":3,"b":1}'
	assert_says '7 records in = 5 output + 2 late'
}

@test "--closed D: for that long in event time" {
	run_tool sk-aggregate -k .k --time .t --size 1 --closed 64s < <(lines '{"k":1,"t":1000}' \
		'{"k":1,"t":1064}' '{"k":1,"t":1070}' '{"k":1,"t":1071}')
	assert_success
	assert_output "$(lines '{"k":1,"t":1000}' '{"k":1,"t":1070}')"
}

# ---- what sk-split took apart ----------------------------------------------------------------------------

@test "children are put together again, in their order, byte for byte" {
	run_tool sk-aggregate -k ._split.id --size ._split.count --merge array < <(lines \
		'{"n": 3 , "_split":{"id":"x","index":2,"count":3,"last":true}}' \
		'{"_split":{"id":"x","index":0,"count":3,"last":false},  "n":1}' \
		'{"a":[ 1 ],"_split":{"id":"x","index":1,"count":3},"_split":{"id":"x","index":1,"count":3,"last":false},"n":2}')
	assert_success
	assert_output '[{"n":1},{"a":[ 1 ],"n":2},{"n": 3}]'
}

@test "a _split that is not sk-split's stays" {
	run_tool sk-aggregate -k .k --size 3 --merge array < <(lines '{"k":1,"_split":{"index":"1"}}' \
		'{"k":1,"_split":7}' '{"k":1,"_split":{"index":1.5}}')
	assert_output '[{"k":1,"_split":{"index":"1"}},{"k":1,"_split":7},{"k":1,"_split":{"index":1.5}}]'
}

# ---- meta ---------------------------------------------------------------------------------------------------

@test "--meta replaces a member of that name, and wraps what is no object" {
	run_tool sk-aggregate -k .k --size 1 --meta <<<'{"_aggregate":1,"k":1}'
	assert_output '{"k":1,"_aggregate":{"key":1,"count":1,"by":"size"}}'
	run_tool sk-aggregate -k .k --size 1 --meta --merge array <<<'{"k":1}'
	assert_output '{"value":[{"k":1}],"_aggregate":{"key":1,"count":1,"by":"size"}}'
	run_tool sk-aggregate -k .k --size 1 --meta --merge '{x:1,_aggregate:2}' <<<'{"k":1}'
	assert_output '{"x":1,"_aggregate":{"key":1,"count":1,"by":"size"}}'
	run_tool sk-aggregate -k .k --size 1 --meta --merge '7' <<<'{"k":1}'
	assert_output '{"value":7,"_aggregate":{"key":1,"count":1,"by":"size"}}'
}

@test "envelopes: a group has key and origin of the record that completed it" {
	run_tool sk-aggregate -e -k .k --size 2 < <(lines \
		'{"topic":"t","partition":1,"offset":5,"ts":1,"key":"p","headers":[],"value":{"k":1,"a":1}}' \
		'{"topic":"t","partition":1,"offset":6,"ts":2,"key":"q","headers":[["h","v"]],"value":{"k":1,"b":2}}')
	assert_success
	assert_equal "$(sk-map -r --envelope=in '"\($offset) \($key) \($headers) \(.a) \(.b)"' <<<"$output")" \
		'6 q [["h","v"]] 1 2'
}

# ---- usage ----------------------------------------------------------------------------------------------------

@test "options that make no sense are refused" {
	refused() {
		run_tool sk-aggregate "$@" </dev/null
		assert_status 64
		assert_output ''
	}
	refused --size 1
	assert_says '-k EXPR is missing'
	refused -k .k
	assert_says 'nothing completes a group'
	refused -k .k --size 0
	refused -k .k --size 1 --eager
	refused -k .k --size 1 --on-timeout drop
	refused -k .k --size 1 --late x
	refused -k .k --size 1 --closed 0
	refused -k .k --size 1 --closed x
	refused -k .k --size 1 --field a
	refused -k .k --size 1 --field a=avg
	assert_says "there is no rule 'avg'"
	refused -k .k --size 1 --field a=sum --merge array
	refused -k .k --require a --merge array
	refused -k .k --require a,,b
	refused -k .k --size 1 --at-end dead-letter
	refused -k .k --size 1 --merge '.['
	assert_says '--merge: '
}

@test "--explain: the job of the examples runs natively" {
	run_tool sk-aggregate -k .orderId --require id --part "$part" --explain
	assert_success
	refute_output --partial libjq
}

@test "an input without records" {
	run_tool sk-aggregate -k .k --size 1 </dev/null
	assert_success
	assert_output ''
	assert_silent
}

# ---- bounds -------------------------------------------------------------------------------------------------------

@test "state is bounded: beyond --max-keys it is an error" {
	run_tool sk-aggregate -k .k --size 2 --max-keys 3 < <(lines '{"k":1}' '{"k":2}' '{"k":1}' \
		'{"k":3}' '{"k":4}' '{"k":5}')
	assert_status 71
	assert_says max-keys
}

@test "--on-full evict gives up the oldest, and says so" {
	run_tool sk-aggregate -k .k --at-end emit --max-keys 2 --on-full evict < <(lines '{"k":1}' \
		'{"k":2}' '{"k":3}' '{"k":2,"a":1}')
	assert_status 1
	assert_output "$(lines '{"k":2,"a":1}' '{"k":3}')"
	assert_said 'sk-aggregate: 1 group was given up for the bounds of the state'
}

# ---- state ------------------------------------------------------------------------------------

@test "what is open waits in the state for the next run" {
	lines '{"k":1,"a":1}' '{"k":2,"b":1}' '{"k":3,"c":1}' >one
	lines '{"k":3,"c":2}' '{"k":1,"a":2}' '{"k":2,"b":2}' >two
	run_tool sk-aggregate -k .k --size 2 --merge array --state dir <one
	assert_success
	assert_output ''
	assert_silent
	run_tool sk-aggregate -k .k --size 2 --merge array --state dir <two
	assert_success
	assert_output "$(sk-aggregate -k .k --size 2 --merge array one two)"
}

@test "timers, the order of closed keys and the open group of a sorted input come back" {
	for n in 1 2 3 4 5 6 7; do
		for args in '--time .t --timeout 10s --part .t' '--size 1 --closed 2 --part .t' \
			'--sorted --part .t' '--time .t --max-age 6s --size 3 --closed 20s --part .t'; do
			printf '{"k":%s,"t":%s}\n' 1 100 1 104 2 105 2 107 3 112 1 117 2 121 1 160 >in
			head -n $n in >one
			tail -n +$((n + 1)) in >two
			rm -rf dir
			sk-aggregate -k .k $args --merge array --at-end emit in >want || true
			sk-aggregate -k .k $args --merge array --state dir <one >got || true
			sk-aggregate -k .k $args --merge array --state dir --at-end emit <two >>got || true
			cmp want got
		done
	done
}

@test "a state that other options shaped is refused" {
	sk-aggregate -k .k --size 2 --state dir <<<'{"k":1}'
	for other in '-k .x' '-k .k --merge array' '-k .k --part .' '-k .k --field a=sum' \
		'-k .k --null-key' '-k .k --sorted'; do
		run_tool sk-aggregate $other --size 2 --state dir <<<'{"k":1,"x":1}'
		assert_status 78
		assert_output ''
	done
	run_tool sk-aggregate -k .k --size 3 --state dir < <(lines '{"k":1,"a":2}' '{"k":1,"b":3}')
	assert_output '{"k":1,"a":2,"b":3}'
}

# ---- groups of many parts ------------------------------------------------------------------------

# Parts of ten groups, 20,000 each, whose lists and texts are long.
many() {
	jq -nc 'range(200000) | {k: (. % 10), v: "value \(.)", n: (. * 7919 % 5003)}' >many
	jq -cs 'group_by(.k)[] | {v: map(.v), n: (map(.n) | reduce .[] as $n ({l: [], s: {}};
		if .s["\($n)"] then . else .s["\($n)"] = 1 | .l += [$n] end) | .l),
		t: (map(.v) | add)}' many >fields
	jq -cs 'group_by(.k)[] | map(.v)' many >lists
}

@test "a part costs the same whether its group has ten or 20,000 of them, in the log too" {
	many
	for args in '--merge array --part .v' \
		'--part {v,n,t:.v} --field v=array --field n=unique --field t=concat'; do
		[ "$args" = '--merge array --part .v' ] && want=lists || want=fields
		timeout 30 sk-aggregate -k .k $args --at-end emit many | cmp - $want
		rm -rf state out
		timeout 60 sk-aggregate -k .k $args --size 20000 --state state --checkpoint 1ms many \
			-o out
		sort out | cmp - <(sort $want)
		# Each changed group is written once an epoch, as is each piece once.
		echo "$(du -sk state | cut -f1) KiB of state"
		[ "$(du -sk state | cut -f1)" -lt 15000 ]
		rm -rf state
		split -n l/5 many part.
		for file in part.?? ; do
			sk-aggregate -k .k $args --state state --size 20000 $file
		done >got
		sort got | cmp - <(sort $want)
	done
}

@test "a group of 300,000 parts takes no longer than as many groups" {
	jq -nc 'range(300000) | {k: 1, v: "value \(.)"}' >in
	timeout 20 sk-aggregate -k .k --part .v --merge array --size 300000 in |
		cmp - <(jq -cs 'map(.v)' in)
}

@test "one record of many parts: groups that end and begin within it" {
	jq -nc '[range(30000)] | {k: 1, p: (map({v: "value \(.)", n: (. % 977)}))},
		{k: 1, p: (map({v: "v \(.)", n: (. % 1009)})[:10000])}' >in
	args='--part .p[] --field v=array --field n=unique --size 8000 --at-end emit'
	jq -cs '[.[].p[]] | [range(0; length; 8000) as $i | .[$i:$i + 8000]][] |
		{v: map(.v), n: (map(.n) | reduce .[] as $n ({l: [], s: {}};
		if .s["\($n)"] then . else .s["\($n)"] = 1 | .l += [$n] end) | .l)}' in >want
	timeout 60 sk-aggregate -k .k $args in | cmp - want
	head -1 in | sk-aggregate -k .k --part '.p[]' --field v=array --field n=unique --size 8000 \
		--state state >got
	tail -1 in | sk-aggregate -k .k $args --state state >>got
	cmp got want
}

@test "a bad part leaves no trace in a long group either" {
	jq -nc 'range(2000) | {k: 1, v: "value \(.)", n: (if . % 7 == 3 then "x" else . end)}' >in
	sk-aggregate -k .k --part '{v,u:.v,n}' --field v=array --field u=unique --field n=sum \
		--at-end emit --on-error skip -q in >got || [ $? = 1 ]
	jq -cs 'map(select(.n | type == "number")) | {v: map(.v), u: map(.v), n: (map(.n) | add)}' in |
		cmp - got
}

@test "the pieces of a long group go with it, however it ends" {
	jq -nc 'range(60) as $g | range(300) | {k: $g, v: "value \(. % 100) of \($g)", t: ($g * 1000 + .)}' >in
	for args in '--size 300' '--sorted' '--time .t --timeout 10m' \
		'--time .t --timeout 10m --on-timeout drop' '--size 300 --closed 10'; do
		sk-aggregate -k .k --field v=array --max-keys 30 $args in >out
		sk-aggregate -k .k --field v=unique --max-keys 230 $args in >out
		sk-aggregate -k .k --merge array --max-keys 30 $args in >out
	done
}

@test "--on-full evict: a long group goes whole" {
	# Groups begin at different times and grow side by side.
	jq -nc 'range(40000) as $i | {k: ("g\(($i / 400 | floor) + $i % 5)"), v: $i}' >in
	for args in '--merge array --part .v' '--part {v} --field v=array' '--part {v} --field v=unique'; do
		run_tool sk-aggregate -k .k $args --max-keys 12 --on-full evict --at-end emit in
		assert_status 1
		assert_says 'given up for the bounds of the state'
		# What is there is in order, and a group is a run of what came for it.
		jq -c '(if type == "object" then .v else . end) | . == sort' <<<"$output" | sort -u >sorted
		assert_file sorted true
	done
}

# ---- much ------------------------------------------------------------------------------------

@test "--sorted: a million keys in a state of a megabyte" {
	seq 1000000 | sed 's/.*/{"k":"key-&","v":&}/' >in
	run_tool sk-aggregate -k .k --sorted --field v=sum --max-memory 1M in -o out
	assert_success
	cmp in out
}

@test "parts of 100 MB: two are joined, a third would be too much, and is a bad record" {
	for c in a b c; do
		printf '{"k":1,"%s":"' $c
		head -c 100000000 /dev/zero | tr '\0' $c
		printf '"}\n'
	done >in
	run_tool sk-aggregate -k .k --max-record 200M --at-end emit --on-error skip in -o out
	assert_status 1
	assert_says 'in:3: the whole would be larger than 256 MiB'
	{ head -n 1 in | head -c -2; printf ','; sed -n 2p in | tail -c +8; } | cmp - out
}

@test "deep: a thousand parts, one into the other" {
	jq -nc 'range(1000) | {k: 1, v: {"a\(. % 7)": {"b\(. % 31)": {"c\(. % 101)": ., l: [.]}},
		n: .}}' >in
	sk-aggregate -k .k --merge deep --at-end emit in | cmp - <(jq -cs '
		reduce .[] as $e ({}; . * $e)' in)
}

# Who knows where keys lie can write such that collide: nobody does.
@test "keys lie under a hash that is another one in each state" {
	jq -nc 'range(1000) | {k: ., v: 1}' >in
	for i in 1 2; do
		sk-aggregate -k .k --size 2 --state state$i in
		sk-state dump state$i >dump$i
		[ "$(jq -r 'select(.value_b64 or .value) | .key' dump$i | sort -u | wc -l)" = 1000 ]
	done
	[ -z "$(comm -12 <(jq -r '.key' dump1 | sort) <(jq -r '.key' dump2 | sort) | grep -v null)" ]
}

# ---- where the group lies --------------------------------------------------------------------

# Parts that are told at a glance, and others, of 40 keys.
mixed() {
	jq -nc 'range(4000) | . as $i | ($i % 40) as $k |
		if $i % 7 == 0 then {t: "a", k: $k, x: "x\($i)", y: {z: $i}}
		elif $i % 11 == 0 then {t: "a", k: $k, x: "\\u00e9\n\($i)", y: null}
		elif $i % 13 == 0 then {t: "b", k: "\($k)", x: "a long text, and longer than what there is room for: \($i)"}
		elif $i % 3 == 0 then {t: "b", k: $k, x: $i}
		elif $i % 3 == 1 then {t: "c", k: $k}
		else {t: "a", k: $k, x: "s\($i)", y: true} end'
}
mixed_part='if .t == "a" then {k, x, y} elif .t == "b" then {w: .x, "q\"": 1} else {done: true} end'

@test "a part goes into its group where it lies, or by the long way: the same" {
	mixed >in
	for args in '--require x,w,done' '--size 5' '--require done --size 7' '--size 1'; do
		sk-aggregate -k .k --part "$mixed_part" $args --at-end emit in >want
		# An expression of which nothing can be told ahead.
		sk-aggregate -k '.k | .' --part "$mixed_part | ." $args --at-end emit in | cmp - want
		sk-aggregate -k .k --part "$mixed_part" $args --at-end emit --jobs 2 in | cmp - want
		# The same over pieces, with a state.
		rm -rf state part.*
		split -n l/7 in part.
		for file in part.?? ; do
			sk-aggregate -k .k --part "$mixed_part" $args --state state $file
		done >got
		sk-aggregate -k .k --part "$mixed_part" $args --at-end emit --state state </dev/null >>got
		cmp got want
		rm -rf state out
		sk-aggregate -k .k --part "$mixed_part" $args --at-end emit --state state --checkpoint 1ms \
			in -o out
		cmp out want
	done
}

@test "--on-full evict: a group that grows where it lies gives way too" {
	mixed >in
	run_tool sk-aggregate -k .k --part "$mixed_part" --size 1000 --at-end emit --max-keys 10 \
		--on-full evict in -o out
	assert_status 1
	assert_says 'given up for the bounds'
	[ "$(wc -l <out)" = 10 ]
}
