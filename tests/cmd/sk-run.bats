# sk-run: which stage failed, what is run again, one copy, an end in time.
load helper

# A stage that kills itself so many times, then passes its input on; a run each line of "runs".
flaky() {
	cat >flaky <<-EOF
		#!/bin/bash
		echo >>"$PWD/runs"
		(( \$(wc -l <"$PWD/runs") > $1 )) || ${2-kill -9 \$\$}
		exec cat
	EOF
	chmod +x flaky
}

@test "a pipeline that is well: silent, its output, its status" {
	run_tool sk-run -- 'printf "{\"a\":1}\n" | sk-map .a | sk-cat'
	assert_success
	assert_output 1
	assert_silent
}

@test "records that were dead-lettered: status 1" {
	run_tool sk-run 'printf "1\nx\n" | sk-map . --dead-letter dead | sk-cat'
	assert_status 1
	assert_output 1
}

@test "the stage to blame is named, not the ones that it took along" {
	run_tool sk-run 'sk-cat none.ndjson | sk-map . | sk-cat'
	assert_status 66
	assert_says 'sk-run: stage 1 of 3 ended with status 66: sk-cat none.ndjson'
	yes '{}' | head -n 200000 >in
	run_tool sk-run 'sk-cat in --checkpoint 1s | sk-map "error(\"no\")" | sk-cat'
	assert_status 65
	assert_says 'stage 2 of 3 ended with status 65'
	[[ $stderr != *'stage 3'* ]]
}

@test "a reader that has enough is no failure" {
	yes '{}' | head -n 200000 >in
	run_tool sk-run 'sk-cat in | sk-map . | head -n 1'
	assert_success
	assert_output '{}'
	assert_silent
}

@test "a kill is status 75, and with --restart another run" {
	flaky 2
	run_tool sk-run 'printf "{}\n" | ./flaky | sk-cat'
	assert_status 75
	assert_says 'stage 2 of 3 was ended by signal 9 (Killed): ./flaky'
	rm runs
	run_tool sk-run --restart --stamp stamp 'printf "{}\n" | ./flaky | sk-cat'
	assert_success
	assert_output '{}'
	assert_says 'starting again in 0.2 s'
	assert_equal "$(wc -l <runs)" 3
	jq -e '.status == 0 and (.time | fromdate? // (.[0:19] + "Z" | fromdate))' stamp
}

@test "status 75 and 69 are tried again, permanent ones and 76 are not, and no stamp is made" {
	for code in 75 69; do
		rm -f runs
		flaky 1 "exit $code"
		run_tool sk-run -q --restart 'printf "{}\n" | ./flaky | sk-cat'
		assert_success
		assert_equal "$(wc -l <runs)" 2
	done
	for code in 64 65 74 76 78 2; do
		rm -f runs
		flaky 1 "exit $code"
		run_tool sk-run -q --restart --stamp stamp 'printf "{}\n" | ./flaky | sk-cat'
		assert_status $code
		assert_equal "$(wc -l <runs)" 1
		[ ! -e stamp ]
	done
}

@test "--max-restarts bounds them" {
	flaky 100 'exit 75'
	run_tool sk-run --restart --max-restarts 2 'printf "{}\n" | ./flaky | sk-cat'
	assert_status 75
	assert_equal "$(wc -l <runs)" 3
}

@test "a job with checkpoints is killed and started again until it is done: the same bytes" {
	[ -z "${SK_SAN-}" ] || skip "the sanitizers' runtime must be loaded first"
	seq 1 300000 | sed 's/.*/{"n":&}/' >in
	# Each run but the last dies at its fifth epoch.
	cat >die <<-'EOF'
		#!/bin/bash
		echo >>runs
		(( $(wc -l <runs) > 3 )) || export LD_PRELOAD=$FAULTS SK_FAULT=fdatasync:5:KILL
		exec sk-cat -o append:out
	EOF
	chmod +x die
	FAULTS=$SK_BUILD/tests/faults.so run_tool sk-run --restart --state st --app job \
		'sk-cat in --checkpoint 2ms | sk-dedup | ./die'
	assert_success
	cmp in out
	[ "$(wc -l <runs)" -ge 3 ]
	grep -q '"app":"job".*"state":"done"' st/commit
}

