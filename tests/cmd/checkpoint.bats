# Checkpoints: who may take part, where a run goes on, what it leaves.
load helper

numbers() {
	seq "$1" "$2" | sed 's/.*/{"n":&}/'
}

@test "a checkpointed stream is an envelope stream between start and end" {
	printf '{"n":1}\n' >in
	run_tool bash -c 'sk-cat in --checkpoint 1s | cat'
	assert_success
	assert_line --index 0 --regexp '^\{"\$sk":"start","run":"[0-9a-f]{32}","epoch":0,'
	assert_line --index 1 --partial '"topic":"in","partition":0,"offset":0,'
	assert_line --index 2 --partial '"complete":true,"epoch":1,'
	assert_equal "${#lines[@]}" 3
}

@test "the last process writes plain lines, byte for byte what came in" {
	printf '{"n": 1}\n[ 2 ]\n"three"\n' >in
	run_tool bash -c 'sk-cat in --checkpoint 1s | sk-map . | sk-cat >out'
	assert_success
	cmp in out
}

@test "a ledger says what was committed; a second run finds nothing to do" {
	numbers 1 1000 >in
	export SK_STATE=state SK_APP=job
	sk-cat in --checkpoint 1ms | sk-cat -o out
	cmp in out
	grep -q '"app":"job".*"state":"done"' state/commit
	cp state/commit before
	sk-cat in --checkpoint 1ms | sk-cat -o out
	cmp in out
	cmp state/commit before
}

@test "what was added to an input since is read from there" {
	numbers 1 10 >in
	export SK_STATE=state
	sk-cat in --checkpoint 1s | sk-cat -o append:out
	numbers 11 20 >>in
	sk-cat in --checkpoint 1s | sk-cat -o append:out
	cmp in out
}

@test "another file of the same name is read from its beginning" {
	numbers 1 10 >in
	export SK_STATE=state
	sk-cat in --checkpoint 1s | sk-cat -o append:out
	numbers 101 130 >in
	sk-cat in --checkpoint 1s | sk-cat -o append:out
	assert_equal "$(wc -l <out)" 40
}

@test "--checkpoint into a file or a terminal is a usage error" {
	printf '1\n' >in
	run_tool bash -c 'sk-cat in --checkpoint 1s >out'
	assert_status 64
	assert_says 'stdout is neither'
}

@test "--checkpoint with a sink of its own needs a state folder" {
	printf '1\n' >in
	run_tool sk-cat in --checkpoint 1s -o out
	assert_status 64
	assert_says '--state DIR'
	[ ! -e out ]
}

@test "--state given with a sink that is a file means checkpoints" {
	numbers 1 100 >in
	run_tool sk-cat in --state state -o out
	assert_success
	cmp in out
	grep -q '"state":"done"' state/commit
}

@test "--checkpoint twice in a pipe, and with --limit, is a usage error" {
	printf '1\n' >in
	run_tool bash -c 'sk-cat in --checkpoint 1s | sk-map . --checkpoint 1s | cat; echo ${PIPESTATUS[1]}'
	assert_line 64
	run_tool bash -c 'sk-cat -n 1 in --checkpoint 1s | cat; exit ${PIPESTATUS[0]}'
	assert_status 64
}

@test "the owner keeps a ledger, the last process has no state: refused" {
	printf '1\n' >in
	run_tool bash -c 'sk-cat in --checkpoint 1s --state state | sk-cat -o out; exit ${PIPESTATUS[1]}'
	assert_status 78
	[ ! -e out ]
}

@test "two runs of one job exclude each other" {
	numbers 1 10 >in
	export SK_STATE=state
	sk-cat in --checkpoint 1s | { read -r l; echo "$l"; sleep 1; cat; } | sk-cat -o out 3>&- &
	first=$!
	until [ -s state/commit.lock ]; do sleep 0.05; done
	sleep 0.3
	run_tool flock --nonblock state/commit.lock true
	wait $first
	assert_status 1
	cmp in out
}

@test "a damaged ledger is refused, whichever byte it is" {
	numbers 1 10 >in
	export SK_STATE=state
	sk-cat in --checkpoint 1s | sk-cat -o append:out
	cp state/commit good
	cp out before
	size=$(stat -c %s good)
	for ((at = 0; at < size; at += 7)); do
		cp good state/commit
		damage state/commit $at
		run_tool bash -c 'sk-cat in --checkpoint 1s | sk-cat -o append:out; exit ${PIPESTATUS[0]}'
		assert_status 78
	done
	cmp out before
}

