#!/usr/bin/env bats
# What every tool does with bad records, hostile input, full disks and signals.

load helper

@test "a broken line is told by file, line and column, and its neighbours are unharmed" {
	printf '{"a":1}\n{"a":\n{"a":12345678901234567890}\n' >in.ndjson
	run --separate-stderr sk-map .a --dead-letter dlq in.ndjson
	assert_failure 1
	assert_output $'1\n12345678901234567890'
	[[ $stderr == 'sk-map: in.ndjson:2:6: '* ]]
	run sk-map '[.origin.path, .origin.line, .origin.column, .origin.offset, .error.type]' dlq
	assert_output '["in.ndjson",2,6,8,"malformed"]'
	run sk-map -r '.value_b64|@base64d' dlq
	assert_output '{"a":'
}

@test "a dead letter of a valid record keeps its value: sk-map .value mends it" {
	printf '{"a":"x", "n":1.0}\n' | sk-map '.a+1' --dead-letter dlq || [ $? = 1 ]
	run sk-map '.value' dlq
	assert_output '{"a":"x","n":1.0}'
	run sk-map -r .error.message dlq
	assert_output 'string ("x") and number (1) cannot be added'
}

@test "dead letters append" {
	echo '{' | sk-map . --dead-letter dlq || [ $? = 1 ]
	echo '[' | sk-map . --dead-letter dlq || [ $? = 1 ]
	[ "$(wc -l <dlq)" = 2 ]
}

@test "--on-error fail stops at the bad record; what came before it is out" {
	run --separate-stderr sk-map . <<<$'1\n{\n3'
	assert_failure 65
	assert_output 1
	[[ $stderr == 'sk-map: stdin:2:'* ]]
}

@test "--on-error skip counts" {
	run --separate-stderr sk-map --on-error skip . <<<$'1\n{\n3'
	assert_failure 1
	assert_output $'1\n3'
	[[ $stderr == *'1 bad record skipped'* ]]
}

@test "-v prints a balance that adds up" {
	run --separate-stderr sk-map -v --on-error skip -w '. > 1' . <<<$'1\n{\n3'
	[[ $stderr == *'3 records in = 1 output + 1 dropped + 1 skipped'* ]]
}

@test "refused by RFC 8259, each between two good neighbours" {
	printf '%s\n' "{'a':1}" '{"a":1,}' '[1,]' '{"a" 1}' '{a:1}' '01' '+1' '.5' '1.' '1e' 'NaN' \
		'Infinity' 'nul' 'True' '"' '"\x"' '"\u12"' '1 2' '{}{}' ']' '}' '[}' '{]' ',' ':' \
		'[1 2]' '["a":1]' '{"a":1 "b":2}' '// c' '/**/1' '-' '--1' '1.e1' '0x1' >bad
	while read -r line; do printf '%s\n%s\n%s\n' '"before"' "$line" '"after"'; done <bad >in
	run --separate-stderr sk-cat -q --on-error skip in
	assert_failure 1
	[ "$(grep -c before <<<"$output")" = "$(wc -l <bad)" ]
	[ "$(grep -c after <<<"$output")" = "$(wc -l <bad)" ]
	[ "${#lines[@]}" = $((2 * $(wc -l <bad))) ]
}

@test "bytes that are not UTF-8, control bytes, NUL, a BOM" {
	printf '1\n"\xff"\n"\xc0\xaf"\n"\xed\xa0\x80"\n"\x01"\n"a\0b"\n\xef\xbb\xbf2\n3\n' >in
	run --separate-stderr sk-cat --on-error skip in
	assert_failure 1
	assert_output $'1\n3'
	[[ $stderr == *'in:2:2: '*UTF-8* ]]
	[[ $stderr == *'in:7:1: '*'byte order mark'* ]]
}

@test "an open string does not swallow the next line" {
	run --separate-stderr sk-cat --on-error skip <<<$'{"a":"open\n{"b":"}\n{"c":"\\\n{"d":1}'
	assert_failure 1
	assert_output '{"d":1}'
}

@test "deep nesting: 1,024 levels pass, 1,025 and 100,000 do not" {
	deep() { printf "%0.s[" $(seq "$1"); printf "%0.s]" $(seq "$1"); echo; }
	{ deep 1024; deep 1025; deep 100000; echo 1; } >in
	run --separate-stderr sk-cat -v --on-error skip in
	assert_failure 1
	[[ $stderr == *'2 output + 2 skipped'* ]]
	{ printf '%0.s{"a":' $(seq 2000); echo; } >in
	run sk-cat in
	assert_failure 65
	deep 1000 >in
	run sk-map '.[0][0]|length' in
	assert_output 1
}

@test "a line longer than --max-record is a bad record, in bounded memory" {
	{ echo 1; head -c 100000000 /dev/zero | tr '\0' x; echo; echo 2; } >in
	run --separate-stderr /usr/bin/env time -f %M sk-cat --on-error skip in
	if [ "$status" = 127 ]; then run --separate-stderr sk-cat --on-error skip in; fi
	assert_failure 1
	assert_output $'1\n2'
	[[ $stderr == *'in:2: a line of 100000000 bytes is longer than --max-record'* ]]
	run sk-cat --max-record 10 <<<'"12345678901234567890"'
	assert_failure 65
}

