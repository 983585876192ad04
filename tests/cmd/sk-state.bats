#!/usr/bin/env bats
# sk-state: what a state folder holds, shown, carried, checked, reset.

load helper

# ids FROM TO: a line each.
ids() {
	seq "$1" "$2" | sed 's/.*/{"id":&,"ts":&}/'
}

# A state of 100 keys, by a run without checkpoints.
own() {
	ids 1 100 | sk-dedup -k .id --state "${1-state}" >/dev/null
}

# A job of two stages that remember, over a file of 100 lines, with checkpoints.
job() {
	ids "${1-1}" "${2-100}" >in
	SK_STATE=state SK_APP=job bash -c 'set -o pipefail
		sk-cat in --checkpoint 1s --time .ts --time-unit s | sk-dedup -k .id |
			sk-aggregate -k ".id % 7" --size 10 --closed 3 | sk-cat -o append:out'
}

# Columns of the table in $output as words with one blank between.
squeezed() {
	tr -s ' ' <<<"$output" | sed 's/ $//'
}

@test "ls shows a run without checkpoints" {
	own
	run_tool sk-state ls state
	assert_success
	assert_silent
	assert_line --index 0 --regexp '^STAGE +TASK +EPOCH +COMMITTED +KEYS +BYTES +MADE BY$'
	assert_line --index 1 --regexp '^1-sk-dedup +0 +1 +1 +100 +[0-9]+  sk-dedup \{"key":".id",$'
	awk 'length > 80 { exit 1 }' <<<"$output"
	own
	run_tool sk-state --json ls state
	assert_equal "$(jq -c '[.stage, .task, .epoch, .committed, .keys, .tool, .process, .app]' <<<"$output")" \
		'["1-sk-dedup",0,2,2,100,"sk-dedup",null,null]'
	assert_equal "$(jq -c .shape.key <<<"$output")" '".id"'
	assert_equal "$(jq .bytes <<<"$output")" "$(stat -c %s state/1-sk-dedup/0-1.log)"
}

@test "ls shows a job's ledger, and stages with what they hold" {
	job
	run_tool sk-state ls state
	assert_success
	assert_line --index 1 --regexp '^commit +- +1 +1 +- +-  the job job is done$'
	assert_line --regexp '^2-sk-dedup +0 +1 +1 +100 '
	assert_line --regexp '^3-sk-aggregate +0 +1 +1 +[0-9]+ '
	run_tool sk-state ls state --json --name 2-sk-dedup
	assert_equal "$(jq -c '[.stage, .keys]' <<<"$output")" '["2-sk-dedup",100]'
	run_tool env SK_STATE=state sk-state ls
	assert_success
	assert_line --partial 2-sk-dedup
}

@test "ls tells a process that has the state open" {
	mkfifo pipe
	sk-dedup -k .id --state state pipe >/dev/null 3>&- &
	exec 4>pipe
	echo '{"id":1}' >&4
	until sk-state ls state --json 2>/dev/null | jq -e '.process' >/dev/null; do sleep 0.05; done
	run_tool sk-state ls state
	assert_success
	assert_line --partial "process $! of sk-dedup"
	for verb in dump check reset 'reset --yes'; do
		run_tool sk-state $verb state
		assert_status 75
		assert_says "in use by process $!"
		assert_output ''
	done
	exec 4>&-
	wait $!
	run_tool sk-state check state
	assert_success
}

@test "a job that runs keeps its ledger from being reset" {
	ids 1 10 >in
	export SK_STATE=state
	sk-cat in --checkpoint 1s | { read -r l; echo "$l"; sleep 3; cat; } | sk-cat -o out 3>&- &
	until [ -s state/commit.lock ]; do sleep 0.05; done
	sleep 0.3
	run_tool sk-state reset state --yes
	wait $!
	assert_status 66
	cmp in out
	run_tool flock state/commit.lock sk-state reset state --yes
	assert_status 75
	assert_says 'another run of the job holds it'
	[ -e state/commit ]
}

@test "dump, load and dump again are the same bytes, and the copy goes on as the original would" {
	job
	sk-state dump state >dump
	sk-state load copy <dump
	sk-state dump copy >again
	cmp dump again
	assert_equal "$(head -n 1 dump | jq -c '[.commit.epoch, .commit.app, .commit.state]')" '[1,"job","done"]'
	[ "$(stat -c %a copy copy/2-sk-dedup | xargs)" = '700 700' ]
	[ "$(stat -c %a copy/2-sk-dedup/config copy/2-sk-dedup/0-1.log copy/commit | xargs)" = '600 600 600' ]
	cp -r out out.copy
	job 60 160
	sk-state dump state --name 2-sk-dedup >one
	mv out out.first
	rm -rf state
	mv copy state
	mv out.copy out
	job 60 160
	sk-state dump state --name 2-sk-dedup | cmp - one
	cmp out out.first
}

