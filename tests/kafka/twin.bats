#!/usr/bin/env bats
# A producer with more to do than one client can sends by two: every record once, each partition
# in order, keys where they were.

load helper

# Slow enough that the queue is full before anything is acknowledged.
SLOW=(-X compression.level=12)

# rows FROM TO: 300 bytes each, keyed by a hundred names.
rows() {
	awk -v from="$1" -v to="$2" 'BEGIN {
		srand(7)
		for (i = from; i <= to; i++) {
			s = ""
			while (length(s) < 230)
				s = s sprintf("%08x", rand() * 4294967296)
			printf "{\"n\":%d,\"k\":\"key-%d\",\"s\":\"%s\"}\n", i, i % 100, s
		}
	}'
}

# begin SINK [OPTION...]: sk-cat from a pipe, fd 7, as $pid.
begin() {
	mkfifo pipe
	sk-cat pipe "${@:2}" -o "$1" 2>said 7>&- &
	pid=$!
	exec 7>pipe
}

end() {
	exec 7>&-
	wait "$pid" || { cat said; false; }
}

clients() {
	cat /proc/"$pid"/task/*/comm | grep -c '^rdk:main$'
}

# partitions TOPIC: what is in each, in order.
partitions() {
	local p
	for p in $(admin ends "$1" | cut -d' ' -f1); do
		echo "partition $p"
		sk-cat "kafka:$1?partition=$p&until=end"
	done
}

in_order() {
	awk '/^partition/ { last = 0; next } { gsub(/[^0-9].*/, "", $0) }
		$0 + 0 <= last { print "out of order: " last ", " $0; bad = 1 } { last = $0 + 0 }
		END { exit bad }' <(partitions "$1" | sed 's/^{"n"://')
}

@test "two clients, and each partition has what one client sends to it, in order" {
	fresh_topic 5
	rows 1 60000 >in
	begin "kafka:$topic?key=.k" "${SLOW[@]}"
	cat in >&7
	assert_equal "$(clients)" 2
	end
	partitions "$topic" >two
	fresh_topic 5
	sk-cat in -o "kafka:$topic?key=.k" -X queue.buffering.max.kbytes=4096
	partitions "$topic" >one
	assert_equal "$(wc -l <one)" 60005
	cmp one two
}

@test "who says how much may be queued gets one client" {
	fresh_topic 4
	begin "kafka:$topic?key=.k" "${SLOW[@]}" -X queue.buffering.max.kbytes=4096
	rows 1 40000 >&7
	assert_equal "$(clients)" 1
	end
}

@test "a partitioner of the user's own keeps one client" {
	fresh_topic 4
	begin "kafka:$topic?key=.k" "${SLOW[@]}" -X partitioner=consistent
	rows 1 40000 >&7
	assert_equal "$(clients)" 1
	end
}

@test "with headers, and a partition that is asked for" {
	fresh_topic 3
	begin "kafka:$topic?partition=.n%253&header.k=.k&ts=1700000000000%2b.n" "${SLOW[@]}"
	rows 1 40000 >&7
	assert_equal "$(clients)" 2
	end
	in_order "$topic"
	run admin ends "$topic"
	assert_output $'0 0 13333\n1 0 13334\n2 0 13333'
	admin dump "$topic" | sk-map '(.value | fromjson) as $v |
		select(.headers != [["k", $v.k]] or .ts != 1700000000000 + $v.n)' >bad
	assert_equal "$(wc -l <bad)" 0
}

@test "without keys, every partition gets its share, in order" {
	fresh_topic 4
	begin "kafka:$topic" "${SLOW[@]}"
	rows 1 60000 >&7
	assert_equal "$(clients)" 2
	end
	in_order "$topic"
	assert_equal "$(partitions "$topic" | grep -v ^part | sort -u | wc -l)" 60000
	run awk '$3 < 9000 { print }' <(admin ends "$topic")
	assert_output ''
}

@test "a record that is too large harms no other one" {
	fresh_topic 2 1 max.message.bytes=100000
	rows 1 60000 >in
	sed -i '50000s/key-0/'"$(head -c 110000 /dev/zero | tr '\0' x)"'/' in
	begin "kafka:$topic?key=.k" "${SLOW[@]}" --dead-letter dead
	cat in >&7
	assert_equal "$(clients)" 2
	exec 7>&-
	status=0
	wait "$pid" || status=$?
	assert_status 1
	assert_equal "$(sk-map .origin.line dead)" 50000
	assert_equal "$(partitions "$topic" | grep -vc ^part)" 59999
	in_order "$topic"
}

@test "a topic that gets more partitions: new keys go there, as one client has it" {
	fresh_topic 2
	begin "kafka:$topic?key=.k" "${SLOW[@]}" -X topic.metadata.refresh.interval.ms=500
	rows 1 40000 >&7
	assert_equal "$(clients)" 2
	admin grow "$topic" 6
	sleep 1
	rows 40001 42000 >&7
	# What is counted is counted between records.
	for _ in $(seq 50); do
		sleep 0.2
		rows 42001 44000 >&7
		[[ $(admin ends "$topic" | awk '$3' | wc -l) -lt 6 ]] || break
	done
	end
	assert_equal "$(admin ends "$topic" | awk '$3' | wc -l)" 6
	# Where one client puts these keys.
	admin create "$topic-one" 6
	rows 42001 44000 | sk-cat -o "kafka:$topic-one?key=.k" -X queue.buffering.max.kbytes=4096
	for t in "$topic" "$topic-one"; do
		partitions "$t" | awk '/^part/ { p = $2; next } p > 1' | sk-map -r .k |
			sort -u >"keys.$t"
	done
	assert_equal "$(wc -l <"keys.$topic")" "$(wc -l <"keys.$topic-one")"
	cmp "keys.$topic" "keys.$topic-one"
}

@test "killed and begun again, nothing is lost" {
	fresh_topic 3
	from=$topic
	rows 1 150000 | sk-cat -o "kafka:$from?key=.k"
	fresh_topic 4
	sk-cat "kafka:$from?group=g-$from&until=end" -o "kafka:$topic?key=.k" "${SLOW[@]}" \
		-X session.timeout.ms=6000 2>said 7>&- &
	pid=$!
	for _ in $(seq 400); do
		[[ $(admin ends "$topic" | awk '{ n += $3 } END { print n }') -lt 20000 ]] || break
		sleep 0.05
	done
	kill -STOP "$pid"
	assert_equal "$(clients)" 3
	kill -9 "$pid"
	wait "$pid" || true
	[[ $(partitions "$topic" | grep -v ^part | sort -u | wc -l) -lt 150000 ]]
	sk-cat "kafka:$from?group=g-$from&until=end" -o "kafka:$topic?key=.k" -X session.timeout.ms=6000
	assert_equal "$(partitions "$topic" | grep -v ^part | sort -u | wc -l)" 150000
}