@test "a line of 50 MB passes whole" {
	{ printf '{"a":"'; head -c 50000000 /dev/zero | tr '\0' x; echo '"}'; } >in
	sk-map .a <in | wc -c >n
	[ "$(cat n)" = 50000003 ]
}

@test "/dev/full and closed outputs are told, with status 74" {
	run --separate-stderr bash -c 'printf "{\"a\":1}\n" | sk-map . >/dev/full'
	assert_failure 74
	[[ $stderr == 'sk-map: stdout: No space left on device'* ]]
	run --separate-stderr bash -c 'echo 1 | sk-map . >&-'
	assert_failure 74
	[ -n "$stderr" ]
}

@test "a broken pipe ends quietly: 141, or 74 where SIGPIPE is ignored" {
	run --separate-stderr bash -c 'yes 1 | sk-map . | head -1; exit ${PIPESTATUS[1]}'
	assert_failure 141
	assert_output 1
	[ -z "$stderr" ]
	run --separate-stderr bash -c 'trap "" PIPE; { yes 1 | timeout 10 sk-map .; echo "$?" >&9; } 9>code | head -1'
	[ "$(cat code)" = 74 ]
}

@test "control bytes in messages are escaped" {
	run --separate-stderr sk-map 'error("\u001b[31mred\u0007")' <<<1
	assert_failure 65
	[[ $stderr != *$'\e'* ]]
}

@test "truncated and corrupt zstd: the lines before are out, then status 65" {
	"$SK_BUILD/examples/generate" --events 20000 >in.ndjson
	zstd -q in.ndjson
	head -c 100000 in.ndjson.zst >cut.zst
	run --separate-stderr bash -c 'sk-cat cut.zst >out'
	assert_failure 65
	[[ $stderr == *cut.zst* ]]
	[ -s out ]
	cmp -n "$(stat -c %s out)" out in.ndjson
	{ head -c 50000 in.ndjson.zst; printf 'XXXXXXXXXXXXXXXX'; tail -c +50017 in.ndjson.zst; } >bad.zst
	run --separate-stderr sk-cat bad.zst -o out2
	assert_failure 65
	[ ! -e out2 ]
}

@test "a zstd bomb is bounded" {
	head -c 300000000 /dev/zero | tr '\0' ' ' | zstd -q >bomb.zst
	run --separate-stderr sk-cat --max-unpacked 1M bomb.zst
	assert_failure 65
	[ -n "$stderr" ]
}

# Wait until a file holds something.
await() {
	for _ in $(seq 200); do
		[ -s "$1" ] && return
		sleep 0.05
	done
	return 1
}

@test "SIGTERM on a stage with a pipe on stdin: it goes on to the end of its input" {
	mkfifo in
	sk-map . <in >out &
	pid=$!
	exec 7>in
	echo 1 >&7
	await out
	kill -TERM $pid
	sleep 0.2
	echo 2 >&7
	exec 7>&-
	wait $pid
	[ "$(cat out)" = $'1\n2' ]
}

@test "SIGTERM on an endless source drains: status 0, everything read is out" {
	mkfifo in
	sk-map . in >out &
	pid=$!
	exec 7>in
	echo 1 >&7
	await out
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	[ "$status" = 0 ]
	[ "$(cat out)" = 1 ]
	exec 7>&-
}

@test "a second signal stops at once" {
	mkfifo in
	sk-map . <in >out &
	pid=$!
	exec 7>in
	echo 1 >&7
	await out
	kill -TERM $pid
	sleep 0.2
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	exec 7>&-
	[ "$status" = 143 ]
}

@test "SIGUSR1 prints the balance and nothing else happens" {
	mkfifo in
	sk-map . in >out 2>err &
	pid=$!
	exec 7>in
	echo 1 >&7
	await out
	kill -USR1 $pid
	await err
	grep -q '1 records in = 1 output' err
	exec 7>&-
	wait $pid
}

@test "an endless source into a file that would never appear is refused" {
	mkfifo in
	run --separate-stderr sk-cat in -o out.ndjson
	assert_failure 64
	[ ! -e out.ndjson ]
}

@test "an output that feeds its own input is refused, two names of one file too" {
	echo 1 >log
	run --separate-stderr sk-cat log -o append:log
	assert_failure 64
	[ "$(cat log)" = 1 ]
	run --separate-stderr bash -c 'sk-cat log >>log'
	assert_failure 64
	run --separate-stderr sk-cat log -o out --dead-letter ./out
	assert_failure 64
}

@test "kill -9 leaves no half file" {
	mkdir work
	mkfifo in
	sk-cat -o work/out.ndjson <in &
	pid=$!
	exec 7>in
	for _ in $(seq 100); do echo '{"a":1}' >&7; done
	sleep 0.3
	kill -9 $pid
	exec 7>&-
	wait $pid || true
	[ -z "$(ls -A work)" ]
}

@test "contradictions are usage errors" {
	run sk-map . --dead-letter x --on-error skip
	assert_failure 64
	run sk-map . --on-error dead-letter
	assert_failure 64
	run sk-map . --no-such-option
	assert_failure 64
	run sk-map . --jobs 0
	assert_failure 64
}
