#!/usr/bin/env bats
# sk-join: two streams within a bound of event time, a stream with a table.

load helper

# Lines, one an argument.
lines() {
	printf '%s\n' "$@"
}

# A left and a right record: l KEY TIME [MEMBERS]
l() { echo "{\"s\":\"l\",\"k\":$1,\"t\":$2${3:+,$3}}"; }
r() { echo "{\"s\":\"r\",\"k\":$1,\"t\":$2${3:+,$3}}"; }

sides=(--left '.s=="l"' --right '.s=="r"' -k .k --time .t)
times='[$left.t,$right.t]'

# ---- two streams -----------------------------------------------------------------------------

@test "orders with their payments: the example of the page" {
	with_orders
	run_tool sk-join --left '.type=="order-created"' --right '.type=="payment-processed"' \
		-k .orderId --within 1h --time .ts \
		--emit '{orderId:$left.orderId, paid:$right.amount}' orders.ndjson
	assert_success
	assert_silent
	jq -cn '[inputs] | INDEX(.[]|select(.type=="order-created");.orderId) as $o | .[] |
		select(.type=="payment-processed" and $o[.orderId]) | {orderId, paid: .amount}' \
		orders.ndjson | sort >want
	sort <<<"$output" | cmp - want
	[ "$(wc -l <want)" = 101 ]
}

@test "records meet if they are no more than the bound apart, the bound included" {
	run_tool sk-join "${sides[@]}" --within 10s --emit "$times" < <(r 1 0; l 1 10; l 1 11; r 1 20
		r 1 22)
	assert_success
	assert_output "$(lines '[10,0]' '[10,20]' '[11,20]')"
	assert_silent
}

@test "two bounds: how much earlier and how much later the right one may be" {
	run_tool sk-join "${sides[@]}" --within 1s,3s --emit "$times" < <(r 1 8; r 1 9; l 1 10; r 1 13
		r 1 14)
	assert_success
	assert_output "$(lines '[10,9]' '[10,13]')"
	run_tool sk-join "${sides[@]}" --within 0s,3s --emit "$times" < <(r 1 9; r 1 10; l 1 10; r 1 13)
	assert_output "$(lines '[10,10]' '[10,13]')"
	run_tool sk-join "${sides[@]}" --within 2s,0s --emit "$times" < <(r 1 8; l 1 10; r 1 10; r 1 11)
	assert_output "$(lines '[10,8]' '[10,10]')"
}

@test "--expires: the right one comes with the left one or later, up to that time" {
	run_tool sk-join "${sides[@]}" --expires .e --emit '[$left.t,$left.e,$right.t]' --type left < <(
		r 1 0; l 1 1 '"e":5'; l 1 2 '"e":3'; l 1 3 '"e":1'; r 1 3; r 1 5; r 1 6)
	assert_success
	assert_output "$(lines '[1,5,3]' '[2,3,3]' '[3,1,null]' '[1,5,5]')"
	run_tool sk-join "${sides[@]}" --expires .e --emit "$times" < <(
		l 1 1 '"e":"1970-01-01T00:00:05Z"'; r 1 5; r 1 6)
	assert_output '[1,5]'
	for e in null '"soon"' '[]'; do
		run_tool sk-join "${sides[@]}" --expires .e < <(l 1 1 "\"e\":$e")
		assert_status 65
		assert_says 'stdin:1: --expires gives no time'
	done
	run_tool sk-join "${sides[@]}" --expires .e --time-unit ms --emit "$times" < <(
		l 1 1000 '"e":5000'; r 1 5000; r 1 5001)
	assert_output '[1000,5000]'
}

@test "results come by the time of the later one, then by key; the order of arrival is nothing" {
	lines "$(l '"b"' 5)" "$(l 10 5)" "$(l 9 5)" "$(r '"b"' 7)" "$(r 9 7)" "$(r 10 7)" \
		"$(l 9 6)" "$(r 9 8)" "$(r '"a"' 4)" "$(l '"a"' 7)" "$(l '"a!"' 5)" "$(r '"a!"' 7)" >in
	want=$(lines '[9,5,7]' '[9,6,7]' '[10,5,7]' '["a",7,4]' '["a!",5,7]' '["b",5,7]' '[9,5,8]' \
		'[9,6,8]')
	for seed in 1 2 3 4 5 6 7 8; do
		run_tool sk-join "${sides[@]}" --within 1m --delay 1m \
			--emit '[$left.k,$left.t,$right.t]' < <(shuf --random-source=<(yes $seed) in)
		assert_success
		assert_output "$want"
	done
}

@test "a record that the watermark has passed is joined as long as its bound is not over" {
	run_tool sk-join "${sides[@]}" --within 10s --emit "$times" --late late -v < <(l 1 0; r 2 8
		r 1 5; r 1 20; l 1 9; l 1 11)
	assert_success
	assert_output "$(lines '[0,5]' '[11,20]')"
	assert_says '6 records in = 1 output + 4 held + 1 late'
	assert_file late "$(l 1 9)"
}

@test "what the watermark has passed meets at the very end of its bound, whichever came first" {
	for emit in "$times" '[.t,($right|.t)]'; do
		for type in inner left; do
			args=("${sides[@]}" --within 9s --type $type --emit "$emit")
			run_tool sk-join "${args[@]}" < <(r 1 45; r 1 36; l 1 41)
			assert_output "$(lines '[41,36]' '[41,45]')"
			run_tool sk-join "${args[@]}" < <(r 1 45; l 1 36; r 1 41)
			assert_output "$(lines '[36,41]' '[36,45]')"
		done
	done
}

@test "left ones without a partner come in the order of the ends of their bounds, late or not" {
	args=("${sides[@]}" --within 10s --emit .k)
	for type in left anti; do
		# By the end of the input, and by the watermark; and by a run that goes on.
		for more in '' 30; do
			run_tool sk-join "${args[@]}" --type $type < <(l '"d"' 5; l '"b"' 9; r 0 10; l '"a"' 9
				l '"c"' 4; [ -z "$more" ] || r 0 $more)
			assert_output "$(lines '"c"' '"d"' '"a"' '"b"')"
			rm -rf state
			sk-join "${args[@]}" --type $type --state state < <(l '"d"' 5; r '"d"' 6; l '"b"' 9
				l '"bb"' 11; r '"bb"' 11; r 0 12)
			run_tool sk-join "${args[@]}" --type $type --state state < <(l '"a"' 9
				l '"c"' 4; [ -z "$more" ] || r 0 $more)
			assert_output "$(lines '"c"' '"a"')"
		done
	done
}

