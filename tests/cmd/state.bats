#!/usr/bin/env bats
# What tools remember: who may open it, what it may take, how long it lasts, how it stays small.

load helper

# ids FROM TO [STEP]: a line each, a second apart.
ids() {
	seq "$1" "${3-1}" "$2" | sed 's/.*/{"id":&,"ts":&}/'
}

own() {
	sk-dedup -k .id --state state "$@"
}

@test "one process at a time: a second one waits a moment, and is refused with the owner's pid" {
	mkfifo pipe
	sk-dedup -k .id --state state pipe >/dev/null 3>&- &
	exec 4>pipe
	echo '{"id":1}' >&4
	until sk-state ls state --json 2>/dev/null | jq -e .process >/dev/null; do sleep 0.05; done
	run_tool sk-dedup -k .id --state state <<<'{"id":2}'
	assert_status 75
	assert_says "state/1-sk-dedup: in use by process $!"
	assert_output ''
	exec 4>&-
	wait $!
	run_tool sk-dedup -k .id --state state <<<'{"id":2}'
	assert_output '{"id":2}'
}

@test "a second one gets the state if the first one goes meanwhile" {
	mkfifo pipe
	sk-dedup -k .id --state state pipe >/dev/null 3>&- &
	exec 4>pipe
	echo '{"id":1}' >&4
	until sk-state ls state --json 2>/dev/null | jq -e .process >/dev/null; do sleep 0.05; done
	(sleep 1; kill -9 $!) 3>&- 4>&- &
	run_tool sk-dedup -k .id --state state <<<'{"id":1}'
	assert_success
	assert_output '{"id":1}'
	exec 4>&-
}

@test "the owner's folders and files are its user's alone" {
	ids 1 3 | (umask 0; own >/dev/null)
	[ "$(find state -printf '%m %P\n' | sort | xargs)" = \
		'600 1-sk-dedup/0-1.log 600 1-sk-dedup/config 600 1-sk-dedup/lock 600 1-sk-dedup/runs 700 700 1-sk-dedup' ]
}

@test "another tool, other options, a newer version: refused, both being shown" {
	ids 1 3 | own >/dev/null
	cp -r state good
	run_tool sk-dedup -k .ts --state state <<<'{"id":1}'
	assert_status 78
	assert_says 'made with {"key":".id"'
	assert_says 'now it is {"key":".ts"'
	run_tool sk-aggregate -k .id --size 2 --state state --name 1-sk-dedup <<<'{"id":1}'
	assert_status 78
	assert_says 'made by sk-dedup, not by sk-aggregate'
	diff -r -x lock good state
	sed -i 's/"version":1/"version":2/' state/1-sk-dedup/config
	run_tool sk-dedup -k .id --state state <<<'{"id":1}'
	assert_status 78
	assert_says 'version 2, and this program knows 1'
	assert_output ''
}

@test "a folder that can't be made, or written to, is told" {
	[ "$(id -u)" = 0 ] && : >state || { mkdir state; chmod 500 state; }
	run_tool sk-dedup -k .id --state state <<<'{"id":1}'
	[[ $status == 73 || $status == 77 ]] || fail "status $status"
	assert_says state
	assert_output ''
}

@test "beyond --max-keys and --max-memory: told, and the next run goes on from what was committed" {
	ids 1 100 | own >/dev/null
	run_tool own --max-keys 150 < <(ids 1 200)
	assert_status 71
	assert_says 'state is full: 150 keys'
	assert_says '--max-keys takes more; --on-full evict gives up the oldest'
	assert_equal "${#lines[@]}" 50
	run_tool own < <(ids 1 200)
	assert_success
	assert_equal "${#lines[@]}" 100
	run_tool own --max-memory 1M < <(ids 1 100000)
	assert_status 71
	assert_says 'MiB'
	assert_says '--max-memory takes more'
	run_tool own < <(ids 199 202)
	assert_equal "$(echo "${lines[@]}")" '{"id":201,"ts":201} {"id":202,"ts":202}'
}

@test "--max-memory is kept to while the table grows" {
	# Resident at the most, KiB, of a run over stdin.
	peak() {
		python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' sk-dedup -k .id --max-memory "$1"
	}
	[ -z "${SK_SAN:-}" ] || skip "sanitizers take memory of their own"
	seq 1 2000000 | sed 's/.*/{"id":&}/' >in
	# What the blocks of such lines take, and hardly any table.
	sed 's/[0-9]/1/g' in >same
	none=$(peak 1G <same)
	most=$(peak 16M <in)
	[ $((most - none)) -lt $((18 * 1024)) ] || fail "$most - $none KiB"
	all=$(peak 1G <in)
	[ $((all - none)) -gt $((32 * 1024)) ]
}

@test "--on-full evict gives up the same keys in one run and in several" {
	ids 1 300 >in
	{ ids 250 280; ids 1 300 3; } >>in
	sk-dedup -k .id --max-keys 100 --on-full evict --state one in >once
	split -l 37 in part.
	for part in part.*; do
		sk-dedup -k .id --max-keys 100 --on-full evict --state two $part
	done >parts
	cmp once parts
	[ "$(sk-state ls one --json | jq .keys)" = 100 ]
	keys() { sk-state dump $1 | jq -r 'select(.made) | .made' | sort -n; }
	cmp <(keys one) <(keys two)
}

@test "what expired by event time is gone, from the state too" {
	ids 1 1000 | sk-dedup -k .id --time .ts --time-unit s --within 100s --state state >/dev/null
	[ "$(sk-state dump state | grep -c '"time"')" -le 202 ]
	sk-state dump state | jq -se 'map(select(.horizon))[0].horizon as $h |
		all(.[] | select(.time); .time >= $h)' >/dev/null
	# 850 expired, 990 did not.
	run_tool sk-dedup -k .id --time .ts --time-unit s --within 100s --late late --state state \
		< <(printf '{"id":990,"ts":1001}\n{"id":850,"ts":1001}\n')
	assert_success
	assert_output '{"id":850,"ts":1001}'
}

@test "a state whose keys expire stays as small as what lives" {
	ids 1 200000 >in
	sk-dedup -k .id --time .ts --time-unit s --within 100s --state state --max-keys 2000 in |
		wc -l >n
	[ "$(cat n)" = 200000 ]
	[ "$(sk-state ls state --json | jq .keys)" -lt 2000 ]
}

@test "logs that have outgrown what lives give way to a snapshot" {
	awk 'BEGIN { for (i = 0; i < 3300000; i++) printf "{\"id\":%d,\"ts\":%d}\n", i % 1000, i }' >in
	SK_STATE=state sk-dedup -k .id --time .ts --time-unit ms --within 1d --refresh in \
		--checkpoint 100ms -o append:out
	[ "$(wc -l <out)" = 1000 ]
	ls state/1-sk-dedup/*.snap
	[ "$(du -s --block-size=1M state | cut -f1)" -lt 70 ]
	[ "$(sk-state check state --json | jq -s 'all(.good)')" = true ]
	[ "$(sk-state ls state --json --name 1-sk-dedup | jq .keys)" = 1000 ]
	[ "$(sk-state dump state | grep -c '"time":"1970-01-01T00:54:59')" = 1000 ]
	for id in 5 1001; do echo '{"id":'$id',"ts":3300000}'; done >>in
	SK_STATE=state sk-dedup -k .id --time .ts --time-unit ms --within 1d --refresh in \
		--checkpoint 100ms -o append:out
	[ "$(tail -n +1001 out)" = '{"id":1001,"ts":3300000}' ]
}
