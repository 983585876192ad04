#!/usr/bin/env bats
# sk-window: windows of event time.

load helper

lines() {
	printf '%s\n' "$@"
}

# Events {t,k,v}: "TIME KEY VALUE" each, the time in seconds.
events() {
	local t k v
	for e in "$@"; do
		read -r t k v <<<"$e"
		printf '{"t":%s,"k":"%s","v":%s}\n' "$t" "$k" "$v"
	done
}

# Start, end, key and n of each result, in seconds.
spans() {
	sk-map -r '"\(.start/1000) \(.end/1000) \(.key) \(.n)"' <<<"$output"
}

window() {
	run_tool sk-window --time .t --time-unit s --time-format ms -k .k -a n=count "$@"
}

# ---- windows -------------------------------------------------------------------------------

@test "a window holds its start and not its end; results come by end, start and key" {
	window --tumbling 10s < <(events '9 b 1' '0 a 1' '10 b 1' '10 a 1' '19.999999 b 1' '20 a 1')
	assert_success
	assert_silent
	assert_equal "$(spans)" "$(lines '0 10 a 1' '0 10 b 1' '10 20 a 1' '10 20 b 2' '20 30 a 1')"
}

@test "results are written as soon as their window is closed" {
	mkfifo in
	sk-window --tumbling 10s -a n=count --time .t --time-unit s <in >out &
	exec 5>in
	events '0 a 1' '10 a 1' >&5
	for _ in $(seq 100); do [ -s out ] && break || sleep 0.05; done
	assert_file out '{"start":"1970-01-01T00:00:00Z","end":"1970-01-01T00:00:10Z","n":1}'
	exec 5>&-
	wait
	assert_equal "$(wc -l <out)" 2
}

@test "hopping: an event is in all windows that hold it" {
	window --hopping 10s/4s < <(events '9 a 1')
	assert_equal "$(spans)" "$(lines '0 10 a 1' '4 14 a 1' '8 18 a 1')"
	window --hopping 2s/10s -v < <(events '1 a 1' '2 a 1' '9 a 1' '11 a 1')
	assert_equal "$(spans)" "$(lines '0 2 a 1' '10 12 a 1')"
	assert_says '4 records in = 2 dropped + 2 held'
}

@test "cumulate: windows of one start that grow" {
	window --cumulate 30s/10s < <(events '1 a 1' '12 a 1' '25 a 1' '31 a 1')
	assert_equal "$(spans)" "$(lines '0 10 a 1' '0 20 a 2' '0 30 a 3' '30 40 a 1' '30 50 a 1' '30 60 a 1')"
}

@test "session: until the key has been silent for the gap" {
	window --session 5s --delay 1h < <(events '0 a 1' '4.9 a 1' '9.9 a 1' '4 b 1' '9 b 1')
	assert_equal "$(spans)" "$(lines '4 9 b 1' '0 9.9 a 2' '9 14 b 1' '9.9 14.9 a 1')"
}

@test "session: an event near to two makes them one" {
	window --session 5s --delay 1h < <(events '0 a 1' '8 a 1' '20 a 1' '4 a 1')
	assert_equal "$(spans)" "$(lines '0 13 a 3' '20 25 a 1')"
	# It lies before the first, and between the watermark and the end of what is open.
	window --session 5s --delay 4s < <(events '10 a 1' '11 a 1' '8 a 1' '6.5 a 1')
	assert_equal "$(spans)" '6.5 16 a 4'
}

@test "sliding: a result for each event, both ends included" {
	window --sliding 5s --delay 1h < <(events '10 a 1' '0 a 1' '5 a 1' '5 a 1' '5 b 1' '11 a 1')
	assert_equal "$(spans)" "$(lines '-5 0 a 1' '0 5 a 3' '0 5 a 3' '0 5 b 1' '5 10 a 3' '6 11 a 2')"
}

@test "count: so many events of a key, by their times; what is not full comes last" {
	window --count 2 --delay 1h < <(events '5 a 1' '0 b 1' '1 a 1' '3 a 1' '9 b 1' '4 b 1')
	assert_equal "$(spans)" "$(lines '1 3 a 2' '0 4 b 2' '5 5 a 1' '9 9 b 1')"
}