@test "with one of --left and --right all others are the other side" {
	run_tool sk-join --left '.s=="l"' -k .k --time .t --within 1s --emit "$times" < <(l 1 0; r 1 1)
	assert_output '[0,1]'
	run_tool sk-join --right '.s=="r"' -k .k --time .t --within 1s --emit "$times" < <(l 1 0; r 1 1)
	assert_output '[0,1]'
}

@test "with both a record may be on both sides, and meets itself, or on none" {
	run_tool sk-join --left .a --right .b -k .k --time .t --within 5s --emit "$times" -v < <(
		lines '{"k":1,"t":1,"a":1,"b":1}' '{"k":1,"t":2}' '{"k":1,"t":3,"b":1}' \
		'{"k":1,"t":4,"a":1,"b":2}')
	assert_success
	assert_output "$(lines '[1,1]' '[1,3]' '[4,1]' '[4,3]' '[1,4]' '[4,4]')"
	assert_says '4 records in = 1 dropped + 3 held'
}

@test "each record meets all of its key: a product of the two sides" {
	(for i in {1..30}; do l 1 "$i"; r 1 "$i"; done) >in
	run_tool sk-join "${sides[@]}" --within 1h --emit "$times" in
	assert_success
	[ "${#lines[@]}" = 900 ]
	[ "$(sort -u <<<"$output" | wc -l)" = 900 ]
}

@test "results that come all at once are not held in memory" {
	[ -z "${SK_SAN:-}" ] || skip "the sanitizers take more memory than there is"
	jq -nc '("x" * 400) as $x | range(1000) | {k:1,t:.,v:$x}' >a
	(sed 's/{/{"s":"l",/' a; sed 's/{/{"s":"r",/' a) >both
	for args in 'a a --type inner' 'a a --type left' "--left .s==\"l\" both"; do
		# shellcheck disable=SC2086  # words
		run_tool bash -c 'ulimit -v 400000; sk-join "$@" | wc' - -k .k --time .t --within 1h \
			--delay 1h --emit '[$left.v,$right.t]' $args
		assert_success
		[ "$(awk '{print $1, $3}' <<<"$output")" = '1000000 408890000' ]
	done
	# A filter that is run.
	run_tool bash -c 'ulimit -v 400000; sk-join "$@" | wc -l' - -k .k --time .t --within 1h \
		--delay 1h --emit '[$left.v,$right.t]|length' --left '.s=="l"' both
	assert_output 1000000
}

# ---- keys ------------------------------------------------------------------------------------

@test "keys are equal as jq has it, numbers as exact decimals" {
	run_tool sk-join "${sides[@]}" --within 9s --emit '[$left.k,$right.k]' < <(l 1 0; r 1.0 1
		l 12345678901234567890 2; r 12345678901234567891 2; r 1.2345678901234567890e19 2
		l '"1"' 3; r '"\u0031"' 3; l '{"a":1,"b":[2]}' 4; r '{"b":[2.0],"a":1}' 4)
	assert_success
	assert_output "$(lines '[1,1.0]' '[12345678901234567890,1.2345678901234567890e19]' \
		'["1","1"]' '[{"a":1,"b":[2]},{"b":[2.0],"a":1}]')"
}

@test "--left-key and --right-key; several outputs are one key" {
	run_tool sk-join --left .a --left-key .a,.x --right-key .b,.y --time .t --within 9s \
		--emit '[$left.t,$right.t]' < <(lines '{"a":1,"x":2,"t":0}' '{"b":2,"y":1,"t":1}' \
		'{"b":1,"y":2,"t":2}')
	assert_success
	assert_output '[0,2]'
	run_tool sk-join --left .a -k .a --right-key .b --time .t --within 9s --emit "$times" < <(lines \
		'{"a":1,"t":0}' '{"b":1,"t":1}')
	assert_output '[0,1]'
}

@test "a key that is null, missing or not there is a bad record, unless --null-key" {
	for key in .x .n empty '.k,.x'; do
		run_tool sk-join --left .l -k "$key" --time .t --within 1s <<<'{"k":1,"n":null,"t":0}'
		assert_status 65
		assert_output ''
		assert_says 'stdin:1: '
	done
	run_tool sk-join "${sides[@]}" --within 1s --null-key --emit "$times" < <(l null 0
		echo '{"s":"r","t":1}')
	assert_success
	assert_output '[0,1]'
}

@test "a record without an event time is bad" {
	run_tool sk-join "${sides[@]}" --within 1s --on-error skip <<<'{"s":"l","k":1}'
	assert_status 1
	assert_says '--time gives null'
}

# ---- types -----------------------------------------------------------------------------------

@test "left: what met nobody comes at the end of its bound, behind the pairs of that instant" {
	run_tool sk-join "${sides[@]}" --within 0s,5s --type left --emit '[$left.k,$left.t,$right.t]' < <(
		l 1 0; l 2 0; l 3 1; r 2 5; r 3 5; l 1 7; r 1 30)
	assert_success
	assert_output "$(lines '[2,0,5]' '[3,1,5]' '[1,0,null]' '[1,7,null]')"
}

@test "anti: those alone, as they are" {
	run_tool sk-join "${sides[@]}" --within 5s --type anti < <(l 1 0; l 2 0 '"x":1.0'; r 1 5; l 1 9
		l 1 11)
	assert_success
	assert_output "$(lines "$(l 2 0 '"x":1.0')" "$(l 1 11)")"
}

@test "dead-letter: those are dead letters, whole" {
	run_tool sk-join "${sides[@]}" --within 5s --type dead-letter --dead-letter dead \
		--emit "$times" < <(l 1 0; l '"b"' 0 '"x":1.0'; r 1 5)
	assert_status 1
	assert_output '[0,5]'
	assert_file dead '{"error":{"type":"unmatched","message":"it found no record on the other side"},"origin":null,"key":"b","headers":[],"value":{"s":"l","k":"b","t":0,"x":1.0}}'
	run_tool sk-join "${sides[@]}" --within 5s --type dead-letter
	assert_status 64
	assert_says '--type dead-letter needs --dead-letter SINK'
}

