#!/usr/bin/env bats
# sk-claimcheck over bad lines to real S3 servers, and with payloads that take long.

load helper

cc=sk-claimcheck

refuse() { # refuse STATUS TEXT COMMAND...
	run_tool "${@:3}"
	assert_status "$1"
	assert_says "$2"
}

with_orders_of() { # with_orders_of N BYTES
	for n in $(seq "$1"); do order "o$n" "$2"; done >in.ndjson
}

@test "what passes is tried again: 503, 500, a broken line" {
	with_orders_of 3 5000
	for server in "${servers[@]}"; do
		at "$server"
		through
		weather 503 500 cut ok lost 503 ok ok
		$cc put "${s3[@]}" --over 1k --keep .orderId in.ndjson >refs
		assert_weathered
		weather 503 half 500 ok half ok
		$cc get "${s3[@]}" refs | cmp - in.ndjson
		assert_weathered
		weather busy
		SECONDS=0
		$cc verify "${s3[@]}" refs
		((SECONDS >= 1))
		assert_weathered
		weather 503 ok lost ok ok ok ok
		$cc gc "${s3[@]}" --live refs --min-age 1m | cmp - /dev/null
		weather cut 503 cut 500 lost half half 500
		$cc put "${s3[@]}" --over 1k --keep .orderId --jobs 3 in.ndjson | cmp - refs
		assert_weathered
		weather cut 503 half 500 half half 500
		$cc get "${s3[@]}" --jobs 3 refs | cmp - in.ndjson
		assert_weathered
	done
}

@test "a server that stands still is asked again" {
	order o1 5000 >in.ndjson
	at "${servers[-1]}"
	through
	weather still
	$cc put "${s3[@]}" --retry 16s --over 1k in.ndjson >refs
	assert_weathered
	weather still
	$cc get "${s3[@]}" --retry 16s refs | cmp - in.ndjson
	assert_weathered
}

@test "no server, or one that stays broken: the run ends, and what it said holds" {
	with_orders_of 3 5000
	at "${servers[-1]}"
	refuse 69 'connect' $cc put --store "$place" --endpoint http://127.0.0.1:1 --retry 500ms --over 1k in.ndjson
	assert_output ''
	through
	weather PUT:ok PUT:ok 503 503 503 503 503 503 503 503 503 503 503 503 503
	run_tool bash -c "$cc put ${s3[*]} --retry 1s --over 1k in.ndjson >refs"
	assert_status 69
	assert_says 'server answers 503'
	[[ $(wc -l <refs) == 2 ]]
	weather
	$cc verify "${s3[@]}" refs
}

@test "a redirect is not followed" {
	order o1 2000 >in.ndjson
	at "${servers[-1]}"
	$cc put "${s3[@]}" --over 1k in.ndjson >refs
	through
	weather away
	refuse 65 'redirect' $cc get "${s3[@]}" refs
	assert_output ''
	weather away
	refuse 78 'redirect' $cc put "${s3[@]}" --over 1k in.ndjson
	assert_output ''
}

@test "above 64 MiB a blob goes in parts" {
	order o1 73400320 >in.ndjson
	for server in "${servers[@]}"; do
		at "$server"
		big=("${s3[@]}" --max-record 200M --retry 5m)
		$cc put "${big[@]}" --encoding none in.ndjson >refs
		$cc get "${big[@]}" refs | cmp - in.ndjson
		sha=$(jq -r .claimCheck.sha256 refs)
		cmp "$data/$sha" <(tr -d '\n' <in.ndjson)
		rm "$data/$sha"
		through
		big=("${s3[@]}" --max-record 200M --retry 5m)
		# The question, the beginning, parts, the end whose answer is lost.
		weather HEAD:ok POST:503 POST:ok PUT:ok PUT:cut PUT:500 PUT:ok PUT:ok PUT:lost PUT:ok POST:lost
		$cc put "${big[@]}" --encoding none in.ndjson | cmp - refs
		assert_weathered
		$cc get "${big[@]}" refs | cmp - in.ndjson
		rm "$data/$sha"
	done
}

@test "an upload in parts that was killed goes with gc" {
	order o1 73400320 >in.ndjson
	for server in "${servers[@]}"; do
		at "$server"
		through
		weather HEAD:ok POST:ok PUT:ok still
		$cc put "${s3[@]}" --max-record 200M --encoding none in.ndjson >refs &
		pid=$!
		for ((ticks = 0; ticks < 1200; ticks++)); do
			[[ $(<link/weather) ]] || break
			sleep 0.1
		done
		kill -9 $pid
		wait $pid || true
		[[ ! -s refs ]]
		at "$server"
		[[ $server == versitygw ]] || continue
		run_tool $cc gc "${s3[@]}" --live /dev/null --min-age 1h --yes
		assert_success
		assert_says '0 leftovers'
		upload=$(find "$BATS_FILE_TMPDIR/$server/data/orders/.sgwtmp/multipart" -mindepth 2 -maxdepth 2)
		[[ -d $upload ]]
		touch -d '2 hours ago' "$upload"
		run_tool $cc gc "${s3[@]}" --live /dev/null --min-age 1h
		assert_says '1 leftover'
		[[ -d $upload ]]
		run_tool $cc gc "${s3[@]}" --live /dev/null --min-age 1h --yes
		assert_says '1 leftover removed'
		[[ ! -e $upload ]]
	done
}