@test "count: events at one instant are taken in the order of their values, not of arrival" {
	for order in '1 2 3 4 5 6' '6 5 4 3 2 1' '4 1 6 2 5 3'; do
		for i in $order; do echo "{\"t\":7,\"x\":$i,\"y\":\"y$i\"}"; done >in
		run_tool sk-window --count 2 -a 'n=count where .x != 3' -a 'm=max(.x)' -a 'l=list(.x)' \
			-a 'a=argmax(.x; .y) where .x != 4' --time .t --time-unit s --time-format ms in
		[ -e first ] || echo "$output" >first
		assert_file first "$output"
	done
}

@test "--offset moves the grid" {
	window --tumbling 10s --offset 3s < <(events '2 a 1' '3 a 1' '12.9 a 1')
	assert_equal "$(spans)" "$(lines '-7 3 a 1' '3 13 a 2')"
	run_tool sk-window --tumbling 7d --offset 4d -a n=count --time .t <<<'{"t":"2026-01-02T09:00:00Z"}'
	assert_output '{"start":"2025-12-29T00:00:00Z","end":"2026-01-05T00:00:00Z","n":1}'
}

@test "--tz: days as they are there" {
	run_tool sk-window --tumbling 1d --tz Europe/Berlin -a n=count --time .t < <(lines \
		'{"t":"2026-10-24T21:59:59Z"}' '{"t":"2026-10-24T22:00:00Z"}' '{"t":"2026-10-25T22:59:59Z"}' \
		'{"t":"2026-10-25T23:00:00Z"}')
	assert_success
	assert_output "$(lines '{"start":"2026-10-23T22:00:00Z","end":"2026-10-24T22:00:00Z","n":1}' \
		'{"start":"2026-10-24T22:00:00Z","end":"2026-10-25T23:00:00Z","n":2}' \
		'{"start":"2026-10-25T23:00:00Z","end":"2026-10-26T23:00:00Z","n":1}')"
	run_tool sk-window --cumulate 1d/12h --tz Europe/Berlin -a n=count --time .t <<<'{"t":"2026-10-25T22:30:00Z"}'
	assert_output '{"start":"2026-10-24T22:00:00Z","end":"2026-10-25T23:00:00Z","n":1}'
}

# ---- keys ----------------------------------------------------------------------------------

@test "without -k there is one set of windows, and no key is written" {
	run_tool sk-window --tumbling 1m -a n=count --time .t <<<'{"t":0}'
	assert_output '{"start":"1970-01-01T00:00:00Z","end":"1970-01-01T00:01:00Z","n":1}'
}

@test "keys are equal as values are; which text stays does not depend on the order" {
	for order in '1 2 3 4 5 6' '6 5 4 3 2 1'; do
		lines '' '{"t":0,"k":1.0}' '{"t":0,"k":1}' '{"t":0,"k":"1"}' '{"t":0,"k":"\u0031"}' \
			'{"t":0,"k":{"b":2,"a":[1]}}' '{"t":0,"k":{"a":[1.0],"b":2}}' >all
		for i in $order; do sed -n "$((i + 1))p" all; done >in
		run_tool sk-window --tumbling 1m -k .k -a n=count --time .t --time-format ms in
		assert_output "$(lines '{"start":0,"end":60000,"key":1,"n":2}' \
			'{"start":0,"end":60000,"key":"1","n":2}' \
			'{"start":0,"end":60000,"key":{"b":2,"a":[1]},"n":2}')"
	done
}

@test "several outputs are one key" {
	run_tool sk-window --tumbling 1m -k .a,.b -a n=count --time .t --time-format ms < <(lines \
		'{"t":0,"a":2,"b":1}' '{"t":0,"a":1,"b":2}' '{"t":1,"a":2,"b":1}')
	assert_output "$(lines '{"start":0,"end":60000,"key":[1,2],"n":1}' '{"start":0,"end":60000,"key":[2,1],"n":2}')"
}

@test "a key that is null or missing is a bad record, unless --null-key" {
	for key in .x .n empty '.k,.x'; do
		run_tool sk-window --tumbling 1m -k "$key" -a n=count --time .t <<<'{"t":0,"k":1,"n":null}'
		assert_status 65
		assert_output ''
		run_tool sk-window --tumbling 1m -k "$key" --null-key -a n=count --time .t <<<'{"t":0,"k":1,"n":null}'
		assert_success
	done
}

# ---- functions -----------------------------------------------------------------------------

