#!/usr/bin/env bats
# Checkpointed streams, written by hand: control records are read, checked and passed on.

load helper

R=0123456789abcdef
start='{"$sk":"start","run":"'$R'","app":"a","epoch":4,"format":"plain","stage":0,"sinks":[]}'
end='{"$sk":"end","run":"'$R'","complete":true}'
barrier() { echo '{"$sk":"barrier","run":"'$R'","epoch":'"$1"',"lines":'"$2"'}'; }
mark() { echo '{"$sk":"watermark","run":"'$R'","ts":'"$1"'}'; }

@test "control records pass in place, in order, between the data" {
	run bash -c 'printf "%s\n" "$@" | sk-map .a | cat' - "$start" '{"a":1}' "$(mark 5)" '{"a":2}' \
		"$(barrier 5 1)" '{"a":3}' "$end"
	assert_success
	assert_line --index 0 '{"$sk":"start","run":"'$R'","app":"a","epoch":4,"format":"plain","stage":1,"sinks":[]}'
	assert_line --index 1 1
	assert_line --index 2 "$(mark 5)"
	assert_line --index 3 2
	assert_line --index 4 "$(barrier 5 1)"
	assert_line --index 5 3
	assert_line --index 6 "$end"
}

@test "the last process writes data only" {
	printf '%s\n' "$start" '{"a":1}' "$(barrier 5 0)" "$end" | sk-map . >out
	[ "$(cat out)" = '{"a":1}' ]
	printf '%s\n' "$start" '{"a":1}' "$(barrier 5 0)" "$end" | sk-cat -o file.ndjson
	[ "$(cat file.ndjson)" = '{"a":1}' ]
}

@test "a stream that stops without end: nothing appears, status 75" {
	run --separate-stderr bash -c 'printf "%s\n" "$@" | sk-cat -o out' - "$start" '{"a":1}'
	assert_failure 75
	[ ! -e out ]
	[[ $stderr == *"without 'end'"* ]]
}

@test "end with complete:false makes no file, and is no clean end" {
	run bash -c 'printf "%s\n" "$@" | sk-cat -o out' - "$start" '{"a":1}' "${end/true/false}"
	assert_failure 75
	[ ! -e out ]
}

@test "fail passes on, and the last process exits with its status" {
	fail='{"$sk":"fail","run":"'$R'","stage":1,"status":69,"message":"no broker"}'
	run bash -c 'printf "%s\n" "$@" | sk-map . | sk-cat -o out; echo "${PIPESTATUS[1]} ${PIPESTATUS[2]}"' \
		- "$start" '{"a":1}' "$fail"
	assert_output --partial '69 69'
	[ ! -e out ]
}

@test "a stage that dies says so to the last one" {
	run --separate-stderr bash -c 'printf "%s\n" "$@" | sk-map .a+1 | sk-cat -o out; echo "${PIPESTATUS[1]} ${PIPESTATUS[2]}"' \
		- "$start" '{"a":[]}' "$end"
	assert_output '65 65'
	[ ! -e out ]
}

@test "control lines of another run id, or in a file, or with --plain, are data" {
	other=${end/$R/fedcba9876543210}
	run bash -c 'printf "%s\n" "$@" | sk-cat -o out' - "$start" "$other" "$end"
	assert_success
	[ "$(cat out)" = "$other" ]
	printf '%s\n' "$start" '{"a":1}' >file
	sk-cat file -o copy
	cmp file copy
	sk-cat <file -o copy
	cmp file copy
	cat file | sk-cat --plain -o copy
	cmp file copy
}

@test "a record that would begin a plain pipe as a start is a bad record" {
	printf '%s\n' "$start" '{"a":1}' >file
	run --separate-stderr bash -c 'sk-cat --on-error skip file | cat'
	assert_output '{"a":1}'
	[[ $stderr == *'start of a checkpointed stream'* ]]
	printf '{"a":1}\n%s\n' "$start" >file
	run bash -c 'sk-cat file | cat'
	assert_success
	assert_line --index 1 "$start"
}

@test "a lost control line is noticed at the next barrier" {
	run --separate-stderr bash -c 'printf "%s\n" "$@" | sk-map . | cat; exit ${PIPESTATUS[1]}' \
		- "$start" "$(mark 1)" "$(barrier 5 2)" "$end"
	assert_failure 75
	[[ $stderr == *'barrier 5 counts 2 control records'* ]]
}

@test "a control record with a wrong member is refused" {
	run --separate-stderr bash -c 'printf "%s\n" "$@" | sk-map . | cat; exit ${PIPESTATUS[1]}' \
		- "$start" '{"$sk":"barrier","run":"'$R'","epoch":"x"}'
	assert_failure 65
	[[ $stderr == *barrier* ]]
}

@test "state passes unparsed, and counts" {
	state='{"$sk":"state","run":"'$R'","block":"####"}'
	run bash -c 'printf "%s\n" "$@" | sk-map . | cat; exit ${PIPESTATUS[1]}' \
		- "$start" "$state" "$(barrier 5 1)" "$end"
	assert_success
	assert_line --index 1 "$state"
}