@test "a ledger that is gone is missed, and reset begins anew" {
	job='sk-cat in --checkpoint 1s | sk-cat -o append:out; exit ${PIPESTATUS[0]}'
	numbers 1 10 >in
	export SK_STATE=state
	bash -c "$job"
	cp out before
	mv state/commit kept
	run_tool bash -c "$job"
	assert_status 78
	assert_says 'state/commit: is gone, and the job has committed'
	cmp out before
	run_tool sk-state check state
	assert_status 78
	mv kept state/commit
	bash -c "$job"
	cmp out before
	rm state/commit
	run_tool sk-state reset state --yes
	rm out
	bash -c "$job"
	cmp out before
}

@test "a run that never committed is begun again" {
	numbers 1 10 >in
	mkdir state
	run_tool sk-cat in --state state --app one -o append:/dev/full/out
	[ "$status" != 0 ]
	sk-cat in --state state --app one -o append:out
	cmp in out
}

@test "the state of another app is refused" {
	numbers 1 10 >in
	sk-cat in --state state --app one -o out
	run_tool sk-cat in --state state --app two -o out
	assert_status 78
	assert_says "of the app 'one', not of 'two'"
}

# Break a run after its first commit: the second input has a bad record.
broken_run() {
	numbers 1 50000 >a
	printf '{"n":\n' >b
	run_tool bash -c "sk-cat a b --checkpoint 1ms | $1; exit \${PIPESTATUS[0]}"
	assert_status 65
}

@test "a job with other inputs than it began with is refused" {
	export SK_STATE=state
	broken_run 'sk-cat -o out'
	grep -q '"state":"running"' state/commit
	run_tool bash -c 'sk-cat b a --checkpoint 1s | sk-cat -o out; exit ${PIPESTATUS[0]}'
	assert_status 78
	assert_says 'the job began with'
}

@test "a mended input lets the job go on: every record once" {
	export SK_STATE=state
	broken_run 'sk-cat -o append:out'
	printf '{"n":0}\n' >b
	sk-cat a b --checkpoint 1s | sk-cat -o append:out
	cat a b | cmp - out
}

@test "an input that begins otherwise, or is shorter, is refused in the middle of a job" {
	export SK_STATE=state
	numbers 1 50000 >a
	printf '{"n":\n' >>a
	run_tool bash -c 'sk-cat a --checkpoint 1ms | sk-cat -o out; exit ${PIPESTATUS[0]}'
	assert_status 65
	grep -q '"state":"running"' state/commit
	cp a keep
	sed -i '1s/1/2/' a
	run_tool bash -c 'sk-cat a --checkpoint 1s | sk-cat -o out; exit ${PIPESTATUS[0]}'
	assert_status 78
	head -c 4096 keep >a
	run_tool bash -c 'sk-cat a --checkpoint 1s | sk-cat -o out; exit ${PIPESTATUS[0]}'
	assert_status 78
	assert_says 'shorter'
}

@test "stdout that was truncated under a job that goes on is refused, >> is cut back" {
	export SK_STATE=state
	broken_run 'sk-cat >>out'
	printf '{"n":0}\n' >b
	cp out kept
	run_tool bash -c 'sk-cat a b --checkpoint 1s | sk-cat >out; exit ${PIPESTATUS[1]}'
	assert_status 78
	assert_says '>> instead of >'
	cat kept >out
	printf '{"torn":' >>out
	sk-cat a b --checkpoint 1s | sk-cat >>out
	cat a b | cmp - out
}

@test "a compressed input and a compressed output go on too" {
	export SK_STATE=state
	numbers 1 50000 | zstd -q >a.zst
	printf '{"n":\n' >b
	run_tool bash -c 'sk-cat a.zst b --checkpoint 1ms | sk-cat -o out.zst; exit ${PIPESTATUS[0]}'
	assert_status 65
	grep -q '"state":"running"' state/commit
	printf '{"n":0}\n' >b
	sk-cat a.zst b --checkpoint 1s | sk-cat -o out.zst
	{ zstd -qdc a.zst && cat b; } | cmp - <(zstd -qdc out.zst)
}

@test "a stage that gets nothing leaves no state, as before the first start of a job" {
	export SK_STATE=state
	run_tool sk-dedup < <(:)
	assert_success
	[ ! -e state ]
	printf '1\n1\n2\n' | sk-dedup >/dev/null
	cp -r state before
	sk-dedup < <(:)
	diff -r before state
}

@test "a stream that was cut before it began makes no empty output" {
	numbers 1 10 >in
	export SK_STATE=state
	sk-cat in --checkpoint 1s | sk-cat -o out
	run_tool bash -c '(exit 137) | sk-cat -o out; exit ${PIPESTATUS[1]}'
	assert_status 75
	cmp in out
}