# What a function gives for values that stand a second apart.
gives() {
	local spec=$1 i=0
	shift
	run_tool sk-window --tumbling 1h -a "x=$spec" --time .t --time-unit s \
		< <(for v in "$@"; do printf '{"t":%d,"v":%s}\n' $((i++)) "$v"; done)
	output=${output#*'"x":'}
	output=${output%\}}
}

@test "sums are exact, for integers and for decimals as they are written" {
	run_tool sk-window --tumbling 1m --time .t -a 's=sum(.v)' < <(lines '{"t":0,"v":0.1}' \
		'{"t":1,"v":0.2}' '{"t":2,"v":9007199254740993}')
	assert_output '{"start":"1970-01-01T00:00:00Z","end":"1970-01-01T00:01:00Z","s":9007199254740993.3}'
	gives 'sum(.v)' 9223372036854775807 9223372036854775807 0.10 -1e3
	assert_output 18446744073709550614.10
	gives 'sum(.v)' 1e1000 1
	assert_success
	gives 'sum(.v)' 1e1001
	assert_status 65
	assert_says 'stdin:1: x: sum takes numbers, and 1e1001 is a number of more than 1,000 digits'
}

@test "each function" {
	gives count 1 null 3
	assert_output 3
	gives 'count(.v)' 1 null 3
	assert_output 3
	gives 'avg(.v)' 1 2 null
	assert_output 1.5
	gives 'stddev(.v)' 2 4 4 4 5 5 7 9
	assert_output 2.138089935299395
	gives 'min(.v)' 3 null '"a"' 2
	assert_output 2
	gives 'max(.v)' 3 null '"a"' 2
	assert_output '"a"'
	gives 'first(.v)' null 7 8
	assert_output 7
	gives 'last(.v)' 7 8 null
	assert_output 8
	gives 'list(.v)' 3 null '[1]' 3
	assert_output '[3,[1],3]'
	gives 'set(.v)' 3 '"b"' 3.0 1
	assert_output '[1,3,"b"]'
	gives 'distinct(.v)' 3 '"b"' 3.0 1
	assert_output 3
	gives 'approx_distinct(.v)' 3 '"b"' 3.0 1
	assert_output 3
	gives 'quantile(.v; 1)' 5 3 4
	assert_output 5
	gives 'topk(.v; 1)' '"x"' '"y"' '"x"'
	assert_output '[{"value":"x","count":2}]'
	gives 'argmin(.v; .t)' 5 3 3
	assert_output 1
	gives 'argmax(.v; {t})' 5 3 5
	assert_output '{"t":0}'
}

@test "functions without a value" {
	run_tool sk-window --tumbling 1h --time .t -a a=count -a 'b=count(.x[]?)' -a 'c=sum(.x)' \
		-a 'd=avg(.x)' -a 'e=list(.x)' -a 'f=set(.x)' -a 'g=distinct(.x)' -a 'h=approx_distinct(.x)' \
		-a 'i=quantile(.x; 0.5)' -a 'j=topk(.x; 3)' -a 'k=min(.x)' -a 'l=first(.x)' \
		-a 'm=argmax(.x; .t)' -a 'n=stddev(.x)' -a 'o=count where .x' <<<'{"t":0}'
	assert_output '{"start":"1970-01-01T00:00:00Z","end":"1970-01-01T01:00:00Z","a":1,"b":0,"c":null,"d":null,"e":[],"f":[],"g":0,"h":0,"i":null,"j":[],"k":null,"l":null,"m":null,"n":null,"o":0}'
}

@test "first, last and list go by time and value, not by arrival" {
	for order in '1 2 3 4' '4 3 2 1' '3 1 4 2'; do
		lines '' '{"t":5,"v":1}' '{"t":7,"v":2}' '{"t":7,"v":9}' '{"t":5,"v":0}' >all
		for i in $order; do sed -n "$((i + 1))p" all; done >in
		run_tool sk-window --tumbling 1m --delay 1m --time .t -a 'f=first(.v)' -a 'l=last(.v)' -a 'a=list(.v)' in
		assert_output --partial '"f":0,"l":9,"a":[0,1,2,9]'
	done
}

@test "an expression gives as many values as it has outputs" {
	gives 'sum(.v[].p)' '[{"p":1},{"p":2.5}]' '[]' '[{"p":3}]'
	assert_output 6.5
	gives 'set(.v | keys[])' '{"a":1}' '{"b":2,"a":3}'
	assert_output '["a","b"]'
	gives 'sum(.v) where .v > 2' 1 2 3 4
	assert_output 7
	gives 'max(if .v == ")" then ";(" else "\(.v)" end)' '")"' '"a;"'
	assert_output '"a;"'
}

