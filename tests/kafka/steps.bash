# For tests of commits: topics of numbers, and processes that go step by step (txn.c).

# numbers N [PARTITIONS]: a topic, numbered, with the values 1 .. N; and an app of its own
numbers() {
	fresh_topic "${2:-4}"
	from=$topic
	export SK_APP=a-$topic
	[[ $1 == 0 ]] || seq "$1" | admin lines "$from"
	fresh_topic 4
}

# The values of a topic that are there for good, as soon as there are N of them.
values() {
	local tries
	for ((tries = 0; tries < 100; tries++)); do
		admin dump "$1" | sed 's/.*"value":"\([^"]*\)".*/\1/' >values
		(($(wc -l <values) >= $2)) && break
		sleep 0.1
	done
	sort -n values
}

# A process that takes steps: opens NAME APP TOPIC [OPTION...]
opens() {
	local name=$1
	shift
	mkfifo "$name.in"
	"$SK_BUILD/kafka/txn" -X session.timeout.ms=6000 -X heartbeat.interval.ms=200 \
		-X socket.timeout.ms=2000 -X transaction.timeout.ms=3000 "${@:3}" "$1" "$2" \
		<"$name.in" >"$name.out" 2>"$name.said" &
	eval "pid_$name=$!"
	eval "exec {in_$name}>$name.in"
	eval "steps_$name=0"
}

# step NAME STEP: its answer, in $answer.
step() {
	local in=in_$1 steps=steps_$1 tries
	echo "$2" >&"${!in}"
	eval "$steps=$((${!steps} + 1))"
	for ((tries = 0; tries < 400; tries++)); do
		answer=$(sed -n "${!steps}p" "$1.out")
		[[ -z $answer ]] || return 0
		sleep 0.1
	done
	fail "$1: no answer to $2: $(<"$1.said")"
}

# expect NAME STEP ANSWER: a pattern
expect() {
	step "$1" "$2"
	# shellcheck disable=SC2053
	[[ $answer == $3 ]] || fail "$1: $2: $answer, not $3"
}

closes() {
	local in=in_$1 pid=pid_$1
	eval "exec {$in}>&-"
	wait "${!pid}"
}

kills() {
	local in=in_$1 pid=pid_$1
	kill -KILL "${!pid}"
	wait "${!pid}" || true
	eval "exec {$in}>&-"
	rm -f "$1.in"
}

teardown() {
	local pid
	for pid in ${!pid_@}; do
		kill -KILL "${!pid}" 2>/dev/null || true
	done
}