@test "dead letters stand in the order in which they came about" {
	(l 1 0; l 2 20; echo '{"bad"'; r 3 40; r null 41; l 4 42) >in
	for args in in '--where true in'; do
		rm -f dead
		# shellcheck disable=SC2086  # words
		run_tool sk-join "${sides[@]}" --within 5s --type dead-letter --dead-letter dead -q $args
		assert_status 1
		run jq -c '[.error.type, .value.k, .origin.line]' dead
		assert_output "$(lines '["unmatched",1,null]' '["malformed",null,3]' \
			'["unmatched",2,null]' '["key",null,5]' '["unmatched",4,null]')"
	done
}

# ---- results ---------------------------------------------------------------------------------

@test "without --emit a result is both records" {
	run_tool sk-join "${sides[@]}" --within 5s --type left < <(echo '{ "s":"l", "k":1.0 ,"t":0 }'
		r 1 1 '"x":12345678901234567890'; l 2 2)
	assert_output "$(lines '{"left":{"s":"l","k":1.0,"t":0},"right":{"s":"r","k":1,"t":1,"x":12345678901234567890}}' \
		'{"left":{"s":"l","k":2,"t":2},"right":null}')"
}

@test "--emit gives the same whether it is paths, a native filter or libjq's" {
	(l 1 0 '"a":{"b":[1,{"c":"x\u0041\"y"}]},"n":1.10'; l 2 0; r 1 1 '"a":null,"n":3e2,"é":[]') >in
	filters=('.' '$left' '$right' '[$left.a.b[1].c,$right.a.b,$right["é"],.n,1,"a",null,[],{}]'
		'{l:{k:$left.k,r:[$right.n]},"two words":$left.a,"q\"":-1.5,$left,$right}'
		'{"a":.a,"a":$right.a}' '[.a,($right|.n)]' '.n,$right.n' '{a:(.n,$right.n)}'
		'select($right)' '$left + ($right // {})' '"\(.k)-\($right.k)"' '{k}')
	for f in "${filters[@]}"; do
		run_tool sk-join "${sides[@]}" --within 5s --type left --emit "$f" in
		assert_success
		native=$output
		SK_EXPR=libjq run_tool sk-join "${sides[@]}" --within 5s --type left --emit "$f" \
			--numbers double in
		assert_success
		diff <(jq -c . <<<"$native") <(jq -c . <<<"$output") || fail "$f"
	done
}

@test "what paths cannot be taken of is a bad record" {
	run_tool sk-join "${sides[@]}" --within 5s --emit '{a:$left.a.b}' --on-error skip < <(
		l 1 0 '"a":"x"'; r 1 1; l 1 1 '"a":{"b":2}')
	assert_status 1
	assert_output '{"a":2}'
	assert_says 'stdin:1: Cannot index string with string "b"'
}

@test "a result that cannot be made ends the run, is counted, or is a dead letter" {
	(l 1 0 '"a":"x"'; r 1 1; l 2 1 '"a":2'; r 2 2; r 3 9) >in
	run_tool sk-join "${sides[@]}" --within 5s --emit '.a + 1' in
	assert_status 65
	assert_output ''
	assert_says '--emit, for the key 1: string ("x") and number (1) cannot be added'
	run_tool sk-join "${sides[@]}" --within 5s --emit '.a + 1' --on-error skip in
	assert_status 1
	assert_output 3
	assert_said 'sk-join: 1 result could not be made; the first: string ("x") and number (1) cannot be added'
	run_tool sk-join "${sides[@]}" --within 5s --emit '.a + 1' --dead-letter dead in
	assert_status 1
	assert_output 3
	assert_file dead '{"error":{"type":"expression","message":"string (\"x\") and number (1) cannot be added"},"origin":null,"key":1,"headers":[],"value":{"left":{"s":"l","k":1,"t":0,"a":"x"},"right":{"s":"r","k":1,"t":1}}}'
}

@test "a result has the time at which it is certain, the key of a message, and no origin" {
	m() { echo "{\"topic\":\"$1\",\"partition\":3,\"offset\":$2,\"ts\":$3,\"key\":$4,\"headers\":[[\"a\",\"b\"]],\"value\":{\"k\":1,\"s\":\"$1\"}}"; }
	(m l 1 1000000000000 null; m r 1 1000000002000 '"x"'; m l 2 1000000003000 '"y"') >in
	run_tool sk-join -e --left '$topic=="l"' -k .k --within 2s --type left \
		--emit '[$left.s,$right.s,$topic,$offset,$name]' in
	assert_success
	assert_output "$(lines \
		'{"topic":null,"partition":0,"offset":null,"ts":null,"time":"2001-09-09T01:46:42Z","key":"x","headers":[],"value":["l","r",null,null,"sk-join"]}' \
		'{"topic":null,"partition":0,"offset":null,"ts":null,"time":"2001-09-09T01:46:43Z","key":"y","headers":[],"value":["l","r",null,null,"sk-join"]}')"
}

# ---- two inputs ------------------------------------------------------------------------------

@test "two inputs are the two sides, whatever stands in them" {
	lines '{"k":1,"t":5}' '{"k":2,"t":1}' >a
	lines '{"k":2,"t":3}' '{"k":1,"t":7}' >b
	run_tool sk-join -k .k --time .t --within 2s --emit "$times" a b
	assert_success
	assert_output "$(lines '[1,3]' '[5,7]')"
	run_tool sk-join -k .k --time .t --within 2s --delay 9s --emit "$times" b a
	assert_output "$(lines '[3,1]' '[7,5]')"
	run_tool sk-join -k .k --time .t --within 2s --emit "$times" - b <a
	assert_output "$(lines '[1,3]' '[5,7]')"
	run_tool sk-join -k .k --time .t --within 2s --emit "$times" <(cat a) <(zstd -qc b)
	assert_output "$(lines '[1,3]' '[5,7]')"
	run_tool sk-join -k .k --time .t --within 0s --delay 9s --emit "$times" a a
	assert_output "$(lines '[1,1]' '[5,5]')"
	run_tool sk-join -k .k --time .t --within 2s --type left --emit "$times" a /dev/null
	assert_output "$(lines '[1,null]' '[5,null]')"
	run_tool sk-join -k .k --time .t --within 2s --type left --emit "$times" /dev/null a
	assert_success
	assert_output ''
}