@test "a bad record leaves no trace, in no function and no window" {
	run_tool sk-window --hopping 10s/5s --time .t -a n=count -a 's=sum(.v)' -a 'l=list(.v)' \
		--on-error skip -q --time-format ms < <(lines '{"t":0,"v":1}' '{"t":1,"v":"x"}' '{"t":2,"v":2}')
	assert_status 1
	assert_output "$(lines '{"start":-5000,"end":5000,"n":2,"s":3,"l":[1,2]}' \
		'{"start":0,"end":10000,"n":2,"s":3,"l":[1,2]}')"
}

@test "what is wrong with a function is told by column" {
	local spec
	while IFS='|' read -r spec says; do
		run_tool sk-window --tumbling 1m --time .t -a "$spec" <<<'{}'
		assert_status 64
		assert_output ''
		assert_says "$says"
	done <<-'END'
		|column 1: a name was expected
		n|column 2: '=' was expected
		n=|column 3: a function was expected
		n=cnt|column 3: there is no such function
		n=sum|column 6: an expression in parentheses was expected
		n=sum()|column 7: an expression was expected
		n=sum(.v|column 6: this parenthesis is not closed
		n=sum(.v])|column 9: this bracket closes none
		n=sum(.v) when .x|column 11: 'where' or the end was expected
		n=sum(.v) where|column 16: a condition was expected
		n=sum(.v +)|-a n: 
		n=quantile(.v)|column 14: quantile needs a place
		n=quantile(.v; 2)|column 15: quantile takes a number from 0 to 1
		n=topk(.v; x)|column 11: topk takes a number
		n=argmax(.v)|column 12: argmin and argmax need what is wanted
		start=count|column 1: results have a member of this name already
		n=sum("\(.a+(")"))")x|column 21: 'where' or the end was expected
	END
	run_tool sk-window --tumbling 1m --time .t -a n=count -a 'n=sum(.v)' <<<'{}'
	assert_status 64
	assert_says "two functions are called 'n'"
	run_tool sk-window --tumbling 1m --time .t <<<'{}'
	assert_status 64
	assert_says 'no function is given'
}

@test "what is wrong with a window" {
	local says
	while IFS='|' read -r options says; do
		run_tool sk-window $options -a n=count --time .t <<<'{}'
		assert_status 64
		assert_output ''
		assert_says "$says"
	done <<-'END'
		|no window is given
		--tumbling 1m --session 1m|--tumbling and --session exclude each other
		--tumbling 1|'1' is no length of a window
		--tumbling 0|'0' is no length of a window
		--hopping 1m|lacks a step
		--cumulate 1m/7s|a multiple of the step
		--count x|no number of records
		--session 1m --offset 1s|--session has none
		--tumbling 1h --tz Europe/Berlin|whole days
		--tumbling 1d --tz Mars/Olympus|there is no time zone 'Mars/Olympus'
		--tumbling 1d --every 1m|--every goes with --emit update
		--tumbling 1d --emit update --partial|exclude each other
		--sliding 1m --partial|--sliding has whole results only
		--count 5 --emit update|--count has whole results only
	END
}

# ---- time ----------------------------------------------------------------------------------

@test "late is what has no open window left; --late keeps it, --lateness waits" {
	events '5 a 1' '21 a 1' '9 a 1' '11 a 1' '20 a 1' '31 a 1' >in
	window --tumbling 10s --delay 5s --late late.ndjson -v in
	assert_success
	assert_equal "$(spans)" "$(lines '0 10 a 1' '10 20 a 1' '20 30 a 2' '30 40 a 1')"
	assert_file late.ndjson '{"t":9,"k":"a","v":1}'
	assert_says '6 records in = 5 held + 1 late'
	window --tumbling 10s --delay 5s --lateness 10s -v in
	assert_equal "$(spans)" "$(lines '0 10 a 2' '10 20 a 1' '20 30 a 2' '30 40 a 1')"
	# A hop that is closed is not touched, the ones that are open are.
	window --hopping 20s/10s < <(events '15 a 1' '21 a 1' '16 a 1')
	assert_equal "$(spans)" "$(lines '0 20 a 1' '10 30 a 3' '20 40 a 1')"
	window --sliding 10s -v < <(events '10 a 1' '20 a 1' '15 a 1')
	assert_says '1 late'
}