@test "one copy: the lock is held by the stages, and told by the process" {
	mkfifo gate
	sk-run --state st 'sk-cat <gate' >/dev/null 3>&- &
	pid=$!
	until [ -s st/run.lock ]; do sleep 0.02; done
	run_tool sk-run --state st 'echo no'
	assert_status 75
	assert_says "st/run.lock: another run of the job holds it, process $pid"
	exec 9>gate
	kill -9 $pid
	wait $pid || true
	run_tool sk-run --state st 'echo no'
	assert_status 75
	exec 9>&-
	for ((n = 0; n < 100; n++)); do
		! sk-run -q --state st 'echo yes' >out 2>/dev/null || break
		sleep 0.05
	done
	assert_file out yes
	run_tool sk-run --lock mine 'echo yes'
	assert_output yes
}

@test "SIGTERM drains through the first stage" {
	mkfifo gate
	sk-run 'sk-cat gate | sk-map . | sk-cat -o append:out' 3>&- &
	pid=$!
	exec 9>gate
	printf '{"n":1}\n' >&9
	until [ -s out ]; do sleep 0.02; done
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	exec 9>&-
	assert_equal $status 0
	assert_file out '{"n":1}'
}

@test "--deadline drains, and kills what does not end in its grace" {
	mkfifo gate
	exec 9<>gate
	run_tool sk-run --deadline 300ms 'sk-cat gate | sk-map .'
	assert_status 75
	assert_says 'the deadline has passed'
	run_tool sk-run --deadline 300ms --grace 200ms "bash -c 'trap \"\" TERM; sleep 60 & wait; wait' | cat"
	assert_status 75
	exec 9>&-
}

@test "a stage that is gone ends a quiet pipeline" {
	mkfifo gate
	exec 9<>gate
	run_tool timeout 20 sk-run "sk-cat gate | sk-map . | bash -c 'exit 3'"
	assert_status 3
	assert_says 'stage 3 of 3 ended with status 3'
	exec 9>&-
}

@test "a file: what stands before the pipeline is run too" {
	cat >job <<-'EOF'
		# A job, with | in its comment
		set -e
		printf '{"a":"x|y"}\n' >in; export WHAT=.a

		sk-cat in |   # the input
		    sk-map "$WHAT"
	EOF
	run_tool sk-run job
	assert_success
	assert_output '"x|y"'
	printf 'exit 5\nsk-cat in\n' >job
	run_tool sk-run job
	assert_status 5
	assert_says 'bash came to no end of the pipeline'
}

@test "what is no pipeline is a usage error" {
	for text in '' 'a && b' 'a | b &' 'a |' "a 'b" 'cat <<E'; do
		run_tool sk-run -- "$text"
		assert_status 64
	done
	run_tool sk-run sk-cat in
	assert_status 64
	assert_says 'one operand, not 2'
	run_tool sk-run
	assert_status 64
}

@test "--explain: the guarantee that a chain really has, and why not more" {
	explains() {
		run_tool sk-run --explain "${@:2}"
		assert_success
		assert_output --partial "$1"
	}
	explains 'exactly once: killed anywhere' --state st 'sk-cat in --checkpoint 1s | sk-cat -o out'
	explains 'needs a folder that remembers' 'sk-cat in --checkpoint 1s | sk-cat -o out'
	explains 'whole or absent' 'sk-cat in | sk-cat -o out'
	explains 'at least once: offsets' 'sk-map . "kafka:a?group=g" -o kafka:b'
	explains 'is refused' 'sk-cat "kafka:a?group=g" | sk-cat -o out'
	explains 'at most once' 'sk-cat "kafka:a?group=g" --commit written | sk-cat'
	explains 'last process commits' --app a 'sk-cat -i kafka:a --checkpoint 1s | sk-cat -o kafka:b'
	explains 'last process commits' --app a 'sk-map . kafka:a -o kafka:b --exactly-once'
	explains 'without a name' 'sk-cat -i kafka:a --checkpoint 1s | sk-cat -o kafka:b'
	explains 'cut back' --app a --state s 'sk-cat -i kafka:a --checkpoint 1s | sk-cat -o append:b'
	explains 'folder that remembers' --app a 'sk-cat -i kafka:a --checkpoint 1s | sk-cat -o append:b'
	explains 'at least once' --app a 'sk-cat -i kafka:a --checkpoint 1s | sk-cat --at-least-once -o kafka:b'
	explains 'another branch' --app a 'sk-cat -i kafka:a --checkpoint 1s | sk-cat --no-commit -o kafka:b'
	explains 'exactly once: the files' 'sk-cat "kafka:a?group=g" -o capture:c'
	explains 'keeps no place' 'sk-cat kafka:a | sk-cat'
	explains 'no streamkit tool' 'sk-cat in | jq . | sk-cat -o out'
	[ ! -e st ]
}