# 2 x 5,000 records, the left ones from new to old.
two_inputs() {
	jq -nc 'range(5000)|{k:(.*7919%5000),t:(1000000-.),v:"l\(.)"}' >a
	jq -nc 'range(5000)|{k:(.*104729%5000),t:(995000+.),v:"r\(.)"}' >b
	both=(sk-join -k .k --time .t --within 40s --type left --emit '[$left.v,$right.v]' a b)
	"${both[@]}" >want
	[ "$(wc -l <want)" = 5000 ]
	[ "$(grep -c '"r' want)" -gt 50 ]
}

@test "what memory does not hold of two inputs is spilled, and the results are the same" {
	two_inputs
	mkdir tmp
	run_tool env TMPDIR="$PWD/tmp" "${both[@]}" --max-keys 300
	assert_success
	cmp want <(echo "$output")
	run_tool "${both[@]}" --max-memory 1M
	assert_success
	cmp want <(echo "$output")
	[ -z "$(ls -A tmp)" ]
	[ ! -e out ]
	# Many runs, that are merged to one.
	"${both[@]}" --within 5s >want
	run_tool "${both[@]}" --within 5s --max-keys 70
	assert_success
	cmp want <(echo "$output")
}

@test "what is read back from disk is kept within the bounds too" {
	two_inputs
	run_tool "${both[@]}" --within 100h --max-keys 300 -o out
	assert_status 71
	assert_said 'sk-join: state is full: 300 records wait
  hint: --max-keys takes more; --on-full evict gives up the oldest'
	run_tool "${both[@]}" --within 100h --max-memory 1M -o out
	assert_status 71
	assert_says 'records take'
	[ ! -e out ]
	run_tool "${both[@]}" --within 100h --max-keys 300 --on-full evict -v
	assert_status 1
	assert_says '9700 records were given up'
}

@test "a disk that is full, or fails, ends the run and leaves nothing" {
	[ -z "${SK_SAN:-}" ] || skip "the sanitizers' runtime must be loaded first"
	two_inputs
	mkdir tmp
	for fault in write:1+:ENOSPC write:3:EIO; do
		run_tool env TMPDIR="$PWD/tmp" SK_FAULT=$fault \
			LD_PRELOAD="$SK_BUILD/tests/faults.so" "${both[@]}" --max-keys 300 -o out
		assert_status 74
		assert_says "$PWD/tmp: cannot keep what memory does not hold: "
		assert_says 'hint: TMPDIR names another folder'
	done
	run_tool env TMPDIR="$PWD/nowhere" "${both[@]}" --max-keys 300
	assert_status 73
	assert_says 'nowhere: cannot keep what memory does not hold: No such file'
	[ -z "$(ls -A tmp)" ]
	[ ! -e out ]
}

@test "inputs that are sorted are read along each other with --merge-by" {
	jq -nc 'range(3000)|{k:(.%7),t:.}' >a
	jq -nc 'range(3000)|{k:(.%5),t:.}' >b
	sk-join -k .k --time .t --within 3s --emit "$times" a b >want
	run_tool sk-join -k .k --time .t --within 3s --emit "$times" --merge-by .t --max-keys 20 a b
	assert_success
	cmp want <(echo "$output")
}

@test "two inputs have no checkpoints and take no third" {
	: >a
	run_tool sk-join -k .k --within 1s a a --checkpoint 1s --state s -o out
	assert_status 64
	assert_says 'no state to go on from'
	run_tool sk-join -k .k --within 1s a a --state s
	assert_status 64
	run_tool sk-join -k .k --within 1s -i a a a
	assert_status 64
	run_tool sk-join -k .k --within 1s a a a
	assert_status 64
	assert_says 'nothing says what is joined with what'
	run_tool sk-join -k .k --within 1s a '*'
	assert_status 64
	assert_says '*: RIGHT is one input, not a pattern'
	run_tool sk-join -k .k --within 1s a nosuch
	assert_status 66
}

# Records are taken together where that can be; with --where none are.
@test "records that are taken together give what they give one by one" {
	python3 - >in <<-'END'
		import json, random
		random.seed(8)
		keys = ["a%d" % i for i in range(40)] + [7, 7.0, "d\u00e9", "e\"f", True]
		for i in range(4000):
		    behind = random.choice([0, 0, 0, 0.5, 1, 3] if i % 1000 < 700 else [0, 9, 60, 200])
		    e = {"t": round(1000 + i / 9 - behind, random.choice([0, 1, 3])),
		         "s": random.choice("llrrxb"), "k": random.choice(keys), "v": i}
		    if random.random() < 0.02:
		        del e["k"]
		    if random.random() < 0.05:
		        e["v"] = {"deep": [i, "x" * (i % 50)]}
		    print(json.dumps(e, ensure_ascii=i % 2 == 0))
		    if i % 500 == 499:
		        print('{"t":1,}' if i % 1000 == 999 else "")
	END
	split -n l/3 in part.
	left='.s == "l" or .s == "b"' right='.s == "r" or .s == "b"'
	together() {
		local where
		for where in '-w true' '' '--jobs 1' '--jobs 3'; do
			rm -rf "late.$where" state
			# shellcheck disable=SC2086  # words
			sk-join --left "$left" --right "$right" -k .k --time .t "$@" -v $where \
				--late "late.$where" >"out.$where" 2>"err.$where" || [ $? = 1 ]
			cmp 'out.-w true' "out.$where"
			cmp 'late.-w true' "late.$where"
			cmp 'err.-w true' "err.$where"
		done
		[ -s 'out.-w true' ]
	}
	for within in 10s 0s 2s,30s; do
		for delay in 0s 4s 1h; do
			together --within $within --delay $delay --on-error skip \
				--emit '[$left.t,$right.v]' in
			[ $delay = 1h ] || [ -s late. ]
			together --within $within --delay $delay --on-error skip --type left in
		done
	done
	together --within 10s --delay 4s --on-error skip --type anti --emit .v part.aa part.ab part.ac
	together --within 10s --delay 4s --on-error skip --emit '$left.k / $right.v' in
	together --within 10s --delay 4s --on-error skip --emit '.v' --max-keys 70 --on-full evict in
	right='.s == "r"' together --within 10s --delay 4s --on-error skip --emit '[$left.v,$right.v]' in
	grep -v ',}' in | sk-map 'select(.k)' >good
	together --within 10s --delay 4s --max-keys 4000 --state state --emit '[$left.v,$right.v]' good
}

# ---- a table in a file -----------------------------------------------------------------------

users() {
	lines '{"id":1,"name":"Ann","n":1.10}' '' '{"id":2,"name":"Bob"}' '{"id":1.0,"name":"Eve"}' >users
}

@test "each record leaves in its place with the row of its key, the last of them" {
	users
	run_tool sk-join --table users --left-key .u --right-key .id \
		--emit '[.i,$left.u,$right.name,$right.n]' < <(lines '{"i":1,"u":2}' '{"i":2,"u":3}' \
		'{"i":3,"u":1}' '{"i":4,"u":2.0}')
	assert_success
	assert_output "$(lines '[1,2,"Bob",null]' '[3,1,"Eve",null]' '[4,2.0,"Bob",null]')"
	assert_silent
}

@test "left, anti and dead-letter with a table" {
	users
	lines '{"i":1,"id":2}' '{ "i":2, "id":3}' >in
	run_tool sk-join --table users -k .id --type left in
	assert_output "$(lines '{"left":{"i":1,"id":2},"right":{"id":2,"name":"Bob"}}' \
		'{"left":{"i":2,"id":3},"right":null}')"
	run_tool sk-join --table users -k .id --type anti -v in
	assert_output '{"i":2,"id":3}'
	assert_says '2 records in = 1 output + 1 dropped'
	run_tool sk-join --table users -k .id --type dead-letter --dead-letter dead --emit .i in
	assert_status 1
	assert_output 1
	jq -e '.error.type=="unmatched" and .origin.line==2 and .value.id==3' dead
	run_tool sk-join --table users -k .id --emit '$right.name | error' --on-error skip in
	assert_status 1
	assert_says 'in:1: Bob'
}

@test "a result of a table keeps key, headers and origin of its record" {
	users
	run_tool sk-join -e --table users --left-key .u --right-key .id --emit '[$right.name,$key,$topic]' \
		<<<'{"topic":"t","partition":1,"offset":7,"ts":5,"time":null,"key":"k","headers":[["a","b"]],"value":{"u":2}}'
	assert_success
	assert_output '{"topic":"t","partition":1,"offset":7,"ts":5,"time":null,"key":"k","headers":[["a","b"]],"value":["Bob","k","t"]}'
}

@test "--jobs: the same bytes" {
	jq -nc 'range(2000)|{id:.,name:"n\(.*.)"}' >users
	jq -nc 'range(60000)|{i:.,id:(.*7919%3000)}' >in
	for args in '--type left' '--type anti' '--type inner --emit .+{n:$right.name}'; do
		# shellcheck disable=SC2086  # words
		sk-join --table users -k .id $args in >want
		# shellcheck disable=SC2086
		sk-join --table users -k .id $args --jobs 4 in | cmp - want
	done
}

@test "a table that is not good ends the run before the first record" {
	users
	bad() { # STATUS MESSAGE COMMAND...
		run_tool "${@:3}" <<<'{"id":1}'
		assert_status "$1"
		assert_output ''
		assert_says "$2"
	}
	bad 66 '--table nosuch: No such file' sk-join -k .id --table nosuch
	bad 66 '--table .: Is a directory' sk-join -k .id --table .
	lines '{"id":1}' '{"id":' >broken
	bad 65 'broken:2:7: ' sk-join -k .id --table broken
	bad 65 'broken:2:7: ' sk-join -k .id --table broken --on-error skip
	lines '{"id":1}' '' '{"id":null}' >nulls
	bad 65 'nulls:3: the key is null or missing' sk-join -k .id --table nulls
	run_tool sk-join -k .id --table nulls --null-key --emit .id <<<'{"id":null}'
	assert_output null
	printf '{"id":1,"x":"\xff"}\n' >utf8
	bad 65 'utf8:1:' sk-join -k .id --table utf8
	head -c 200000 /dev/zero | tr '\0' '[' >deep
	bad 65 'deep:1:' sk-join -k .id --table deep
	jq -nc 'range(20000)|{id:.,x:"0123456789012345678901234567890123456789"}' >large
	bad 71 'large: the table is too large: ' sk-join -k .id --table large --max-memory 1M
	run_tool sk-join -k .id --table large --max-memory 3M --emit . <<<'{"id":7}'
	assert_output '{"id":7}'
	bad 65 'users:1: a line of 30 bytes is longer than --max-record' sk-join -k .id \
		--table users --max-record 29
	run_tool sk-join -k .id --table users --max-record 30 --emit '$right.name' <<<'{"id":2}'
	assert_output '"Bob"'
	bad 64 'use*: --table is one input, not a pattern' sk-join -k .id --table 'use*'
	cp users 'use*'
	run_tool sk-join -k .id --table 'use*' --emit '$right.name' <<<'{"id":2}'
	assert_output '"Bob"'
	bad 64 'stdin is the stream' sk-join -k .id --table -
	bad 64 '--query is for a SQLite database' sk-join -k .id --table users --query 'SELECT 1'
	run_tool sk-join -k .id --table - users --emit '$right.x' <<<'{"id":2,"x":5}'
	assert_output 5
	zstd -q users -o packed
	run_tool sk-join -k .id --table packed --emit '$right.name' <<<'{"id":2}'
	assert_output '"Bob"'
}

# sql FILE STATEMENT...
sql() {
	python3 -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
for s in sys.argv[2:]:
    c.execute(s)
c.commit()' "$@"
}

# From the second block on another thread reads it.
@test "a large table: the last row of a key counts, a bad one is told by its line, a signal ends it" {
	awk 'BEGIN {for (i = 1; i <= 40000; i++) printf "{\"id\":%d,\"n\":%d,\"pad\":\"%040d\"}\n", \
		i % 29999, i, i}' >large
	seq -f '{"id":%.0f}' 0 30010 >in
	awk 'BEGIN {for (i = 0; i < 29999; i++) print i + 29999 * (i == 0 || i + 29999 <= 40000)}' >want
	for args in '' '--jobs 1' '--jobs 3'; do
		# shellcheck disable=SC2086  # words
		sk-join -k .id --table large --emit '$right.n' $args in | cmp - want
	done
	zstd -qk large
	sk-join -k .id --table large.zst --emit '$right.n' in | cmp - want
	for line in 1 5 39990; do
		sed "${line}s/\"id\":[0-9]*/\"id\":null/" large >nulls
		sed "${line}s/:/;/" large >broken
		run_tool sk-join -k .id --table nulls in
		assert_status 65
		assert_output ''
		assert_says "nulls:$line: the key is null or missing"
		run_tool sk-join -k .id --table broken in
		assert_status 65
		assert_output ''
		assert_says "broken:$line:6: "
	done
	mkfifo slow
	sk-join -k .id --table slow in 2>err &
	exec 5>slow
	cat large >&5
	kill -TERM $!
	rc=0
	wait $! || rc=$?
	exec 5>&-
	assert_equal "$rc $(cat err)" \
		'75 sk-join: slow: interrupted before the table was read'
}

@test "a SQLite database is a table: integers, reals, text, blobs, nulls" {
	sql users.db 'CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, x REAL, b BLOB)' \
		"INSERT INTO users VALUES (1, 'Ann \"é\"', 1.5, x'00ff'), (9007199254740993, NULL, 1e300, NULL)"
	run_tool sk-join -k .id --table users.db --type left --emit '$right' < <(lines '{"id":1.0}' \
		'{"id":9007199254740993}' '{"id":9007199254740992}')
	assert_success
	assert_output "$(lines '{"id":1,"name":"Ann \"é\"","x":1.5,"b":"AP8="}' \
		'{"id":9007199254740993,"name":null,"x":1e+300,"b":null}' null)"
	sql users.db 'CREATE VIEW names AS SELECT name AS id, id AS number FROM users'
	run_tool sk-join -k .id --table users.db </dev/null
	assert_status 64
	assert_said "sk-join: users.db: the database has several tables: names, users
  hint: --query 'SELECT ...' says which rows"
	run_tool sk-join -k .id --table users.db --emit '$right.number' \
		--query 'SELECT * FROM names WHERE id IS NOT NULL' <<<'{"id":"Ann \"é\""}'
	assert_output 1
}