@test "values of tools, times and the order of making are carried" {
	ids 1 200 | sk-dedup -k .id --time .ts --time-unit s --within 1h --max-keys 50 --on-full evict \
		--state a >/dev/null
	ids 1 200 | sk-aggregate -k '.id % 50' --require gone --time .ts --time-unit s --at-end drop \
		--max-age 7d --state b >/dev/null
	ids 1 50 | sk-aggregate -k '.id' --size 2 --state c --at-end drop >/dev/null || true
	for state in a b c; do
		sk-state dump $state >dump
		sk-state load copy <dump
		sk-state dump copy | cmp - dump
		rm -r copy
	done
	sk-state dump a | jq -e -s '.[2:] | length == 50 and all(.made >= 150 and (.time | endswith("Z")))'
}

@test "what an evicting stage gives up next is the same after dump and load" {
	evict() {
		sk-dedup -k .id --max-keys 50 --on-full evict --state "$1"
	}
	ids 1 80 | evict a >/dev/null
	sk-state dump a | sk-state load b
	{ ids 40 60; ids 20 45; } >more
	evict a <more >one
	evict b <more >two
	[ -s one ]
	cmp one two
}

@test "a state of two million bytes is carried in blocks" {
	seq 1 20000 | sed 's/.*/{"id":&,"text":"&&&&&&&&&&&&&&&&&&&&"}/' >in
	sk-aggregate -k .id --size 2 --state a --at-end drop <in >/dev/null || true
	sk-state dump a >dump
	sk-state load b <dump
	sk-state dump b | cmp - dump
	[ "$(sk-state check b --json | jq -s 'all(.good)')" = true ]
}

@test "load refuses what is there, what is no dump, and half a dump" {
	own
	sk-state dump state >dump
	run_tool sk-state load state <dump
	assert_status 78
	assert_says 'state/1-sk-dedup: holds a state already'
	run_tool sk-state load new < <(head -n 50 dump)
	assert_status 65
	assert_says 'of the 100 keys of task 0 there are 48'
	run_tool sk-state ls new
	assert_status 66
	run_tool sk-state load new < <(sed '7s/"key"/"kez"/' dump)
	assert_status 65
	assert_says 'stdin:7: "key" is missing'
	run_tool sk-state load new </dev/null
	assert_status 65
	run_tool sk-state load new <<<'{"id":1}'
	assert_status 65
	assert_says 'no line that sk-state dump writes first'
	run_tool sk-state load new < <(head -n 3 dump; echo '{')
	assert_status 65
	run_tool sk-state load new --name other <dump
	assert_status 65
	assert_says 'no stage other'
	for other in 's/"value_bytes":0/"value_bytes":65/' 's/"version":1/"version":2/' \
		's/"name":"1-sk-dedup"/"name":"..\/up"/' 's/"key":"[0-9a-f]*"/"key":"12"/' \
		's/"shape":/"shapf":/'; do
		run_tool sk-state load new < <(sed "1$other" dump)
		assert_status 65
	done
	[ ! -e up ]
	sk-state load new <dump
	rm -r state
	job
	sk-state dump state >dump
	mkdir old
	cp state/commit old/
	run_tool sk-state load old <dump
	assert_status 78
	assert_says 'old/commit: is there already'
}

@test "a load that is killed leaves nothing that a run would take for a state" {
	own
	sk-state dump state >dump
	mkfifo pipe
	sk-state load new <pipe 3>&- &
	exec 4>pipe
	head -n 50 dump >&4
	until [ -e new/1-sk-dedup/0-1.log ]; do sleep 0.05; done
	kill -9 $!
	wait $! || true
	exec 4>&-
	ids 1 5 >in
	run_tool sk-dedup -k .id --state new in
	assert_status 78
	assert_says 'has logs and no config'
	assert_output ''
	sk-state reset new --yes >/dev/null
	sk-state load new <dump
	run_tool sk-dedup -k .id --state new in
	assert_success
	assert_output ''
}

@test "check tells what is whole, and what a run would do" {
	own
	run_tool sk-state check state
	assert_success
	assert_silent
	assert_equal "$(squeezed)" "FILE BYTES FINDING
1-sk-dedup/config $(stat -c %s state/1-sk-dedup/config) whole
1-sk-dedup/runs - whole: runs by themselves came to epoch 1
1-sk-dedup/0-1.log $(stat -c %s state/1-sk-dedup/0-1.log) whole: 2 blocks
1-sk-dedup - a run goes on from epoch 1, with 100 keys"
	at=$(stat -c %s state/1-sk-dedup/0-1.log)
	printf 'torn off in the middle of a block' >>state/1-sk-dedup/0-1.log
	run_tool sk-state check state
	assert_success
	assert_line --partial "whole up to byte $at; a run cuts off"
	assert_line --partial 'a run goes on from epoch 1, with 100 keys'
	sk-dedup -k .id --state state </dev/null
	sk-state check state | grep -q 'whole: 3 blocks'
}

