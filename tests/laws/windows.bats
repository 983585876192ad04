#!/usr/bin/env bats
# Each kind of window against SQL, on streams with disorder, ties, gaps and duplicates; orders of
# arrival, and partial results over any cut (windows.py).

load ../cmd/helper

agrees() {
	local seed
	for seed in $(seq "${SK_SEED:-1}" $((${SK_SEED:-1} + 7))); do
		timeout 100 python3 "$ROOT/tests/laws/windows.py" "$1" "$seed"
	done
}

@test "tumbling windows are what SQL says, whatever the order of arrival and the cuts" {
	agrees tumbling
	agrees offset
}

@test "hopping windows are" {
	agrees hopping
	agrees hopping-odd
}

@test "cumulating windows are" {
	agrees cumulate
}

@test "sessions are" {
	agrees session
}

@test "sliding windows are" {
	agrees sliding
	agrees sliding-long
}

@test "windows of so many records are" {
	agrees count
}

@test "one run over a file, over a pipe, over pieces of it: the same bytes" {
	"$SK_BUILD/examples/generate" --seed 11 --events 3000 >in
	for window in '--tumbling 10s' '--hopping 30s/7s' '--cumulate 30s/10s' '--session 2s' \
		'--sliding 1s' '--count 9'; do
		run="sk-window $window -k .type -a n=count -a top=max(.amount) -a u=distinct(.userId)
			-a l=list(.orderId) --time .ts --delay 5s"
		$run in >whole
		[ -s whole ]
		cat in | $run | cmp - whole
		$run --trust in | cmp - whole
		split -n l/7 in part.
		cat part.* | $run | cmp - whole
		SK_EXPR=libjq $run in | cmp - whole
	done
}

@test "windows, then jq: what jq makes of the whole" {
	"$SK_BUILD/examples/generate" --seed 12 --events 3000 >in
	sk-window --tumbling 10s -k .type -a n=count -a 's=sum(.amount // empty | . * 100 | floor)' \
		-a 'first=first(.orderId)' --time .ts --delay 1h --time-format ms in >ours
	jq -cs 'map(.ms = (.ts[0:19] + "Z" | fromdate) * 1000 | .w = (.ms / 10000 | floor) * 10000)
		| group_by(.w, .type)[] | {start: .[0].w, end: (.[0].w + 10000), key: .[0].type,
		n: length, s: (map(.amount // empty | . * 100 | floor) | add),
		first: (sort_by(.ts, .orderId)[0].orderId)}' in >theirs
	cmp ours theirs
}