@test "an input that is read later makes nothing late" {
	events '0 a 1' '100 a 1' >one
	events '5 a 1' '50 a 1' >two
	window --tumbling 10s -v one two
	assert_equal "$(spans)" "$(lines '0 10 a 2' '50 60 a 1' '100 110 a 1')"
}

@test "a record without a time is a bad one" {
	run_tool sk-window --tumbling 1m -a n=count --time .t <<<'{"v":1}'
	assert_status 65
	assert_says 'stdin:1: '
}

@test "if the run is ended by a signal nothing closes" {
	mkfifo in
	sk-window --tumbling 10s -a n=count --time .t in >out 2>err &
	exec 5>in
	echo '{"t":1}' >&5
	sleep 0.3
	kill -TERM $!
	wait $! || true
	exec 5>&-
	assert_equal "$(cat out)" ''
}

# ---- what is written -----------------------------------------------------------------------

@test "--emit update: a window is written whenever it changes" {
	window --tumbling 10s --emit update < <(events '0 a 1' '1 b 1' '2 a 1' '11 a 1')
	assert_equal "$(spans)" "$(lines '0 10 a 1' '0 10 b 1' '0 10 a 2' '10 20 a 1')"
	window --hopping 10s/5s --emit update < <(events '0 a 1' '6 a 1')
	assert_equal "$(spans)" "$(lines '-5 5 a 1' '0 10 a 1' '0 10 a 2' '5 15 a 1')"
	window --session 10s --emit update < <(events '0 a 1' '6 a 1')
	assert_equal "$(spans)" "$(lines '0 10 a 1' '0 16 a 2')"
}

@test "--every: not more often than that, and at the end" {
	window --tumbling 100s --emit update --every 10s \
		< <(events '0 a 1' '1 b 1' '2 a 1' '11 a 1' '12 b 1' '25 a 1' '39 a 1' '101 c 1')
	assert_equal "$(spans)" "$(lines '0 100 a 2' '0 100 b 1' '0 100 a 3' '0 100 b 2' '0 100 a 4' '0 100 a 5' '100 200 c 1')"
	window --session 100s --emit update --every 10s < <(events '0 a 1' '1 b 1' '2 a 1' '11 a 1')
	assert_equal "$(spans)" "$(lines '1 101 b 1' '0 102 a 2' '0 111 a 3')"
}

@test "updates end where the final results are" {
	with_orders
	for w in '--tumbling 2s' '--hopping 4s/1s' '--cumulate 4s/1s'; do
		for every in '' '--every 1s'; do
			sk-window $w -k .type -a n=count -a 'l=list(.orderId)' --time .ts --delay 2s orders.ndjson |
				sort >final
			sk-window $w -k .type -a n=count -a 'l=list(.orderId)' --time .ts --delay 2s --emit update \
				$every orders.ndjson | jq -sc 'group_by(.start, .end, .key)[] | max_by(.n)' | sort |
				cmp - final
		done
	done
}

@test "--time-format" {
	run_tool sk-window --tumbling 1500ms -a n=count --time .t --time-unit ms <<<'{"t":-1}'
	assert_output '{"start":"1969-12-31T23:59:58.500Z","end":"1970-01-01T00:00:00Z","n":1}'
	run_tool sk-window --tumbling 1500ms -a n=count --time .t --time-unit ms --time-format ms <<<'{"t":-1}'
	assert_output '{"start":-1500,"end":0,"n":1}'
}

