#!/usr/bin/env bats
# Blocks that are read and scanned ahead, of a tool that remembers: nothing depends on it.

load helper

# Events of some megabytes, in five files.
events() {
	"$SK_BUILD/examples/generate" --seed 3 --bytes 3M >in
	split -n l/5 in part.
}

# The same bytes, whether blocks are read ahead or not, from files and from a pipe.
same() {
	local tool=$1
	shift
	"$tool" "$@" --jobs 1 part.* >alone
	[ -s alone ]
	"$tool" "$@" part.* | cmp - alone
	"$tool" "$@" --jobs 2 part.* | cmp - alone
	"$tool" "$@" --jobs 4 part.* | cmp - alone
	cat part.* | "$tool" "$@" --jobs 1 >piped
	cat part.* | "$tool" "$@" | cmp - piped
}

@test "the same bytes with and without, of files and of a pipe" {
	events
	for i in 1 2 3; do
		same sk-dedup -k .orderId
		same sk-dedup -k .userId --time .ts --delay 10s --within 30s --keep last
		same sk-aggregate -k .orderId --size 3 --merge array --at-end drop
		same sk-aggregate -k .orderId --time .ts --delay 1s --timeout 5s --part '{type}'
		same sk-window --hopping 10s/5s -k .type -a n=count -a 's=sum(.amount)' \
			-a 'i=list(.items[0].price)' -a 'u=distinct(.userId)' --time .ts --delay 3s
		same sk-window --session 2s -k .userId -a 'm=max(.amount) where .amount > 100' \
			--time .ts --delay 3s
		same sk-join --left '.type=="order-created"' --right '.type=="payment-processed"' \
			-k .orderId --within 5s --time .ts --delay 3s --type left \
			--emit '{o: $left.orderId, $right}'
	done
}

@test "event time: an input that comes to its end is there no sooner" {
	# The watermark waits for a file until its last record, not until its last block is read.
	for i in 1 2 3 4 5 6; do
		jq -nc --argjson i $i 'range(8000) | {k: (. % 50), n: ., t: (1000 + (. * $i % 977))}' >part.$i
	done
	for i in 1 2 3 4 5; do
		same sk-aggregate -k .k --time .t --delay 5s --timeout 2s --part .n --merge array
	done
}

@test "values of all kinds, noted or not" {
	for i in 1 2; do
		jq -nc 'range(20000) | {t: ., k: (if . % 7 == 0 then "a\"b" elif . % 11 == 0 then null
			elif . % 13 == 0 then [1, 2] elif . % 17 == 0 then 1.50 else "k\(. % 5)" end),
			v: (if . % 5 == 0 then {x: .} elif . % 3 == 0 then . / 8 else . end)}
			| if .t % 19 == 0 then del(.v) else . end' >part.$i
	done
	sed -i '100s/"t"/"\\u0074"/;200s/^/ /;300s/:/ : /g;400s/$/ /' part.1
	for f in sum distinct max; do
		[ $f = sum ] && v='.v | numbers' || v=.v
		same sk-window --null-key --tumbling 500s -k .k -a "v=$f($v)" -a "w=$f(.t)" \
			-a 'n=count' --time .t --delay 1s
	done
}

@test "envelopes, bad records, dead letters and the balance" {
	events
	sed '1000s/^/x/;5000s/^./[/;9000s/$/}/' part.aa >part.zz
	for jobs in 1 2; do
		rm -f dead.$jobs
		run_tool sk-dedup -v -k .orderId --jobs $jobs --dead-letter dead.$jobs part.*
		assert_status 1
		printf '%s\n' "$output" >out.$jobs
		printf '%s\n' "$stderr" >err.$jobs
	done
	cmp out.1 out.2
	cmp err.1 err.2
	cmp dead.1 dead.2
	sk-cat --envelope=out part.a* >enveloped
	sk-dedup -e -k .orderId --jobs 1 enveloped >alone
	sk-dedup -e -k .orderId enveloped | cmp - alone
}

@test "a failure does not wait for a pipe that gives nothing more" {
	events
	mkfifo fifo
	{
		cat in
		echo broken
		exec sleep 20
	} >fifo &
	started=$(date +%s)
	run_tool timeout 10 sk-dedup <fifo
	assert_status 65
	assert_says ": expected a value, found 'b'"
	[ $(($(date +%s) - started)) -lt 10 ]
	kill %1
}

@test "what is there goes out before more comes" {
	events
	mkfifo fifo
	{
		cat in
		echo '{"last":1}'
		exec sleep 20
	} >fifo &
	timeout 10 sk-dedup <fifo >out &
	for i in $(seq 80); do
		tail -n 1 out | grep -qx '{"last":1}' && break
		sleep 0.1
	done
	tail -n 1 out | grep -qx '{"last":1}'
	kill %1 %2
}

@test "checkpoints hold the place of what was written, not of what was read" {
	events
	sk-dedup -k .orderId in >want
	for i in $(seq 12); do
		rm -rf state out
		while true; do
			sk-dedup -k .orderId in --checkpoint 2ms --state state --app a -o out &
			pid=$!
			sleep 0.0$((RANDOM % 5 + 1))
			kill -9 $pid 2>/dev/null || true
			if wait $pid; then
				break
			fi
		done 2>/dev/null
		cmp want out
	done
}