# ---- the stream between the stages -------------------------------------------------------------

# A pipeline whose stage N is killed once its input has begun to flow; its status.
killed_in_the_middle() {
	local pid stages deadline=$((SECONDS + 20))
	mkfifo feed
	sk-run -- 'sk-cat feed | sk-map . | sk-dedup | sk-cat -o out' 2>err &
	pid=$!
	exec 9>feed
	echo '{"a":1}' >&9
	until stages=$(pgrep -P "$(pgrep -P $pid)" | tr '\n' ' ') && [ "$(wc -w <<<"$stages")" = 4 ]; do
		((SECONDS < deadline)) || return 99
		sleep 0.05
	done
	sleep 0.2
	kill -9 "$(cut -d' ' -f"$1" <<<"$stages")"
	wait $pid
	local status=$?
	exec 9>&-
	return $status
}

@test "a stage that is killed leaves no file that looks whole" {
	for stage in 1 2 3 4; do
		run killed_in_the_middle $stage 3>&-
		assert_status 75
		[ ! -e out ]
		rm feed
	done
}

@test "a stage that fails leaves no file either, and its status is that of the last" {
	seq 3 | sed 's/.*/{"a":&}/' >in
	run_tool sk-run 'sk-cat in | sk-map "if .a == 2 then error(\"no\") else . end" | sk-cat -o out'
	assert_status 65
	[ ! -e out ]
}

@test "a stream between start and end is what it is without" {
	seq 3000 | sed 's/.*/{"a":&,"t":"2026-01-01T00:00:00Z"}/' >in
	echo 'no' >>in
	line='sk-cat in --dead-letter d | sk-dedup -k ".a%1000" --duplicates dup | sk-window --time .t --tumbling 1h -a n=count --delay 1h | sk-cat -o out'
	for run in bash sk-run; do
		rm -f d dup out
		[ $run = bash ] && opt=-c || opt=-q
		run_tool $run $opt "$line"
		cat d dup out >"got.$run"
	done
	cmp got.bash got.sk-run
	[ -s out ]
	# What sk-run itself reads and writes is plain.
	run bash -c 'head -2 in | sk-run "sk-map .a | sk-cat | sk-map .+1" | cat'
	assert_output $'2\n3'
}

@test "state commits by itself at the end of such a stream, and not without it" {
	seq 3 | sed 's/.*/{"a":&}/' >in
	run_tool sk-run --state st 'sk-cat in | sk-dedup -k .a | sk-cat'
	assert_equal "${#lines[@]}" 3
	run_tool sk-run --state st 'sk-cat in | sk-dedup -k .a | sk-cat'
	assert_output ''
}

@test "what could be read as data has no start: substitutions, files, --plain, several inputs" {
	echo '{"a":1}' >in
	for line in 'sk-cat in | sk-map . | sk-cat --plain' 'sk-cat in | sk-map . | sk-cat - in | sk-cat -n 1' \
		'sk-cat <(sk-cat in | sk-map .) | sk-cat' 'sk-cat in | sk-map . -o side | sk-cat in' ; do
		run_tool sk-run "$line"
		assert_output '{"a":1}'
	done
	[ "$(cat side)" = '{"a":1}' ]
}

@test "an end that was asked for makes no whole file" {
	yes '{}' | head -n 300000 >in
	mkfifo feed
	sk-run 'sk-cat feed | sk-map . | sk-cat -o out' 2>err 3>&- &
	pid=$!
	exec 9>feed
	echo '{}' >&9
	sleep 0.5
	kill $pid
	wait $pid || status=$?
	exec 9>&-
	assert_status 75
	[ ! -e out ]
}