@test "partial results: what is none is a bad record, and leaves no trace" {
	local row
	p() { run_tool sk-window --tumbling 1m -k .k -a n=count -a 's=sum(.v)' --from-partials "$@"; }
	sk-window --tumbling 1m -k .k -a n=count -a 's=sum(.v)' --time .t --partial <<<'{"t":0,"k":"a","v":1.5}' >good
	assert_file good '{"start":"1970-01-01T00:00:00Z","end":"1970-01-01T00:01:00Z","key":"a","partial":{"n":1,"s":{"n":1,"sum":1.5}}}'
	p good good
	assert_success
	assert_output '{"start":"1970-01-01T00:00:00Z","end":"1970-01-01T00:01:00Z","key":"a","n":2,"s":3.0}'
	while IFS='|' read -r from to says; do
		sed "s/$from/$to/" good >bad
		p bad
		assert_status 65
		assert_output ''
		assert_says "bad:1: $says"
		p good bad --on-error skip -q
		assert_output '{"start":"1970-01-01T00:00:00Z","end":"1970-01-01T00:01:00Z","key":"a","n":1,"s":1.5}'
	done <<-'END'
		00:01:00Z|00:02:00Z|a partial result of another window than --tumbling has
		"start":"|"start":"x|no partial result
		"key":"a",||a partial result without a key
		"partial"|"p"|no partial result: there is no 'partial'
		"n":1,"s"|"s"|a partial result without 'n'
		"n":1,"s"|"n":-1,"s"|n: this is no partial result of count
		1.5|"x"|s: this is no partial result of sum
		1.5|1e9|s: this is no partial result of sum
	END
	p --time .start <<<'{}'
	assert_status 65
}

@test "partial sessions are merged by exact times, whatever is written" {
	lines '{"t":"1970-01-01T00:00:00.0009Z"}' '{"t":"1969-12-31T23:59:59.9997Z"}' >a
	lines '{"t":"1970-01-01T00:00:01.0005Z"}' >b
	session() { sk-window --session 1s -a n=count --time-format ms "$@"; }
	session --time .t --delay 1h a b >whole
	assert_file whole '{"start":-1,"end":2000,"n":3}'
	for f in a b; do session --time .t --delay 1h --partial "$f"; done >parts
	assert_equal "$(head -n 1 parts)" '{"start":-0.300,"end":1000.900,"partial":{"n":2}}'
	session --from-partials parts | cmp - whole
}

@test "partial results: more than can be counted is an error" {
	local spec part
	while IFS='|' read -r spec part; do
		echo '{"start":"1970-01-01T00:00:00Z","end":"1970-01-01T00:01:00Z","partial":{"x":'"$part}}" >part
		run_tool sk-window --tumbling 1m -a "x=$spec" --from-partials part
		assert_success
		run_tool sk-window --tumbling 1m -a "x=$spec" --from-partials part part --on-error skip
		assert_status 71
		assert_output ''
		assert_says 'x: more than 2^'
		# In one line that is a bad record.
		sed 's/\[\(\[.*\]\)\]/[\1,\1]/' part >twice
		cmp -s part twice && continue
		run_tool sk-window --tumbling 1m -a "x=$spec" --from-partials twice
		assert_status 65
		assert_says 'twice:1: x: more than a partial result can hold'
	done <<-'END'
		count|9000000000000000000
		avg(.v)|{"n":9000000000000000000,"sum":1}
		topk(.v; 1)|[[1,9000000000000000000]]
		quantile(.v; 0.5)|{"min":1,"max":1,"bins":[[38000,70368744177663]]}
	END
}

@test "partial results go by their time where they have one" {
	for m in 0 1 2 1 0; do
		echo "{\"t\":$((m * 60))}" | sk-window --tumbling 1m -a n=count --time .t --time-unit s --partial
	done >in
	run_tool sk-window --tumbling 1m -a n=count --from-partials --time .start -v --time-format rfc3339 in
	assert_output --partial '"1970-01-01T00:01:00Z","n":1'
	assert_says '3 held + 2 late'
}

# Each is as much work as one before it; not as all before it.
@test "many open sessions of a key, and many events of an instant, are no more work each" {
	seq 300000 | awk '{print "{\"t\":" $1 * 10 "}"}' >apart
	seq 300000 | awk '{print "{\"t\":1}"}' >together
	n='-a n=count --time .t --time-unit s --time-format ms'
	timeout 60 sk-window --session 5s $n --delay 3000000s apart >out
	assert_equal "$(wc -l <out) $(head -n 1 out)" '300000 {"start":10000,"end":15000,"n":1}'
	tac apart | timeout 60 sk-window --session 5s $n --delay 3000000s | cmp - out
	timeout 60 sk-window --count 7 $n together >out
	assert_equal "$(wc -l <out) $(tail -n 1 out)" '42858 {"start":1000,"end":1000,"n":1}'
}

# ---- state ---------------------------------------------------------------------------------