@test "a SQLite database that is not good, or a query that may not be" {
	sql a.db 'CREATE TABLE t (id, x)' "INSERT INTO t VALUES (1, CAST(x'ff' AS TEXT)), (2, 9e999)"
	bad() { # STATUS MESSAGE ARG...
		run_tool sk-join -k .id "${@:3}" <<<'{"id":1}'
		assert_status "$1"
		assert_output ''
		assert_says "$2"
	}
	bad 65 "a.db: row 1: column 'x' is not UTF-8" --table a.db
	bad 65 "a.db: row 1: column 'x' is infinite" --table a.db --query 'SELECT * FROM t WHERE id = 2'
	bad 65 'a.db: row 1: the key is null or missing' --table a.db --query 'SELECT 1 AS b'
	bad 64 "two columns are named 'id'" --table a.db --query 'SELECT id, id FROM t'
	bad 64 'no such column: nosuch' --table a.db --query 'SELECT nosuch FROM t'
	for query in 'DELETE FROM t' 'SELECT 1 AS id; SELECT 2' '' 'DROP TABLE t' \
		"ATTACH 'b.db' AS b" 'PRAGMA journal_mode=wal; SELECT 1'; do
		bad 64 '' --table a.db --query "$query"
	done
	[ ! -e b.db ]
	python3 -c 'import sqlite3; c = sqlite3.connect("a.db"); assert c.execute("SELECT count(*) FROM t").fetchone() == (2,)'
	sql none.db 'CREATE TABLE t (id)' 'DROP TABLE t'
	bad 65 'none.db: the database has no table' --table none.db
	(head -c 16 a.db; head -c 9000 /dev/urandom) >noise.db
	bad 65 'noise.db: ' --table noise.db
	sql big.db 'CREATE TABLE t (id, x)' 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) INSERT INTO t SELECT i, hex(randomblob(40)) FROM n'
	head -c 100000 big.db >cut.db
	bad 65 'cut.db: ' --table cut.db
	python3 - <<-end
		data = bytearray(open("big.db", "rb").read())
		for i in range(5000, len(data), 4096):
		    data[i - 900:i - 880] = b"\xff" * 20
		open("torn.db", "wb").write(data)
	end
	run_tool sk-join -k .id --table torn.db </dev/null
	[[ $status == 65 || $status == 0 ]]
	bad 71 'the table is too large' --table big.db --max-memory 1M
}