@test "check tells of a job what is not committed" {
	[ -z "${SK_SAN:-}" ] || skip "the sanitizers' runtime must be loaded first"
	job
	cp -r state before
	ids 101 130 >>in
	SK_STATE=state SK_APP=job bash -c 'sk-cat in --checkpoint 1s --time .ts --time-unit s | sk-dedup -k .id |
		sk-aggregate -k ".id % 7" --size 10 --closed 3 |
		SK_FAULT=rename:1+:KILL LD_PRELOAD=$SK_BUILD/tests/faults.so sk-cat -o append:out' || true
	run_tool sk-state ls state --json
	assert_equal "$(jq -c 'select(.stage == "2-sk-dedup") | [.epoch, .committed, .keys]' <<<"$output")" \
		'[2,1,130]'
	run_tool sk-state check state
	assert_success
	assert_line --partial 'the job is done, and a run takes what is new;'
	assert_line --regexp '2-sk-dedup/0-1.log .*whole up to byte [0-9]+; a run cuts off'
	assert_line --partial 'a run goes on from epoch 1, with 100 keys'
	sk-state dump state | grep -v '^{"task"' >one
	sk-state dump before | grep -v '^{"task"' | cmp - one
}

@test "check exits with 78 where something is damaged, and tells which file" {
	own
	log=state/1-sk-dedup/0-1.log
	damage $log 200
	run_tool sk-state check state
	assert_status 78
	assert_says "sk-state: $log: damaged at byte 64"
	assert_line --regexp '0-1.log .* damaged at byte 64'
	assert_line --regexp '1-sk-dedup +- +a run refuses it'
	own other
	mkdir -p both
	cp -r other/1-sk-dedup both/b
	cp -r state/1-sk-dedup both/a
	run_tool sk-state check both
	assert_status 78
	assert_line --partial 'a run goes on from epoch 1, with 100 keys'
	run_tool sk-state ls both
	assert_line --regexp '^b +0 +1'
	printf 'x' >>other/1-sk-dedup/config
	run_tool sk-state check other
	assert_status 78
	assert_says 'other/1-sk-dedup/config: damaged'
	run_tool sk-state ls other
	assert_status 78
	job
	printf 'x' >>state/commit
	run_tool sk-state check state
	assert_status 78
	assert_says 'commit: damaged'
}

@test "reset shows what would go, and with --yes it goes" {
	job
	cp -r state before
	run_tool sk-state reset state
	assert_success
	assert_said 'sk-state: nothing is changed without --yes'
	assert_line --regexp '^commit +[0-9]+  would go$'
	assert_line --regexp '^2-sk-dedup/0-1.log +[0-9]+  would go$'
	diff -r -x commit.lock before state
	run_tool sk-state reset state --yes
	assert_success
	assert_silent
	assert_line --regexp '^3-sk-aggregate/config +[0-9]+  removed$'
	[ "$(find state -type f -printf '%f\n' | sort -u | xargs)" = 'commit.lock lock' ]
	run_tool sk-state reset state --yes
	assert_status 66
	cp out first
	rm out
	job
	cmp out first
}

@test "reset of one stage, of a damaged one, and of a damaged ledger" {
	job
	printf 'x' >>state/2-sk-dedup/config
	run_tool sk-state reset state --yes --name 2-sk-dedup
	assert_success
	[ -e state/commit ]
	[ -e state/3-sk-aggregate/0-1.log ]
	[ ! -e state/2-sk-dedup/config ]
	run_tool sk-state reset state --name 2-sk-dedup
	assert_status 66
	printf 'x' >>state/commit
	run_tool sk-state reset state --yes
	assert_success
	[ ! -e state/commit ]
	[ ! -e state/3-sk-aggregate/config ]
}

@test "a reset that is killed leaves what a run refuses" {
	[ -z "${SK_SAN:-}" ] || skip "the sanitizers' runtime must be loaded first"
	own
	run env SK_FAULT=fsync:1:KILLED LD_PRELOAD="$SK_BUILD/tests/faults.so" sk-state reset state --yes
	[ "$status" = 137 ]
	run_tool sk-dedup -k .id --state state <<<'{"id":1}'
	assert_status 78
	sk-state reset state --yes >/dev/null
	run_tool sk-dedup -k .id --state state <<<'{"id":1}'
	assert_output '{"id":1}'
}

@test "no folder, no state, no verb, two folders" {
	run_tool sk-state ls
	assert_status 64
	assert_says 'needs a folder'
	run_tool sk-state ls nowhere
	assert_status 66
	mkdir empty
	run_tool sk-state ls empty
	assert_status 66
	assert_says 'empty: holds no state'
	run_tool sk-state
	assert_status 64
	run_tool sk-state list empty
	assert_status 64
	assert_says "unknown verb 'list'"
	run_tool sk-state ls a b
	assert_status 64
	run_tool sk-state ls --yes a
	assert_status 64
}

@test "a full stdout is told" {
	own
	for verb in ls dump check; do
		run_tool bash -c "sk-state $verb state >/dev/full"
		assert_status 74
	done
}