@test "--state: what is open waits for the next run, whatever the window and the function" {
	"$SK_BUILD/examples/generate" --seed 5 --events 2000 >in
	head -n 700 in >a
	tail -n +701 in >b
	fs=(-a n=count -a 's=sum(.amount)' -a 'l=list(.orderId)' -a 'q=quantile(.amount; 0.9)' -a 'd=distinct(.userId)'
		-a 'h=approx_distinct(.orderId)' -a 'm=max(.userId)' -a 't=topk(.userId; 3)' -a 'sd=stddev(.amount)')
	for w in '--tumbling 5s' '--hopping 20s/5s' '--cumulate 20s/5s' '--session 300ms' '--sliding 200ms' \
		'--count 7' '--tumbling 20s --emit update --every 3s' '--session 300ms --emit update --every 1s'; do
		rm -rf state
		run="sk-window $w -k .type --time .ts --delay 5s"
		$run "${fs[@]}" in >want
		[ -s want ]
		mkfifo pipe
		# The first run is drained: it closes nothing, and what it has is in the folder.
		$run "${fs[@]}" --state state --checkpoint 100ms in -o out
		cmp out want
		rm -rf pipe state out
	done
}

@test "a folder of other windows is refused" {
	run_tool sk-window --tumbling 1m -a n=count --time .t --state state <<<'{"t":0}'
	assert_success
	for other in '--tumbling 2m -a n=count' '--tumbling 1m -a m=count' '--tumbling 1m -k .k -a n=count'; do
		run_tool sk-window $other --time .t --state state <<<'{"t":0,"k":1}'
		assert_status 78
	done
}

@test "--state: a later run goes on from where time was" {
	run_tool sk-window --tumbling 10s -a n=count --time .t --time-unit s --time-format ms --state state \
		< <(events '0 a 1' '25 a 1')
	assert_output "$(lines '{"start":0,"end":10000,"n":1}' '{"start":20000,"end":30000,"n":1}')"
	run_tool sk-window --tumbling 10s -a n=count --time .t --time-unit s --time-format ms --state state -v \
		< <(events '5 a 1' '31 a 1')
	assert_output '{"start":30000,"end":40000,"n":1}'
	assert_says '1 held + 1 late'
}

@test "bounds: an error, or the oldest keys are given up and that is told" {
	for i in $(seq 1 300); do echo "{\"t\":$i,\"k\":$((i % 50))}"; done >in
	window --tumbling 1h --max-keys 20 -a 'l=list(.t)' in
	assert_status 71
	window --tumbling 1h --max-keys 20 --on-full evict -a 'l=list(.t)' in
	assert_status 1
	assert_says 'was given up'
	# What is there is whole: as many in the list as were counted, and each once.
	whole='select(.n != (.l | length) or .l != (.l | unique) or .n == 0 or (.u // .n) != .n)'
	[[ ! $(jq -c "$whole" <<<"$output") ]]
	for w in '--session 1h' '--sliding 20s' '--count 10' '--hopping 1h/20m' '--cumulate 1h/30m' \
		'--tumbling 1h --emit update' '--session 1h --emit update' '--hopping 1h/20m --emit update --every 20s'; do
		for most in 1 3 30; do
			window $w --max-keys $most --on-full evict -a 'l=list(.t)' -a 'u=distinct(.t)' in
			assert_status 1
			assert_says 'given up'
			[[ ! $(jq -c "$whole" <<<"$output") ]]
		done
	done
}

@test "bounds: what is given up is the same, whenever epochs end" {
	jq -nc 'range(60000) | {t: (. / 4 | floor), k: (. * . % 23)}' >in
	for w in '--tumbling 30s --emit update --every 7s' '--session 2s' '--count 9' '--sliding 3s'; do
		for most in 1 5; do
			run=(sk-window $w -k .k --time .t -a n=count -a l=list\(.t\) --max-keys $most
				--on-full evict)
			run_tool "${run[@]}" in -o want
			assert_status 1
			said=$stderr
			rm -rf state
			run_tool "${run[@]}" in -o out --checkpoint 1ms --app a --state state
			assert_status 1
			assert_said "$said"
			cmp out want
		done
	done
}

@test "bounds: what is given up for memory is the same in each run" {
	jq -nc 'range(20000) | {t: (. / 4 | floor), k: (. * 7919 % 12007)}' >in
	for w in '--count 4' '--tumbling 90h'; do
		run=(sk-window $w -k .k --time .t -a n=count -a 'q=quantile(.t; 0.5)' --max-memory 2M
			--on-full evict in)
		run_tool "${run[@]}"
		assert_status 1
		want=$output
		for i in 1 2 3; do
			run_tool "${run[@]}"
			[[ $output == "$want" ]]
		done
	done
}