# ---- a table in the stream -------------------------------------------------------------------

rows=(--table-where '.s=="r"' -k .k --time .t --emit '[$left.t,$right.v]')

@test "a row is there from its own time on, and the next one takes its place" {
	run_tool sk-join "${rows[@]}" --type left --delay 1m < <(l 1 0; r 1 1 '"v":1'; l 1 1; l 1 2
		l 2 2; r 1 5 '"v":5'; l 1 4; l 1 5; r 1 5 '"v":4')
	assert_success
	assert_output "$(lines '[0,null]' '[1,1]' '[2,1]' '[2,null]' '[4,1]' '[5,5]')"
}

@test "inner, anti and dead-letter with rows" {
	(l 1 0; r 1 1 '"v":1'; l 1 2) >in
	run_tool sk-join "${rows[@]}" in
	assert_output '[2,1]'
	run_tool sk-join "${rows[@]}" --type anti --emit . in
	assert_output "$(l 1 0)"
	run_tool sk-join "${rows[@]}" --type dead-letter --dead-letter dead in
	assert_status 1
	assert_output '[2,1]'
	jq -e '.error.type=="unmatched" and .value.t==0' dead
}

@test "a tombstone takes the row away; its key is that of the message" {
	m() { echo "{\"topic\":\"$1\",\"partition\":0,\"offset\":$2,\"ts\":$((1000000000000 + $2)),\"key\":$3,\"headers\":[],\"value\":$4}"; }
	(m row 1 '"1"' '{"v":1}'; m ev 2 null '{"k":"1"}'; m row 3 '"1"' null; m ev 4 null '{"k":"1"}'
		m row 5 '"1"' '{"v":5}'; m ev 6 null '{"k":"1"}') >in
	run_tool sk-join --envelope=in --table-topic row --left-key .k --right-key '$key' --type left \
		--emit '$right.v' in
	assert_success
	assert_output "$(lines 1 null 5)"
	run_tool sk-join --envelope=in --table-topic row --left-key .k --right-key .v in
	assert_status 65
	assert_says "hint: a row that is taken away has its key in the message: --right-key '\$key'"
}

