#!/usr/bin/env bats
# What must hold whatever the input: checked on generated events.

load ../cmd/helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	"$SK_BUILD/examples/generate" --seed 11 --events 3000 >in
}

@test "cat is the identity, through pipes, files, zstd and envelopes" {
	sk-cat <in | sk-cat | cmp - in
	sk-cat in -o a.zst && sk-cat a.zst -o b && cmp b in
	sk-cat --envelope=out in | sk-cat -e | sk-cat --envelope=in | cmp - in
	sk-cat --trust in | cmp - in
	sk-map . in | cmp - in
}

@test "one run over a file, over a pipe, over pieces of it: the same bytes" {
	program='{type, orderId, n: ((.items // []) | length)}'
	sk-map "$program" in >whole
	cat in | sk-map "$program" | cmp - whole
	split -n l/7 in part.
	sk-map "$program" part.* | cmp - whole
	for size in 1 7 100 4096 65537; do
		head -c 200000 in >some
		sk-map "$program" some 2>/dev/null >want || true
		dd if=some bs=$size status=none | sk-map "$program" 2>/dev/null | cmp - want
	done
}

@test "any number of threads: the same bytes, the same end" {
	"$SK_BUILD/examples/generate" --seed 12 --bytes 12000000 >long
	sed '30000s/^{/{{/' long >broken
	for file in long broken; do
		for tool in "sk-map .orderId" "sk-split .items --empty drop" sk-cat \
			"sk-route --by .type -o {}.F --dead-letter bad"; do
			for jobs in 1 2 7; do
				rm -f ./*.F bad
				status=0
				$tool -v --jobs $jobs "$file" >out.$jobs 2>said.$jobs || status=$?
				cat ./*.F bad >>out.$jobs 2>/dev/null || true
				echo "$status" >>said.$jobs
				cmp out.$jobs out.1
				cmp said.$jobs said.1
			done
		done
	done
	# A reader that is slow, and one that goes.
	sk-cat --jobs 3 long | (sleep 0.3; cat) | cmp - long
	run bash -c 'sk-cat --jobs 3 long | head -n 2 | wc -l; echo "${PIPESTATUS[0]}"'
	assert_output $'2\n141'
}

@test "native and libjq give the same bytes" {
	for program in 'select(.type=="order-created")|{orderId,n:(.items|length)}' \
		'.items[]?|.price*.quantity' '[.items[]?.category]|join(",")' '.ts[0:10]' \
		'if .amount > 100 then "big" elif .amount then "small" else null end' \
		'"\(.orderId): \(.type|ascii_upcase)"' 'del(.items)' '.items |= length' 'keys'; do
		sk-map "$program" in >native || [ $? = 65 ]
		SK_EXPR=libjq sk-map "$program" in >libjq || [ $? = 65 ]
		cmp native libjq
	done
}

@test "lines that are told at a glance go where they go with libjq" {
	SK_WRITE=1 SK_BLOCKS=2000 "$SK_BUILD/laws/ask_property" >lines
	for program in '.type=="paid"' '.id != null' '.a > 1 and .type != "a"' \
		'.eightxyz == "12345678" or .ninechars' '(.id == "x y") | not'; do
		for tool in sk-map sk-cat sk-route; do
			case $tool in
			sk-map) tool=(sk-map "select($program)") ;;
			sk-cat) tool=(sk-cat -w "$program") ;;
			sk-route) tool=(sk-route --drop-unmatched -r "$program => -") ;;
			esac
			rm -f libjq.bad
			SK_EXPR=libjq "${tool[@]}" -v --dead-letter libjq.bad lines >libjq \
				2>libjq.said || [ $? = 1 ]
			for how in --jobs=1 --jobs=2; do
				rm -f native.bad
				"${tool[@]}" $how -v --dead-letter native.bad lines >native 2>native.said ||
					[ $? = 1 ]
				[ -s native ]
				[ -s native.bad ]
				cmp native libjq
				cmp native.bad libjq.bad
				cmp native.said libjq.said
			done
		done
	done
}

@test "what jq says of integers, strings and objects" {
	for program in '.type' '{orderId,userId}' '.items|length' '[.items[]?|.quantity]|add' \
		'.note // "none"' 'has("items")' '.items|map(.product)?|first?'; do
		sk-map "$program" in >ours
		jq -c "$program" in >theirs
		cmp ours theirs
	done
}

@test "route, then all files together, are the input" {
	sk-route --by .type -o '{}.out' in
	cat ./*.out | sort | cmp - <(sort in)
	for f in ./*.out; do
		[ "$(sk-map -r .type "$f" | sort -u | wc -l)" = 1 ]
	done
}

@test "a file in sorted parts, merged, is the file" {
	sk-map '[.ts, .orderId]' in | sort >all
	split -n r/4 all part.
	sk-cat --merge-by . part.* | cmp - all
}

@test "split keeps every item: as many as jq finds, with their bytes" {
	sk-split .items --empty drop in >items
	jq -c '.items[]?' in | wc -l | cmp - <(wc -l <items)
	jq -c '.items[]?' in | jq -cS . | sort | cmp - <(jq -cS . items | sort)
}

@test "split and back: the parts of one parent, in order, are its array" {
	sk-split .items --empty drop --correlate in >parts
	jq -cs 'group_by(._split.id)[] | sort_by(._split.index) | map(del(._split))' parts |
		jq -cS . | sort >back
	jq -cS '.items // empty' in | sort >want
	cmp back want
	jq -cs 'group_by(._split.id) | map(length == .[0]._split.count) | all' parts | grep -qx true
}

@test "split and aggregate: the arrays again, byte for byte, whatever the order of the parts" {
	sk-map '.items // empty' in >want
	sk-split .items --empty drop --correlate in >parts
	together="sk-aggregate -k ._split.id --size ._split.count --merge array"
	$together parts | cmp - want
	shuf --random-source=in parts | $together | sort | cmp - <(sort want)
	jq -c -s 'reverse[]' parts | $together | sort | cmp - <(jq -c '.items // empty' in | sort)
}

@test "split and aggregate: what JSON lets stand in many ways stays as it was split" {
	printf '%s\n' '{"i":[{"a": 1.0 , "b":"\u0041"},{"n":12345678901234567890,"x":[ 1 ,2]}]}' \
		'{"i":[{ "e":1E2,"\u0065":-0 },{"s":"\/\"_split\":"},{"t" :{"_split":1}}]}' >odd
	sk-map .i odd >want
	together="sk-aggregate -k ._split.id --size ._split.count --merge array"
	sk-split .i --correlate odd | $together | cmp - want
	sk-split .i --correlate odd | tac | $together | tac | cmp - want
}

@test "aggregate: what is told at a glance is what evaluation gives" {
	# Every way in which a line may say it, or not.
	for k in '"a"' '"\u0061"' '"b\u0022"' '"é"' '"x\u007f"' 1 1.0 10e-1 -0 12345678901234567890 true \
		'{"x":1}' '["y"]'; do
		printf '%s\n' '{"type":"one","k":'"$k"',"v":"v","n":1.50,"b":false}' \
			'{ "n" : [1, 2] , "k" : '"$k"' , "type" : "two" }' \
			'{"type":"\u006fne","v":"w\n","k":'"$k"'}' \
			'{"type":"three","k":0,"k":'"$k"',"v":{"k":2,"type":"one"},"b":null}' \
			'{"inner":{"type":"one","k":7,"v":8},"k":'"$k"',"b":"long enough to need more than one word"}' \
			'{"typ":"one","types":"one","k":'"$k"',"n":null,"v":"\u007f","long name of a member":1}' \
			'{"type":"one","k":'"$k"',"v":"del \x7f","b":"de\x7f"}'
	done >lines
	printf '%s\n' '{"type":"one","k":"a"' '7' '[]' '{}' '{"k":null,"type":"one"}' >>lines
	for seed in 1 2 3; do
		shuf --random-source=<(yes $seed) lines
	done >odd
	while read -r args; do
		while IFS= read -r part; do
			# shellcheck disable=SC2086  # words
			sk-aggregate -k .k --part "$part" $args --on-error skip -q odd >native || [ $? = 1 ]
			# shellcheck disable=SC2086
			SK_EXPR=libjq sk-aggregate -k .k --part "$part" $args --on-error skip -q odd \
				>libjq || [ $? = 1 ]
			cmp native libjq
			[ -s native ]
		done <<-'end'
			if .type == "one" then {v, n} elif .type == "two" then {n, x: true} else {b, "long name of a member"} end
			select(.type != "three") | {v, t: .type}
			if .type == null then empty elif .b then {b} else {c: .v, "d\"": "\"", e: -1.50} end
			if (.type == "one" and (.n | not)) or .b == false then {a: .n} else {v: .v} end
			if .b == "long enough to need more than one word" then {y: .n, z: .inner} else {z: null} end
		end
	done <<-end
		--at-end emit
		--size 3 --at-end emit
		--merge deep --require v,n --at-end emit --meta
		--require x,v --at-end emit --closed 3
		--field n=count --field v=first --at-end emit
		--complete-when .v==\$event.v --at-end emit
	end
}

@test "aggregate: one run is two runs over halves with state" {
	part='if .type=="order-created" then {id:.orderId,userId}
		elif .type=="payment-processed" then {paymentId,amount} else {inventoryReserved:true} end'
	shuf --random-source=in in >mixed
	while read -r args; do
		# shellcheck disable=SC2086  # words
		sk-aggregate -k .orderId --part "$part" $args --at-end emit mixed >want
		for cut in 1 700 1500 2999; do
			rm -rf state
			head -n $cut mixed | sk-aggregate -k .orderId --part "$part" $args --state state >got
			tail -n +$((cut + 1)) mixed | sk-aggregate -k .orderId --part "$part" $args \
				--at-end emit --state state >>got
			cmp want got
		done
	done <<-end
		--require id,paymentId,inventoryReserved
		--size 3 --merge array --meta
		--size 2 --closed 100 --field amount=sum
		--merge deep --complete-when .paymentId --closed 5
		--time .ts --delay 1h --timeout 5m --size 3 --closed 1h
		--time .ts --delay 1h --max-age 10m --merge array --meta
		--sorted --field id=array
	end
}

@test "dedup of dedup is dedup; the order stays" {
	for args in '' '-k .orderId' '-k .orderId,.type' --canonical '--ignore .ts,.orderId' \
		'--approx 10000' '--tag .messageId' '-k .type --keep last' \
		'-k .userId --within 10s --time .ts --delay 5s'; do
		sk-dedup $args in 2>/dev/null >once
		sk-dedup $args once 2>/dev/null | cmp - once
		[ "$(wc -l <once)" -lt 3000 ]
		[ "$args" = '--tag .messageId' ] || grep -nxFf once in | cut -d: -f1 | sort -nc
		sk-dedup $args in --duplicates twice 2>/dev/null | cmp - once
		[ "$(cat once twice | wc -l)" = 3000 ]
		rm twice
	done
}

@test "dedup of the whole, and of the parts with a state, are one" {
	split -n l/5 in part.
	for args in '' '-k .orderId' '--canonical --tag .id' '-k .userId --within 3s --refresh --time .ts'; do
		rm -rf state
		for part in part.*; do
			sk-dedup $args --state state <$part
		done >parts
		sk-dedup $args in | cmp - parts
	done
}

@test "--canonical sees what lines mean: whatever the spelling, the same are let through" {
	jq -cS . in >sorted
	jq . in | sed 's/^ */ /' | tr -d '\n' | sed 's/}{/}\n{/g' >spaced
	sed 's/"price":\([0-9]*\)\([,}]\)/"price":\1.0\2/g; s/"quantity":\([0-9]\)/"quantity":\1e0/g' in >spelled
	sed 's/"type"/"\\u0074ype"/; s/order-/\\u006frder-/g' in >escaped
	run cmp -s in spelled && assert_failure 1
	run cmp -s in escaped && assert_failure 1
	sk-map '{type, orderId, ts}' in | sk-dedup >want
	paste -d '\n' in sorted spelled escaped | sk-dedup --canonical | sk-dedup --canonical |
		sk-map '{type, orderId, ts}' | cmp - <(sk-dedup in | sk-map '{type, orderId, ts}')
	for form in in sorted spelled escaped; do
		sk-dedup --tag .id $form | sk-map .id | cmp - <(sk-dedup --tag .id in | sk-map .id)
	done
}

@test "-w and select drop the same records" {
	sk-cat -w '.amount > 50' in | cmp - <(sk-map 'select(.amount > 50)' in)
}

@test "the balance of each stage adds up along the pipe" {
	sk-split -v .items --empty drop in 2>a | sk-map -v 'select(.quantity > 1)' 2>b >out
	[ "$(sed 's/.* \([0-9]*\) records in.*/\1/' <a)" = 3000 ]
	in=$(sed 's/.*: \([0-9]*\) records in.*/\1/' <b)
	[ "$in" = "$(jq -c '.items[]?' in | wc -l)" ]
	[ "$(sed 's/.*= \([0-9]*\) output.*/\1/' <b)" = "$(wc -l <out)" ]
}