@test "bounds: sums over many instants of a key that was given up are not used for what follows" {
	for n in 1 2 3; do
		seq $((n * 300)) $((n * 300 + 280)) | sed 's/.*/{"t":&,"k":"a"}/'
		seq 2000 | sed "s/.*/{\"t\":$((n * 300 + 280)),\"k\":&}/"
	done >in
	window --sliding 2000s --max-keys 1000 --on-full evict -a 'l=list(.t)' in
	assert_status 1
	[[ $(jq -c 'select(.key == "a" and .end == 1100000) | .n' <<<"$output") == 201 ]]
	[[ ! $(jq -c 'select(.n != (.l | length) or .l != (.l | unique) or .l[-1] * 1000 != .end)' <<<"$output") ]]
}

# Some are folded together, before their turn; with --where none are.
@test "records that can be folded together give what they give one by one" {
	python3 - >in <<-'END'
		import json, random
		random.seed(5)
		keys = ["a", "b", "c", "d\u00e9", "e\"f", 7, 7.5, True, "x" * 40]
		values = [1, 2.5, -3, 0.1, 10**17, 1e300, 12345678901234567890, "s", "t" * 30, None]
		for i in range(2000):
		    behind = random.choice([0, 0, 0, 1, 3, 9, 60, 200])
		    e = {"t": round(1000 + i / 7 - behind, random.choice([0, 1, 3])),
		         "k": random.choice(keys[:3] if i % 900 < 600 else keys),
		         "v": random.choice(values[:4] if i % 1000 < 700 else values)}
		    if random.random() < 0.1:
		        del e["v"]
		    e["n"] = random.choice([i, i / 4, -i] if i % 1000 < 950 else [1e30, "x", None])
		    print(json.dumps(e, ensure_ascii=i % 2 == 0))
		    if i % 500 == 499:
		        print("{\"t\":1,}" if i % 1000 == 999 else "")
	END
	split -n l/3 in part.
	sum='-a s=sum(.v) -a m=avg(.v) -a d=stddev(.v)'
	rooms='-a q=quantile(.n;0.9) -a n=count -a d=distinct(.v) -a l=list(.n)'
	any='-a lo=min(.v) -a hi=max(.v) -a f=first(.v) -a l=last(.v) -a k=last(.k)'
	folded() {
		local where
		for where in '-w true' '' '--jobs 1'; do
			rm -f "late.$where"
			sk-window "$@" --time .t --delay 5s --on-error skip $where -v \
				--late "late.$where" >"out.$where" 2>"err.$where" || [ $? = 1 ]
			cmp 'out.-w true' "out.$where"
			cmp 'late.-w true' "late.$where"
			cmp 'err.-w true' "err.$where"
		done
		[ -s 'out.-w true' ]
	}
	for w in '--tumbling 10s' '--tumbling 7s --offset 3s --lateness 20s' '--hopping 30s/7s' \
		'--hopping 5s/20s' '--cumulate 60s/10s' '--tumbling 1d --tz Europe/Berlin'; do
		folded $w -k .k $sum in
		folded $w -k .k $any in
		folded $w -k .k $rooms in
	done
	for how in "-k .k|. $any" "$sum" "$rooms" "-a n=count" "-k .v -a n=count" \
		"-k .k -a x=topk(.v;2)" "-a h=approx_distinct(.t) -a s=set(.k)"; do
		folded --tumbling 10s $how in
		[ -s late. ]
		folded --tumbling 10s $how part.aa part.ab part.ac
	done
}

@test "results go on through a checkpointed pipe with a time of their own" {
	with_orders
	sk-cat orders.ndjson --time .ts --delay 5s --checkpoint 10ms --state s |
		sk-window --tumbling 1s -a n=count --state s |
		sk-window --tumbling 10s -a 'n=sum(.n)' -a windows=count --state s -o out
	sk-window --tumbling 1s -a n=count --time .ts --delay 5s orders.ndjson |
		jq -sc '.[] | (.end | .[0:19] + "Z")' | wc -l >windows
	assert_equal "$(jq -s 'map(.n) | add' out)" 300
	assert_equal "$(jq -s 'map(.windows) | add' out)" "$(cat windows)"
}