@test "SIGTERM drains: what was read is committed, and the next run goes on" {
	numbers 1 200000 >in
	export SK_STATE=state
	bash -c 'exec sk-cat in --checkpoint 1ms > >(sk-cat -o append:out; echo $? >rc)' &
	pid=$!
	until [ -s state/commit ]; do sleep 0.01; done
	kill -TERM $pid || true
	wait $pid || true
	until [ -s rc ]; do sleep 0.01; done
	assert_equal "$(cat rc)" 0
	sk-cat in --checkpoint 1s | sk-cat -o append:out
	cmp in out
}

@test "a file that a run which goes on has nothing to add to appears all the same" {
	{ printf '{"to":"a"}\n' && yes '{"to":"b"}' | head -n 200000; } >in
	export SK_STATE=state
	bash -c 'exec sk-cat in --checkpoint 1ms > >(sk-route --by .to -o "{}.x" --default -; echo $? >rc)' &
	pid=$!
	until [ -s state/commit ] && grep -q '"epoch":[1-9]' state/commit; do sleep 0.01; done
	kill -TERM $pid || true
	wait $pid || true
	until [ -s rc ]; do sleep 0.01; done
	[ ! -e a.x ]
	sk-cat in --checkpoint 1s | sk-route --by .to -o '{}.x' --default -
	assert_file a.x '{"to":"a"}'
	assert_equal "$(wc -l <b.x)" 200000
	grep -q '"state":"done"' state/commit
	# What is added later makes no empty file of the one that it has nothing for.
	printf '{"to":"c"}\n' >>in
	sk-cat in --checkpoint 1s | sk-route --by .to -o '{}.x' --default -
	assert_file a.x '{"to":"a"}'
	assert_file c.x '{"to":"c"}'
}

@test "an epoch ends in its time, though nothing more comes" {
	mkfifo in
	export SK_STATE=state
	sk-cat --checkpoint 20ms <in | sk-cat -o append:out &
	exec 9>in
	printf '{"n":1}\n' >&9
	until grep -q '"epoch":1,"state":"running"' state/commit 2>/dev/null; do sleep 0.02; done
	assert_file out '{"n":1}'
	sleep 0.2
	grep -q '"epoch":1,' state/commit
	exec 9>&-
	wait
	grep -q '"epoch":2,"state":"done"' state/commit
}

@test "dead letters and summaries travel to the last process, with the origin of the record" {
	printf '{"items":[1]}\n{"items":7}\n' >in
	export SK_STATE=state
	run_tool bash -c 'sk-cat in --checkpoint 1s |
		sk-split .items --emit {v:.} --summary {s:1} --summary-to append:sums --dead-letter dead |
		sk-cat -o out'
	assert_success
	assert_file out '{"v":1}'
	assert_file sums '{"s":1}'
	run jq -c '[.origin,.value]' dead
	assert_output '[{"topic":"in","partition":0,"offset":14,"line":null,"column":null},{"items":7}]'
}

@test "a template in the middle of a checkpointed pipe is refused" {
	printf '{"n":1}\n' >in
	run_tool bash -c 'sk-cat in --checkpoint 1s | sk-route --by .n -o "{}.x" --default - | cat; exit ${PIPESTATUS[1]}'
	assert_success
	run_tool bash -c 'sk-cat in --checkpoint 1s | sk-route -r "true => x" --default - | sk-cat -o out'
	assert_success
	assert_file x '{"n":1}'
	[ -e out ] && [ ! -s out ]
}

@test "what is routed to the pipe itself goes on there" {
	numbers 1 4 >in
	export SK_STATE=state
	sk-cat in --checkpoint 1s | sk-route -r '.n > 2 => high' --default - |
		sk-map '{m: .n}' | sk-cat -o out >else
	assert_equal "$(<out)" $'{"m":1}\n{"m":2}'
	assert_equal "$(<high)" $'{"n":3}\n{"n":4}'
	[ ! -s else ]
}

@test "who is in the middle makes no file of the sinks that it names" {
	printf '{"n":1}\n{"n":[]}\n' >in
	run_tool bash -c 'sk-cat in --checkpoint 1s | sk-route -r ".n + 1 == 2 => x" --default y \
		--dead-letter d | cat >middle'
	assert_success
	[ ! -e x ]
	[ ! -e y ]
	[ ! -e d ]
	run_tool bash -c 'cat middle | SK_STATE=state sk-cat -o out'
	assert_success
	assert_file x '{"n":1}'
	[ -e y ]
	[ ! -s y ]
	[ "$(wc -l <d)" = 1 ]
}

@test "the end of a job with nothing new reaches the last process, however it comes" {
	numbers 1 10 >in
	export SK_STATE=state
	sk-cat in --checkpoint 1s | sk-map . | sk-cat -o append:out
	# start and end, read one by one
	run_tool bash -c 'set -o pipefail
		sk-cat in --checkpoint 1s | { read -r l; echo "$l"; sleep 0.3; cat; } |
			sk-map . | sk-cat -o append:out'
	assert_success
	assert_silent
	cmp in out
}