@test "rows of one key at one time: the greatest stays, whatever the order of arrival" {
	m() { echo "{\"topic\":\"$1\",\"offset\":1,\"ts\":$2,\"key\":$3,\"value\":$4}"; }
	(m row 1 '"1"' '{"v":2}'; m row 1 '"1"' '{"v":1}'; m row 1 '"1"' null
		m ev 1 null '{"k":"1"}') >in
	for order in 1,2,3 3,2,1 2,1,3; do
		for emit in '$right.v' '[$right.v] | .[]'; do
			run_tool sk-join --envelope=in --table-topic row --left-key .k --right-key '$key' \
				--emit "$emit" < <(for i in ${order//,/ } 4; do sed -n "${i}p" in; done)
			assert_success
			assert_output 2
		done
	done
}

@test "rows of one key at one time: the last one of the topic stays, whatever the order of arrival" {
	m() { echo "{\"topic\":\"$1\",\"offset\":$2,\"ts\":$3,\"key\":$4,\"value\":$5}"; }
	(m row 10 1 '"1"' '{"v":1}'; m row 9 1 '"1"' '{"v":2}'; m row 8 1 '"1"' null
		m ev 1 1 null '{"k":"1"}'; m row 11 2 '"1"' null; m row 7 2 '"1"' '{"v":3}'
		m ev 2 2 null '{"k":"1"}') >in
	for order in 1,2,3,4,5,6,7 3,1,2,4,6,5,7 2,1,3,4,5,6,7; do
		run_tool sk-join --envelope=in --table-topic row --left-key .k --right-key '$key' \
			--emit '$right.v' --type left < <(for i in ${order//,/ }; do
			sed -n "${i}p" in; done)
		assert_success
		assert_output "$(lines 1 null)"
	done
}

@test "rows of a file at one time: the greatest stays, through a checkpointed pipe too" {
	lines '{"k":1,"t":1,"v":2,"r":1}' '{"k":1,"t":1,"v":1,"r":1}' '{"k":1,"t":2}' >in
	join=(sk-join --table-where .r -k .k --emit '$right.v')
	run_tool "${join[@]}" --time .t in
	assert_output 2
	sk-cat --envelope=out in | "${join[@]}" --time .t --envelope=in >out
	assert_file out 2
	sk-cat in --time .t --checkpoint 1s --app a --state state |
		"${join[@]}" --app a --state state | sk-cat --app a --state state -o out
	assert_file out 2
}

@test "--table-topic names a file too" {
	lines '{"k":1,"t":1,"v":"a"}' '{"k":1,"t":5,"v":"b"}' >prices
	lines '{"k":1,"t":3}' '{"k":1,"t":7}' >sales
	run_tool sk-join --table-topic prices -k .k --time .t --emit '[.t,$right.v]' sales prices
	assert_success
	assert_output "$(lines '[3,"a"]' '[7,"b"]')"
}

@test "--wait: a record waits for its row, for so long and no longer" {
	run_tool sk-join "${rows[@]}" --wait 3s --type left < <(l 1 0; l 2 0; l 3 0; r 2 2 '"v":2'
		r 1 3 '"v":1'; l 2 3; r 3 4 '"v":3'; l 4 9)
	assert_success
	assert_output "$(lines '[0,2]' '[0,1]' '[3,2]' '[0,null]' '[9,null]')"
	run_tool sk-join "${rows[@]}" --wait 3s --type anti --emit .t < <(l 1 0; l 2 1; r 2 2 '"v":2')
	assert_output 0
}

@test "what the watermark has passed is late for a table, rows too" {
	run_tool sk-join "${rows[@]}" --late late -v < <(l 1 10; r 1 9 '"v":1'; l 1 8; l 1 11)
	assert_success
	assert_output ''
	assert_says '2 held + 2 late'
	assert_file late "$(r 1 9 '"v":1')" "$(l 1 8)"
}

# ---- state and bounds ------------------------------------------------------------------------

@test "a run goes on with the state of the one before" {
	(l 1 0; l 2 0; r 1 5) >first
	(r 2 8; r 1 9; l 3 10; r 1 11; r 1 30) >second
	args=("${sides[@]}" --within 10s --emit '[$left.k,$left.t,$right.t]')
	run_tool sk-join "${args[@]}" --state state first
	assert_success
	assert_output '[1,0,5]'
	run_tool sk-join "${args[@]}" --state state second
	assert_success
	assert_output "$(lines '[2,0,8]' '[1,0,9]')"
	run_tool sk-join "${sides[@]}" --within 11s --state state first
	assert_status 78
	assert_says '"within":[10000000,10000000]'
}

@test "a right record that came late stays for the next run as others do" {
	for type in inner left anti; do
		rm -rf state
		join=(sk-join "${sides[@]}" --within 1h --type $type --state state --emit "$times")
		(r 2 200; r 3 210; r 1 50) | "${join[@]}" >out
		assert_file out </dev/null
		l 1 300 | "${join[@]}" >out
		case $type in
		anti) assert_file out </dev/null ;;
		*) assert_file out '[300,50]' ;;
		esac
	done
}

# What comes late stands elsewhere than what does not, and after a run nobody knows which did.
@test "what is given up is the same where a run goes on with the state of another" {
	python3 - >in <<-'END'
		import random
		random.seed(3)
		for i in range(3000):
		    t = i // 30 * 10 + random.randrange(10) - random.choice([0, 0, 0, 25, 60])
		    if i % 300 == 0:
		        t = i // 30 * 10 + 9
		    print('{"s":"%s","k":%d,"t":%d,"i":%d}' % (
		        random.choice("lr"), random.randrange(9), t, i))
	END
	split -l 300 in cut.
	for bound in '--within 100s' '--within 20s,200s'; do
		join=(sk-join "${sides[@]}" $bound --max-keys 50 --on-full evict --emit
			'[$left.i, $right.i]')
		run_tool "${join[@]}" in -o want
		assert_status 1
		rm -rf state out
		for part in cut.*; do
			"${join[@]}" $part --state state >>out || [ $? = 1 ]
		done
		cmp out want
	done
}

@test "what has met somebody stays for the next run, with --expires too" {
	for type in inner left; do
		rm -rf state
		args=("${sides[@]}" --expires .e --type $type --emit "$times" --state state)
		run_tool sk-join "${args[@]}" < <(l 1 0 '"e":9'; r 1 1; l 1 1 '"e":5')
		assert_output "$(lines '[0,1]' '[1,1]')"
		run_tool sk-join "${args[@]}" < <(r 1 4; r 1 8)
		assert_success
		assert_output "$(lines '[0,4]' '[1,4]' '[0,8]')"
	done
}

@test "rows stay from run to run" {
	run_tool sk-join "${rows[@]}" --state state < <(r 1 1 '"v":1'; r 2 1 '"v":2'; l 1 2)
	assert_output '[2,1]'
	run_tool sk-join "${rows[@]}" --state state < <(l 2 3; l 1 3; r 1 4 '"v":4'; l 1 5; l 1 3)
	assert_success
	assert_output "$(lines '[3,1]' '[3,2]' '[5,4]')"
}

@test "a file, a pipe, and a stream with checkpoints give the same bytes" {
	with_orders
	cat orders.ndjson orders.ndjson >in
	for args in '--type left' '--type anti --within 9ms --emit .orderId' '--within 1s,5s'; do
		# shellcheck disable=SC2206  # words
		args=(--left '.type=="order-created"' --right '.type=="payment-processed"' -k .orderId
			--within 30s --time .ts --delay 2s $args)
		sk-join "${args[@]}" in >want
		[ -s want ]
		cat in | sk-join "${args[@]}" | cmp - want
		rm -rf state out
		SK_STATE=state sk-join "${args[@]}" --app j --checkpoint 1ms in -o out
		cmp out want
		rm -rf state out
		export SK_STATE=state SK_APP=j
		sk-cat --checkpoint 1ms in | sk-join "${args[@]}" | sk-cat -o out
		unset SK_STATE SK_APP
		cmp out want
	done
}

@test "beyond --max-keys and --max-memory: an error, or the oldest are given up" {
	(for i in {1..50}; do l "$i" "$i"; done; r 1 51; r 50 51) >in
	run_tool sk-join "${sides[@]}" --within 1h --max-keys 40 --emit .k in
	assert_status 71
	assert_said 'sk-join: state is full: 40 records wait
  hint: --max-keys takes more; --on-full evict gives up the oldest'
	run_tool sk-join "${sides[@]}" --within 1h --max-keys 40 --on-full evict --emit .k in
	assert_status 1
	assert_output 50
	assert_said 'sk-join: 12 records were given up for the bounds of the state'
	run_tool sk-join "${sides[@]}" --within 1h --delay 1h --max-keys 40 --on-full evict in
	assert_status 71
	assert_says 'hint: --max-keys takes more; records that wait for their turn are not given up'
	jq -nc 'range(30000)|{s:"l",k:.,t:.}' >large
	run_tool sk-join "${sides[@]}" --within 100h --max-memory 2M large
	assert_status 71
	assert_says 'records take'
	run_tool sk-join "${sides[@]}" --within 100h --max-memory 2M --on-full evict large
	assert_status 1
	run_tool sk-join "${sides[@]}" --within 1m --max-memory 2M large
	assert_success
	(for i in {1..50}; do r "$i" "$i"; done) >in
	run_tool sk-join "${rows[@]}" --max-keys 40 --on-full evict in
	assert_status 71
}

# ---- usage -----------------------------------------------------------------------------------

@test "what contradicts itself, or is missing, is told" {
	wrong() {
		run_tool sk-join "${@:2}" </dev/null
		assert_status 64
		assert_says "$1"
	}
	wrong 'nothing says what is joined with what' -k .k
	wrong '-k EXPR is missing' --left .l --within 1s
	wrong '-k EXPR is missing' --left .l --within 1s --left-key .k
	wrong 'says how long a record waits' -k .k --left .l
	wrong ': one of them' -k .k --left .l --within 1s --expires .e
	wrong 'is no duration' -k .k --left .l --within soon
	wrong 'is no duration' -k .k --left .l --within 1s,
	wrong 'exclude each other' -k .k --left .l --table t
	wrong 'exclude each other' -k .k --table-topic t --table t
	wrong 'exclude each other' -k .k --table-topic t --table-where .x
	wrong '--query belongs to --table' -k .k --left .l --within 1s --query q
	wrong '--within joins streams' -k .k --table t --within 1s
	wrong '--expires joins streams' -k .k --table-topic t --expires .e
	wrong '--wait is for a table whose rows come' -k .k --table t --wait 1s
	wrong '--wait is for a table whose rows come' -k .k --left .l --within 1s --wait 1s
	wrong '--late: nothing comes too late' -k .k --table t --late l
	wrong '--emit: ' -k .k --left .l --within 1s --emit '$other'
	wrong '--left: ' -k .k --left '.l[' --within 1s
	wrong "'outer'" -k .k --left .l --within 1s --type outer
}

@test "--explain says how each expression runs" {
	run_tool sk-join --left .l --right 'limit(1; .r)' -k .k --within 1s --explain
	assert_success
	assert_output "$(lines '--left: native: .l' '--right: libjq: limit/2 is not native' \
		'--left-key: native: .k' '--right-key: native: .k' \
		'--emit: native: {left: $left, right: $right}')"
}

@test "a bad line does not hurt its neighbours" {
	run_tool sk-join "${sides[@]}" --within 9s --emit "$times" --dead-letter dead < <(l 1 0
		echo '{"s":"r","k":1,'; printf '{"s":"r","k":"\xff","t":1}\n'; r 1 2)
	assert_status 1
	assert_output '[0,2]'
	[ "$(jq -s length dead)" = 2 ]
}

@test "a record that is behind its input, but not behind all of them, is taken with others" {
	at() { printf '{"ts":"2026-01-02T03:04:%s.000Z","k":"key-%s","s":"%s","v":%s}\n' "$@"; }
	{ at 40 a l 1; at 20 b l 2; at 21 c l 3; at 22 c r 4; at 41 a r 5; } > a.ndjson
	at 20 b r 6 > b.ndjson
	run_tool sk-join --left '.s=="l"' --right '.s=="r"' -k .k --within 10s --time .ts \
		--delay 1s --emit '[$left.v,$right.v]' a.ndjson b.ndjson
	assert_success
	assert_output "$(lines '[2,6]' '[3,4]' '[1,5]')"
}