@test "the server is killed in the middle, and comes back" {
	with_orders_of 30 200000
	for server in "${servers[@]}"; do
		at "$server"
		through --latency 20
		weather
		$cc put "${s3[@]}" --over 1k --keep .orderId --jobs 4 --retry 3m in.ndjson >refs &
		pid=$!
		for ((ticks = 0; ticks < 600; ticks++)); do
			[[ $(wc -l <link/log) -ge 6 ]] && break
			sleep 0.05
		done
		"$SERVER" halt "$BATS_FILE_TMPDIR/$server"
		sleep 0.5
		kill -0 $pid
		"$SERVER" start "$server" "$BATS_FILE_TMPDIR/$server" --for $PPID
		wait $pid
		[[ $(jq -r .orderId refs) == "$(jq -r .orderId in.ndjson)" ]]
		$cc get "${s3[@]}" --jobs 4 refs | cmp - in.ndjson
		grep -q -e ' -$' -e ' 5..$' link/log || fail "it was not in the middle: $(cat link/log)"
	done
}

@test "--jobs: so many at a time, and the order of events stays" {
	for n in {1..24}; do order "o$n" $((n % 5 * 20000 + 100)); done >in.ndjson
	at "${servers[-1]}"
	through --latency 20
	weather
	$cc put "${s3[@]}" --over 1k --keep .orderId --jobs 6 in.ndjson >refs
	awk '$4 > n { n = $4 } END { exit !(n >= 4 && n <= 6) }' link/log || fail "$(cat link/log)"
	[[ $(jq -r .orderId refs) == "$(jq -r .orderId in.ndjson)" ]]
	# A block of input holds no more than one of these.
	for n in {1..16}; do order "o$n" $((n % 3 * 50000 + 200000)); done >large.ndjson
	for way in 'cat' 'sk-cat --checkpoint 1s' 'sk-map --envelope=out .'; do
		e=
		[[ $way != *envelope* ]] || e=-e
		weather
		(
			export SK_APP=app SK_STATE=st
			$way large.ndjson | $cc put "${s3[@]}" $e --over 1k --keep .orderId --jobs 6 |
				sk-cat $e -o large
		)
		awk '$4 > n { n = $4 } END { exit !(n >= 4 && n <= 6) }' link/log || fail "$way: $(cat link/log)"
		[[ $(jq -r '(.value // .).orderId' large) == "$(jq -r .orderId large.ndjson)" ]] || fail "$way"
		rm -rf st large
	done
	weather
	$cc get "${s3[@]}" --jobs 6 refs | cmp - in.ndjson
	awk '$4 > n { n = $4 } END { exit !(n >= 4 && n <= 6) }' link/log || fail "$(cat link/log)"
	weather
	$cc verify "${s3[@]}" --jobs 6 <refs
	awk '$4 > n { n = $4 } END { exit !(n >= 4 && n <= 6) }' link/log || fail "$(cat link/log)"
}

@test "gc looks again before it tries again to remove, and two of them do no harm" {
	with_orders_of 12 2000
	for server in "${servers[@]}"; do
		at "$server"
		$cc put "${s3[@]}" --over 1k in.ndjson >refs
		touch -d '3 days ago' "$data"/*
		# All are named but the first, of which a put comes while the server has not answered.
		sed 1d refs >live
		direct=("${s3[@]}")
		through
		weather GET:ok HEAD:ok DELETE:gate
		$cc gc "${s3[@]}" --live live --min-age 1d --yes >gone 2>said &
		pid=$!
		for ((ticks = 0; ticks < 600; ticks++)); do
			[[ $(<link/weather) ]] || break
			sleep 0.05
		done
		head -n 1 in.ndjson | $cc put "${direct[@]}" --over 1k | cmp - <(head -n 1 refs)
		touch link/gate
		wait $pid
		[[ ! -s gone ]] || fail "$(cat gone) $(cat link/log)"
		$cc verify "${direct[@]}" refs
		# A busy server alone keeps nothing from being removed.
		touch -d '3 days ago' "$data"/*
		weather GET:ok HEAD:ok DELETE:503 HEAD:ok DELETE:cut
		$cc gc "${s3[@]}" --live live --min-age 1d --yes >gone
		assert_weathered
		[[ $(wc -l <gone) == 1 && $(ls "$data" | wc -l) == 11 ]] || fail "$(cat gone)"
		# Two at a time.
		$cc put "${direct[@]}" --over 1k in.ndjson >/dev/null
		touch -d '3 days ago' "$data"/*
		head -n 3 refs >live
		$cc gc "${direct[@]}" --live live --min-age 1d --yes >gone.1 &
		pid=$!
		$cc gc "${direct[@]}" --live live --min-age 1d --yes >gone.2
		wait $pid
		[[ $(cat gone.[12] | jq -r .url | sort -u | wc -l) == 9 ]]
		[[ $(ls "$data" | wc -l) == 3 ]]
		$cc verify "${direct[@]}" live
		rm "$data"/*
	done
}