@test "dead letters and summaries travel to the last process, which writes them" {
	run --separate-stderr bash -c 'printf "%s\n" "$@" |
		sk-split .i --dead-letter dlq --summary .n --summary-to sums |
		tee mid | sk-cat -o out' - "$start" '{"n":1,"i":[{"x":1}]}' '{"n":2,"i":5}' \
		"$(barrier 5 0)" "$end"
	assert_success
	[ "$(cat out)" = '{"x":1}' ]
	[ "$(cat sums)" = 1 ]
	[ "$(sk-map -c .value dlq 2>/dev/null || sk-map .value dlq)" = '{"n":2,"i":5}' ]
	grep -q '"stage":1,"sinks":\["sums","append:dlq"\]' mid
	grep -q '"epoch":5,"lines":2' mid
}

@test "two stages with side sinks keep them apart" {
	printf '%s\n' "$start" '{"n":1}' '{"n":"x"}' '{"n":9}' "$end" |
		sk-map '.n+0' --dead-letter first |
		sk-map 'if . > 5 then error("big") else . end' --dead-letter second |
		sk-cat -o out || true
	[ "$(cat out)" = 1 ]
	[ "$(sk-map .value first)" = '{"n":"x"}' ]
	[ "$(sk-map .value second)" = 9 ]
}

@test "what follows the end is refused" {
	run --separate-stderr bash -c 'printf "%s\n" "$@" | sk-cat -o out' - "$start" "$end" '{"a":1}'
	assert_failure 65
	[ ! -e out ]
}

@test "a first line that only looks like a start is data" {
	for line in '{"$sk":"start"}' '{"$sk":"start","run":"x","epoch":1}' \
		'{"$sk":"start","run":"'$R'"}' ' '"$start"; do
		run bash -c 'echo "$1" | sk-cat | cat' - "$line"
		assert_success
		assert_output "$line"
	done
}

# A stream whose owner says start again: what came after epoch 1 is void.
again() { # TOOL ARGS: its data lines
	local s='"app":"a","format":"envelope","timed":true}' z='{"topic":"l","partition":0,"offset"'
	local p='"committed":0,"positions":[],"clock":{}' m=1767225600000000 t='"2026-01-01T00:0'
	local v='"key":null,"headers":[],"value"'
	printf '%s\n' '{"$sk":"start","run":"'$R'","epoch":0,'"$s" \
		"$z"':1,"ts":null,"time":'$t'0:00Z",'"$v"':{"id":1}}' "$(mark $m)" \
		'{"$sk":"barrier","run":"'$R'","epoch":1,"lines":1,'"$p}" \
		"$z"':2,"ts":null,"time":'$t'1:00Z",'"$v"':{"id":2}}' "$(mark $((m + 60000001)))" \
		'{"$sk":"start","run":"'$R'","epoch":1,'"$s" "$(mark $m)" \
		"$z"':2,"ts":null,"time":'$t'1:00Z",'"$v"':{"id":2}}' \
		"$z"':3,"ts":null,"time":'$t'1:30Z",'"$v"':{"id":1}}' \
		'{"$sk":"end","run":"'$R'","complete":true,"epoch":2,"lines":1,'"$p}" |
		"$@" --state D | sed -n 's/.*"value"://p' | sed 's/}$//'
}

@test "a second start takes state back: sk-dedup" {
	run again sk-dedup -k .id
	assert_output $'{"id":1}\n{"id":2}\n{"id":2}'
}

@test "a second start takes state back: sk-aggregate" {
	run again sk-aggregate -k .id --size 2 --merge array --at-end emit
	assert_output $'[{"id":1},{"id":1}]\n[{"id":2}]'
}

@test "a second start takes state back: sk-window" {
	run again sk-window --tumbling 1m -a 'l=list(.id)' --time-format ms
	assert_output '{"start":1767225600000,"end":1767225660000,"l":[1]}
{"start":1767225600000,"end":1767225660000,"l":[1]}
{"start":1767225660000,"end":1767225720000,"l":[2,1]}'
}

@test "a second start takes state back: sk-join" {
	run again sk-join --left '.id==1' --right '.id==2' -k '1' --within 1m --emit '$right'
	assert_output $'{"id":2}\n{"id":2}\n{"id":2}'
}

@test "a second start takes state back, and with it what is in memory alone" {
	run again sk-dedup -k .id
	run bash -c 'printf "%s\n" "$@" | sk-dedup | cat' - "${start/:4/:0}" '{"a":1}' \
		"$(barrier 1 0)" "${start/:4/:1}"
	[[ $output == *'"status":78'* ]]
}

@test "a stage that dies before it has its start says nothing into the pipe" {
	seq 9 | sed 's/.*/{"id":&}/' >in
	export SK_STATE=state SK_APP=a
	sk-cat in --checkpoint 1s | sk-dedup -k .id | sk-cat -o append:out
	: >"$(ls state/2-sk-dedup/*.log)"
	run bash -c 'sk-cat in --checkpoint 1s | sk-dedup -k .id | sk-cat -o append:out; echo "${PIPESTATUS[@]: -2}"'
	assert_line '78 75'
	[ "$(wc -l <out)" = 9 ]
}
