#!/usr/bin/env bats
# sk-cat for looking: records on a terminal, and files that are followed.

load helper

export TERM=xterm

# A command with a terminal for stdout; what it shows, in $output, and its status.
on_terminal() {
	run script -qec "$*" /dev/null
	output=${output//$'\r'/}
}

# Wait until the file $1 holds the lines that follow, or fail with what it holds.
wait_for() {
	local i
	for i in {1..100}; do
		[[ -f $1 && $(cat "$1") == "$(printf '%s\n' "${@:2}")" ]] && return
		sleep 0.05
	done
	assert_file "$@"
}

# Follow in the background, lines to the file out.
follow() {
	sk-cat --follow "$@" >out 2>err 3>&- &
	pid=$!
}

# It ends well when it is asked to.
stop_following() {
	kill "$pid"
	wait "$pid"
	pid=
	[[ ! -s err ]] || fail "$(cat err)"
}

teardown() {
	if [[ ${pid-} ]]; then
		kill -9 "$pid" 2>/dev/null || true
	fi
}

# ---- looking ---------------------------------------------------------------------------

@test "on a terminal records are indented and coloured" {
	echo '{"a":[1.10,true],"b":{"c":"x","d":null},"e":[]}' >in
	on_terminal sk-cat in
	assert_success
	assert_output $'{
  \e[34;1m"a"\e[0m: [
    1.10,
    true
  ],
  \e[34;1m"b"\e[0m: {
    \e[34;1m"c"\e[0m: \e[0;32m"x"\e[0m,
    \e[34;1m"d"\e[0m: \e[0;90mnull\e[0m
  },
  \e[34;1m"e"\e[0m: []
}'
}

@test "NO_COLOR, a dumb terminal and --color=never leave the colours out" {
	echo '{"a":"x"}' >in
	want=$'{\n  "a": "x"\n}'
	NO_COLOR=1 on_terminal sk-cat in
	assert_output "$want"
	TERM=dumb on_terminal sk-cat in
	assert_output "$want"
	on_terminal sk-cat --color=never in
	assert_output "$want"
	NO_COLOR=1 on_terminal sk-cat --color=always in
	assert_output $'{\n  \e[34;1m"a"\e[0m: \e[0;32m"x"\e[0m\n}'
	NO_COLOR='' on_terminal sk-cat in
	assert_output --partial $'\e[34;1m'
}

@test "-J shows one line a record, as it stands" {
	printf '%s\n' '{"a": 1.10}' '[1, "\u00e4"]' >in
	on_terminal sk-cat -J in
	assert_output "$(cat in)"
	on_terminal sk-cat -J --color=always in
	assert_output $'{\e[34;1m"a"\e[0m:1.10}\n[1,\e[0;32m"\xc3\xa4"\e[0m]'
}

@test "where stdout is no terminal, or -o is given, records stay what they are" {
	printf '{"a": 1, "b": "\xc2\x9b"}\n' >in
	sk-cat in >out
	cmp in out
	on_terminal 'sk-cat in | cat'
	assert_output "$(cat in)"
	on_terminal sk-cat in -o -
	assert_output "$(cat in)"
	on_terminal sk-cat in -o out2
	assert_output ''
	cmp in out2
}

@test "--pretty and --color=always need no terminal" {
	echo '{"a":"x"}' >in
	run_tool sk-cat --pretty in
	assert_output $'{\n  "a": "x"\n}'
	run_tool sk-cat --color=always in
	assert_output $'{\e[34;1m"a"\e[0m:\e[0;32m"x"\e[0m}'
	run_tool sk-cat --color=always --pretty -o - in
	assert_output $'{\n  \e[34;1m"a"\e[0m: \e[0;32m"x"\e[0m\n}'
}

@test "--pretty is jq's layout, for all order events" {
	with_orders
	jq . orders.ndjson >want
	sk-cat --pretty orders.ndjson | jq -c . | cmp - <(jq -c . orders.ndjson)
	# Numbers keep their literals, jq 1.6 rewrites them.
	diff <(sk-cat --pretty orders.ndjson | sed -E 's/: [0-9.eE+-]+(,?)$/: 0\1/') \
		<(sed -E 's/: [0-9.eE+-]+(,?)$/: 0\1/' want)
}

@test "control characters do not reach a terminal raw" {
	printf '{"a":"\\u001b[2J","b":"\x7f\xc2\x9b2J\xe2\x80\xae"}\n[1,\r2]\n' >in
	for how in '' -J '--color=always -J'; do
		on_terminal sk-cat --color=never $how in
		[[ $output != *$'\xc2\x9b'* && $output != *$'\x7f'* &&
			$output != *$'\xe2\x80\xae'* && $output != *$'\e[2J'* ]] || fail "$output"
		assert_output --partial '\u009b2J\u202e'
	done
	echo '{"value_b64":"/xtbMko="}' >in
	on_terminal sk-cat --envelope=in in
	assert_output '\xFF\x1B[2J'
	on_terminal sk-cat --envelope=in -J in
	assert_output '\xFF\x1B[2J'
}

@test "envelopes are shown whole" {
	echo '{"topic":"t","partition":1,"offset":7,"key":"k","headers":[["h","v"]],"value":{"a":1}}' >in
	on_terminal sk-cat -e --color=never in
	assert_output '{
  "topic": "t",
  "partition": 1,
  "offset": 7,
  "key": "k",
  "headers": [
    [
      "h",
      "v"
    ]
  ],
  "value": {
    "a": 1
  }
}'
	echo '[1]' >b
	on_terminal sk-cat --envelope=out --color=never b
	assert_output --partial $'"value": [\n    1\n  ]\n}'
}

@test "a long array is shown whole, over many blocks" {
	seq 200000 | jq -s -c . >in
	sk-cat --pretty in | cmp - <(jq . in)
}

@test "-w and -n hold for what is shown, and a bad record is told" {
	printf '{"a":1}\n{"a":2}\n{"a":\n' >in
	run_tool sk-cat --pretty -w '.a > 1' -n 1 in
	assert_success
	assert_output $'{\n  "a": 2\n}'
	run_tool sk-cat --pretty in
	assert_status 65
	assert_output $'{\n  "a": 1\n}\n{\n  "a": 2\n}'
	assert_says 'in:3:'
}

@test "what contradicts itself is refused" {
	run_tool sk-cat --pretty -J </dev/null
	assert_status 64
	assert_says '--pretty and --lines exclude each other'
	run_tool sk-cat --pretty -o out </dev/null
	assert_status 64
	assert_says '--pretty is for stdout, not for out'
	run_tool sk-cat --color=always -o append:out </dev/null
	assert_status 64
	run_tool sk-cat --color=sometimes </dev/null
	assert_status 64
	[[ ! -e out ]]
}

@test "what cannot be shown ends the run" {
	run_tool bash -c 'echo 1 | sk-cat --pretty >/dev/full'
	assert_status 74
}

# ---- following -------------------------------------------------------------------------

@test "--follow reads a file and what is added to it, until it is stopped" {
	printf '1\n2\n' >f
	follow f
	wait_for out 1 2
	echo 3 >>f
	wait_for out 1 2 3
	stop_following
}

@test "--follow waits for the end of a line" {
	printf '{"a":' >f
	follow f
	sleep 0.3
	[[ ! -s out ]]
	printf '1}\n{' >>f
	wait_for out '{"a":1}'
	stop_following
	assert_file out '{"a":1}'
}

@test "--follow waits for a file that is missing" {
	follow f
	sleep 0.3
	echo 1 >f
	wait_for out 1
	stop_following
}

@test "--follow goes on to the file that takes the place of one that was renamed" {
	echo 1 >f
	follow f
	wait_for out 1
	mv f f.1
	echo 2 >>f.1
	wait_for out 1 2
	# Made, but not written to yet: the writer still holds the old one.
	: >f
	printf 3 >>f.1
	sleep 0.4
	echo 4 >f
	wait_for out 1 2 3 4
	stop_following
}

@test "--follow goes on to a file that replaces one, be it shorter or longer" {
	printf '1\n2\n' >f
	follow f
	wait_for out 1 2
	echo 3 >new && mv new f
	wait_for out 1 2 3
	printf '4\n5\n6\n' >new && mv new f
	wait_for out 1 2 3 4 5 6
	rm f
	sleep 0.3
	echo 7 >f
	wait_for out 1 2 3 4 5 6 7
	stop_following
}

@test "--follow begins again where a file was cut off" {
	printf '1\n2\n3\n' >f
	follow f
	wait_for out 1 2 3
	: >f
	sleep 0.4
	echo 4 >>f
	wait_for out 1 2 3 4
	stop_following
}

@test "--follow takes turns with several files" {
	echo 1 >a
	follow a b
	wait_for out 1
	echo 2 >b
	wait_for out 1 2
	echo 3 >>a
	wait_for out 1 2 3
	mv b b.1
	echo 4 >b
	wait_for out 1 2 3 4
	stop_following
}

@test "--follow loses no line of a writer that rotates" {
	follow f
	for i in {1..10}; do
		for ((n = i * 200; n < i * 200 + 200; n++)); do
			echo "$n" >>f
		done
		# This file is known, and mostly read; then it goes.
		for _ in {1..100}; do
			grep -qx "$((i * 200))" out && break
			sleep 0.05
		done
		mv f "f.$i"
	done
	wait_for out $(seq 200 2199)
	stop_following
}

@test "--follow reads frames of zstd as they are added" {
	printf '1\n2\n' | zstd -qc >f
	follow f
	wait_for out 1 2
	echo 3 | zstd -qc >>f
	wait_for out 1 2 3
	stop_following
}

@test "--follow passes over a line that is too long, as it comes" {
	follow f --max-record 10 --on-error skip -q
	printf '1\n"aaaaaaaaaaaa' >f
	wait_for out 1
	sleep 0.3
	printf 'aaa"\n2\n' >>f
	wait_for out 1 2
	kill "$pid"
	wait "$pid" || status=$?
	pid=
	assert_status 1
}

@test "--follow names the line of the file that is there now" {
	printf '1\n2\n3\n' >f
	follow f
	wait_for out 1 2 3
	printf '4\n{\n' >new && mv new f
	status=0
	wait "$pid" || status=$?
	pid=
	assert_status 65
	stderr=$(cat err)
	assert_says 'f:2:'
	assert_file out 1 2 3 4
}

@test "--follow ends after -n, and is live through append:" {
	printf '1\n2\n3\n' >f
	run_tool timeout 10 sk-cat --follow -n 2 f
	assert_success
	assert_output $'1\n2'
	follow f -o append:log
	wait_for log 1 2 3
	echo 4 >>f
	wait_for log 1 2 3 4
	stop_following
}

@test "--follow catches up with much, on one thread whatever --jobs says" {
	"$SK_BUILD/examples/generate" --events 20000 >f
	run_tool timeout 20 bash -c 'sk-cat --follow --jobs 2 -n 20000 f | cmp - f'
	assert_success
}

@test "--follow refuses what has no end to wait at, and sinks that wait for an end" {
	echo 1 >f
	mkfifo fifo
	for what in '' - /dev/stdin fifo /dev/null kafka:t append:f; do
		run_tool timeout 5 sk-cat --follow $what </dev/null
		assert_status 64
		assert_says 'only a file can be followed'
	done
	run_tool sk-cat --follow .
	assert_status 66
	run_tool sk-cat --follow --merge-by . f
	assert_status 64
	run_tool sk-cat --follow f -o out
	assert_status 64
	assert_says 'append:out'
	run_tool sk-cat --follow f -o append:f
	assert_status 64
	assert_says 'never end'
	run_tool sk-cat --follow 'no*.ndjson'
	assert_status 66
}
