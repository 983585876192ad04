#!/usr/bin/env bats
# sk-claimcheck with a folder as its store: large payloads there, references on the wire.

load helper

cc=sk-claimcheck

# big ID BYTES: an order of about so many bytes.
big() {
	printf '{"orderId":"%s","userId":"u1","note":"' "$1"
	head -c "$2" /dev/zero | sed "s/\x0/${3-x}/g"
	printf '","n":12345678901234567890}\n'
}

# Five events, three of them over 1,000 bytes.
with_events() {
	{
		echo '{"orderId":"o1","n":1}'
		big o2 2000
		big o3 1500
		echo '[1,2]'
		big o4 5000 é
	} >in.ndjson
}

refuse() { # refuse STATUS TEXT COMMAND...
	run_tool "${@:3}"
	assert_status "$1"
	assert_says "$2"
}

# One reference, to the blob of "hello" and 2,000 more bytes, with members changed by jq.
with_reference() {
	big o1 2000 >in.ndjson
	$cc put --store file:blobs --over 1k in.ndjson >ref
	sha=$(jq -r .claimCheck.sha256 ref)
	blob=blobs/${sha:0:2}/$sha
}

# The reference as jq's filter $1 changes it is a bad record for a reason that has $2 in it,
# its dead letter holds it, and nothing else comes out; verify finds it too.
is_bad() {
	jq -c "$1" ref >bad
	rm -f dead
	run_tool $cc get --store file:blobs --dead-letter dead bad
	assert_status 1
	assert_output ''
	assert_says "$2"
	[[ $(jq -c .value dead) == "$(cat bad)" ]] || fail "the dead letter is $(cat dead)"
	run_tool $cc verify --store file:blobs --jobs 3 bad
	assert_status 65
	assert_output ''
	assert_says "$2"
}

@test "put and get: what comes out is what went in" {
	with_events
	$cc put --store file:blobs --over 1k --keep .orderId <in.ndjson |
		tee refs | $cc get --store file:blobs | cmp - in.ndjson
	[[ $(wc -l <refs) == 5 && $(wc -c <refs) -lt 1500 ]]
	[[ $(jq -c 'objects|select(.claimCheck)|[.orderId,(.claimCheck|keys_unsorted)]' refs) == \
'["o2",["url","sha256","size","encoding"]]
["o3",["url","sha256","size","encoding"]]
["o4",["url","sha256","size","encoding"]]' ]] || fail "$(cat refs)"
}

@test "a reference says where the blob is, its hash and its size" {
	with_reference
	line=$(cat in.ndjson)
	assert_file ref "{\"claimCheck\":{\"url\":\"file:$PWD/$blob\",\"sha256\":\"$sha\",\"size\":${#line},\"encoding\":\"zstd\"}}"
	printf %s "$line" | openssl dgst -sha256 -r | grep -q "^$sha "
	[[ $(zstd -dc <"$blob") == "$line" ]]
	$cc put --store file:plain --over 1k --encoding none in.ndjson >ref
	[[ $(jq -r .claimCheck.encoding ref) == none ]]
	printf %s "$line" | cmp - "plain/${sha:0:2}/$sha"
	$cc get --store file:plain ref | cmp - in.ndjson
}

@test "--over: so many bytes pass, one more is stored" {
	echo '{"a":123456}' >in.ndjson # 12 bytes
	run_tool $cc put --store file:blobs --over 12 in.ndjson
	assert_output '{"a":123456}'
	run_tool $cc put --store file:blobs --over 11 in.ndjson
	assert_output --partial claimCheck
	for n in 921600 921601; do
		(echo -n '"'; head -c $((n - 2)) /dev/zero | tr '\0' a; echo '"') >in.ndjson
		$cc put --store file:blobs in.ndjson >out
		if ((n == 921600)); then cmp in.ndjson out; else (($(wc -c <out) < 500)); fi
	done
}

@test "odd events come back byte for byte" {
	cat >in.ndjson <<'END'
{"claimCheck":{"url":"file:/etc/passwd","sha256":"x","size":1}}
{"claimCheck":null}
{"claim\u0043heck":5,"b":1}
{"a":{"claimCheck":1}}
{"claimCheck":1,"claimCheck":2}
{ "claimCheck" : "spaces" }   
   {"a" : 1.50, "b":1e400 , "a":12345678901234567890123}
"just a \"string\" with claimCheck"
[{"claimCheck":1}]
null
true
-0.00
{}
[]
""
"é \ud83d\ude00 \\ \u0000"
{"a\\claimCheck":1}
END
	printf '%0500d%0500d\n' 0 0 | sed 's/0/[/g;s/$/1/' | tr -d '\n' >>in.ndjson
	printf '%0500d%0500d\n' 0 0 | sed 's/0/]/g' >>in.ndjson
	for how in '--over 0' '--over 0 --encoding none' '--over 30' '--over 1M' '--over 0 --jobs 3'; do
		$cc put --store file:blobs $how in.ndjson >refs
		$cc get --store file:blobs refs | cmp - in.ndjson
		$cc get --store file:blobs --jobs 3 <refs | cmp - in.ndjson
		$cc verify --store file:blobs --jobs 2 refs
	done
	# What looks like a reference of ours was stored, however small.
	$cc put --store file:blobs --over 1M in.ndjson >refs
	[[ $(diff in.ndjson refs | grep -c '^>') == 5 ]] || fail "$(diff in.ndjson refs)"
	! grep -q passwd refs
}

@test "two puts, two gets" {
	with_events
	$cc put --store file:blobs --over 1k in.ndjson >once
	$cc put --store file:blobs --over 1M once >twice
	[[ $(grep -c '"size":2[0-9][0-9],' twice) == 3 ]] || fail "$(cat twice)"
	$cc get --store file:blobs twice | cmp - once
	$cc get --store file:blobs twice | $cc get --store file:blobs | cmp - in.ndjson
}

@test "the same payload is stored once, and a put begins its age anew" {
	with_reference
	touch -d '3 days ago' "$blob"
	$cc put --store file:blobs --over 1k in.ndjson in.ndjson >refs
	[[ $(find blobs -type f) == "$blob" ]]
	cat ref ref | cmp - refs
	(($(date +%s) - $(stat -c %Y "$blob") < 100))
	# A damaged blob is mended.
	echo x >"$blob"
	$cc put --store file:blobs --over 1k in.ndjson >/dev/null
	$cc get --store file:blobs ref | cmp - in.ndjson
	# And one that another encoding has left serves both references.
	$cc put --store file:blobs --over 1k --encoding none in.ndjson >plain
	cat ref plain | $cc get --store file:blobs | cmp - <(cat in.ndjson in.ndjson)
}

@test "--keep: fields stay beside the reference" {
	with_events
	$cc put --store file:blobs --over 1k --keep .orderId,.n,.none in.ndjson | sed -n 2p |
		grep -q '^{"orderId":"o2","n":12345678901234567890,"none":null,"claimCheck":{'
	# As an expression would say it, wherever the fields are.
	sed "s/@/$(printf %03000d 0)/" >odd.ndjson <<'END'
{"a":"@","b":{"c":[1, 2]},"d":"\u0041\n","e":1.50,"f":true,"e":2.50 ,"b2":"x"}
 {"x":{"e":7},"b2" : "q\"" ,"a":"@"}
["e","@"]
"@"
{"a":"@\n","\u0065":1,"x":{"e":2,"\u0065":{"y" : [ 7.0,"\u0041\/" ] , "y2":null}}}
{"a":"@","x":null,"b":{"c":{"c":1},"b":{"c":3}},"e":{"y":"}"},"e":[{"y":"]"}],"e":null}
	{ "a":"@" ,"f" :-1.50e3 , "b":{"c" :"x"} }
END
	sed 's/.*/{"value":&}/' odd.ndjson >enveloped.ndjson
	for keep in .b .d .e .f .none .b2 .x '.b.c' '.x.e' '.x.none.y' '.b.none,.x' '.e, .f,.b2' '.["e"],.b2'; do
		for native in '' libjq; do
			SK_EXPR=$native $cc put --store file:blobs --over 1k --keep "$keep" odd.ndjson >refs
			sk-map 'del(.claimCheck)' refs >"kept.$native"
			SK_EXPR=$native $cc put --store file:blobs --over 1k --envelope=in --keep "$keep" enveloped.ndjson >refs
			sk-map 'del(.claimCheck)' refs >"enveloped.$native"
		done
		[[ $(wc -l <kept.) == 7 ]] || fail "$keep: $(cat kept.)"
		cmp kept. enveloped.
		cmp kept. kept.libjq
		cmp kept. enveloped.libjq
	done
	refuse 65 'Cannot index string with string "x"' $cc put --store file:blobs --over 1k --keep .a.x odd.ndjson
	# What is no object keeps nothing.
	echo '"a long string"' | $cc put --store file:blobs --over 0 --keep .a | grep -q '^{"claimCheck":{"url"'
	refuse 64 'claimCheck would stand beside' $cc put --store file:blobs --keep .a.claimCheck in.ndjson
	refuse 64 'without --at' $cc put --store file:blobs --keep .a --at .b in.ndjson
	refuse 64 'get takes no --keep' $cc get --store file:blobs --keep .a in.ndjson
}

@test "--at: the reference takes the place of a part" {
	cat >in.ndjson <<'END'
{"id":1, "payload" : {"doc":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "n":1.0} ,"x":[1]}
{"id":2,"payload":"short"}
{"id":3}
{"payload":1,"payload":"the last one of two counts, as everywhere"}
{"payload":{"claimCheck":7}}
{"claimCheck":7}
[4]
"payload"
END
	for jobs in 1 2; do
		$cc put --store file:blobs --at .payload --over 20 --jobs $jobs in.ndjson >refs
		$cc get --store file:blobs --at .payload --jobs $jobs refs | cmp - in.ndjson
	done
	grep -q '^{"id":1, "payload" : {"claimCheck":{"url":.*}} ,"x":\[1\]}$' refs
	[[ $(diff in.ndjson refs | grep -c '^>') == 3 ]] || fail "$(cat refs)"
	$cc put --store file:blobs --at '.a.b[1]' --over 3 <<<'{"a":{"b":[1,"long enough",3]}}' >refs
	grep -q '^{"a":{"b":\[1,{"claimCheck":.*},3\]}}$' refs
	run_tool $cc get --store file:blobs --at '.a.b[1]' refs
	assert_output '{"a":{"b":[1,"long enough",3]}}'
	# As the tokens would tell it, wherever the place is.
	cat >odd.ndjson <<'END'
{"a":{"b":"long enough \" \u0041"},"x":"\n"}
{"\u0061":{"b":1,"b":[ "long", {"enough":1} ] , "c":2}}
{"a":{"b":"not this, but"},"a":{"b" : {"claimCheck":"this"}}}
{"b":"long enough","c":{"a":{"b":"long enough"}}}
 {"a" : {"b":"long enough"} , "z":[1 , 2]} 
{"a":"no object"}
{"a":null}
{"a":[{"b":"long enough"}]}
END
	sed 's/.*/{"value":&}/' odd.ndjson >enveloped.ndjson
	for over in 3 1k; do
		$cc put --store file:blobs --at .a.b --over $over odd.ndjson >refs
		$cc put --store file:blobs --at .a.b --over $over --jobs 3 odd.ndjson | cmp - refs
		$cc put --store file:blobs --at .a.b --over $over --envelope=in enveloped.ndjson | sed 's/^ *//;s/ *$//' |
			cmp - <(sed 's/^ *//;s/ *$//' refs)
		stored=$(grep -c '"url"' refs)
		[[ $over:$stored == 3:4 || $over:$stored == 1k:1 ]] || fail "$(cat refs)"
		$cc get --store file:blobs --at .a.b refs | cmp - odd.ndjson
		$cc get --store file:blobs --at .a.b --jobs 3 refs | cmp - odd.ndjson
	done
	refuse 64 'no path' $cc put --store file:blobs --at '.a|.b' in.ndjson
	refuse 64 'no path' $cc put --store file:blobs --at . in.ndjson
}

@test "--ref and --name: the form of other producers and consumers" {
	big o1 2000 >in.ndjson
	run_tool $cc put --store file:blobs --over 1k --encoding none --name 'orders/order-{.orderId}.json' \
		--ref '{order: .orderId, blob: $url, digest: $sha256, $size, $encoding}' in.ndjson
	assert_success
	sha=$(head -c -1 in.ndjson | openssl dgst -sha256 -r | cut -c1-64)
	assert_output "{\"order\":\"o1\",\"blob\":\"file:$PWD/blobs/orders/order-o1.json\",\"digest\":\"$sha\",\"size\":$(($(wc -c <in.ndjson) - 1)),\"encoding\":\"none\"}"
	head -c -1 in.ndjson | cmp - blobs/orders/order-o1.json
	echo "$output" >refs
	get=($cc get --store file:blobs --name 'orders/order-{.orderId}.json' --ref 'select(.blob)|{url:.blob,sha256:.digest}')
	(cat refs; echo '{"other":1}') | "${get[@]}" | cmp - <(cat in.ndjson; echo '{"other":1}')
	# Only what the template could have made is opened.
	for name in orders/order-.json orders/order-../x.json orders/order-.hidden.json order-o1.json \
		orders/../orders/order-o1.json orders/order-a/b.json "$sha"; do
		jq -c --arg u "file:$PWD/blobs/$name" '.blob=$u' refs >bad
		refuse 65 '' "${get[@]}" bad
		[[ $stderr == *'no blob of'* || $name == orders/order-.hidden.json ]] || fail "$stderr"
	done
	# The hash counts all the same.
	echo '{"tampered":1}' >blobs/orders/order-o1.json
	refuse 65 SHA-256 "${get[@]}" refs
}

@test "--name: a name is not taken from another content" {
	put=($cc put --store file:blobs --over 10 --name 'o-{.id}.json')
	"${put[@]}" <<<'{"id":1,"text":"first"}' >first
	touch -d '3 days ago' blobs/o-1.json
	"${put[@]}" <<<'{"id":1,"text":"first"}' | cmp - first
	(($(date +%s) - $(stat -c %Y blobs/o-1.json) < 100))
	refuse 65 'taken by another content' "${put[@]}" <<<'{"id":1,"text":"second"}'
	assert_output ''
	[[ $(zstd -dc <blobs/o-1.json) == '{"id":1,"text":"first"}' ]]
	run_tool $cc put --store file:blobs --over 10 --name '{.id}-{$sha256}' <<<'{"id":1,"text":"second"}'
	assert_output --partial blobs/1-
	for id in '"a/b"' '""' null '[]' '"é"' '"a b"'; do
		refuse 65 '--name' "${put[@]}" <<<"{\"id\":$id,\"text\":\"long enough\"}"
	done
	refuse 64 'all blobs would have one name' $cc put --store file:blobs --name order.json
	refuse 64 'has no }' $cc put --store file:blobs --name 'order-{.id.json'
	[[ $(cd blobs && find . -type f | sort | cut -c1-5) == $'./1-b\n./o-1' || $(find blobs -type f | wc -l) == 2 ]]
}

@test "a reference to anything else is a bad record that keeps its reference" {
	with_reference
	is_bad '.claimCheck.url="file:/etc/passwd"' 'no blob of'
	is_bad '.claimCheck.url="http://127.0.0.1:1/'"$sha"'"' 'no blob of'
	is_bad '.claimCheck.url|=sub("/blobs/";"/blobs/../blobs/")' 'no blob of'
	is_bad '.claimCheck.url|=sub("/[^/]*$";"/../'"${sha:0:2}/$sha"'")' 'no blob of'
	is_bad '.claimCheck.url|=ascii_upcase' 'no blob of'
	is_bad '.claimCheck.url|=sub("'"$sha"'$";"'"${sha:1}0"'")' 'no blob of'
	is_bad '.claimCheck.url|=sub("/../";"/")' 'no blob of'
	is_bad '.claimCheck.url=7' 'url of the reference is no string'
	is_bad 'del(.claimCheck.url)' 'has no url'
	is_bad '.claimCheck.url+="\u0000"' 'no blob of'
	is_bad '.claimCheck.sha256|=ascii_upcase' 'no sha256 of 64 digits'
	is_bad '.claimCheck.sha256|=.[1:]' 'no sha256 of 64 digits'
	is_bad '.claimCheck.sha256=("0"*64)' 'not of one blob'
	is_bad '.claimCheck.size+=1' 'holds'
	is_bad '.claimCheck.size-=1' 'more than'
	is_bad '.claimCheck.size=-1' 'no number of bytes'
	is_bad '.claimCheck.size=1.5' 'no number of bytes'
	is_bad '.claimCheck.size="9"' 'no number of bytes'
	is_bad '.claimCheck.size=1e15' 'are not taken'
	is_bad '.claimCheck.encoding="gzip"' 'neither zstd nor none'
	is_bad '.claimCheck=[]' 'is no object'
	is_bad '.claimCheck.url|=sub("'"$sha"'$";"'"${sha:0:2}$(printf %062d 0)"'")|.claimCheck.sha256="'"${sha:0:2}$(printf %062d 0)"'"' 'not there'
}

@test "a blob that is not what was stored: not one byte of it comes out" {
	with_reference
	cp "$blob" good
	for what in 'echo secret >' 'head -c 20 good >' 'cat good good >' ': >' \
		'printf "\x28" >' '(cat good; echo) >' 'zstd -qc /etc/passwd >'; do
		eval "$what \$blob"
		is_bad . "$sha: it"
	done
	# One bit, at every place of a small blob.
	$cc put --store file:small --over 3 <<<'{"a":1}' >ref
	small=$(find small -type f)
	cp "$small" good
	for ((at = 0; at < $(wc -c <good); at++)); do
		python3 -c 'import sys;b=bytearray(open("good","rb").read());b[int(sys.argv[1])]^=4;open(sys.argv[2],"wb").write(b)' $at "$small"
		refuse 65 '' $cc get --store file:small ref
		assert_output ''
	done
}

@test "a link, a folder or a FIFO in the place of a blob is not followed" {
	with_reference
	cp "$blob" elsewhere
	rm "$blob" && ln -s "$PWD/elsewhere" "$blob"
	is_bad . 'symbolic link'
	rm "$blob" && mkfifo "$blob"
	is_bad . 'no plain file'
	rm "$blob" && mkdir "$blob"
	is_bad . 'no plain file'
	rmdir "$blob" && mv "blobs/${sha:0:2}" other && cp elsewhere "other/$sha"
	ln -s ../other "blobs/${sha:0:2}"
	is_bad . 'symbolic link'
	# Nor is anything written through one.
	rm "other/$sha"
	run_tool $cc put --store file:blobs --over 1k in.ndjson
	assert_status 73
	assert_output ''
	[[ ! $(ls other) ]]
}

@test "a put replaces a link by a blob, and leaves alone what it points to" {
	with_reference
	echo precious >elsewhere
	rm "$blob" && ln -s "$PWD/elsewhere" "$blob"
	$cc put --store file:blobs --over 1k in.ndjson | cmp - ref
	assert_file elsewhere precious
	[[ ! -L $blob ]]
	$cc get --store file:blobs ref | cmp - in.ndjson
}

@test "a bomb goes off nowhere" {
	with_reference
	head -c 3000000000 /dev/zero | zstd -qc >"$blob"
	is_bad . 'more than'
	jq -c 'del(.claimCheck.size)' ref >bad
	[[ -z ${SK_SAN-} ]] || skip 'memory is not what it is without the sanitizers'
	run_tool bash -c "ulimit -v 400000; $cc get --store file:blobs bad"
	assert_status 65
	assert_says 'more than 67108864 bytes'
	run_tool $cc get --store file:blobs --max-record 1M bad
	assert_says 'more than 1048576 bytes'
}

@test "a blob of another producer that is no line, and one that is no JSON" {
	mkdir -p blobs
	put() { # put FILE: a blob, and a reference to it
		sha=$(openssl dgst -sha256 -r <"$1" | cut -c1-64)
		mkdir -p "blobs/${sha:0:2}"
		cp "$1" "blobs/${sha:0:2}/$sha"
		echo "{\"claimCheck\":{\"url\":\"file:$PWD/blobs/${sha:0:2}/$sha\",\"sha256\":\"$sha\"}}"
	}
	printf '{\n  "a": 1\n}\n' >pretty
	put pretty >ref
	run_tool $cc get --store file:blobs ref
	assert_output '{   "a": 1 } '
	run_tool $cc get --store file:blobs -e <<<"{\"key\":\"k\",\"value\":$(cat ref)}"
	assert_output "{\"key\":\"k\",\"value_b64\":\"$(base64 -w0 pretty)\"}"
	run_tool $cc get --store file:blobs --at .p <<<"{\"p\":$(cat ref)}"
	assert_output '{"p":{   "a": 1 } }'
	printf '1\n2\n' >two
	put two >ref
	refuse 65 'not JSON' $cc get --store file:blobs ref
	assert_output ''
	refuse 65 'not JSON' $cc get --store file:blobs --trust ref
	run_tool $cc get --store file:blobs -e <<<"{\"value\":$(cat ref)}"
	assert_output '{"value_b64":"MQoyCg=="}'
	# Content that is a zstd frame, stored as it is.
	zstd -qc pretty >frame
	put frame | jq -c '.claimCheck.encoding="none"' >ref
	run_tool $cc get --store file:blobs -e <<<"{\"value\":$(cat ref)}"
	assert_output "{\"value_b64\":\"$(base64 -w0 frame)\"}"
}

@test "envelopes keep key, headers and place, and values that no line holds" {
	v=$(printf '{"a":\n"%01000d"}' 0 | base64 -w0)
	cat >in.ndjson <<END
{"topic":"t","partition":1,"offset":5,"ts":null,"time":null,"key":"k","headers":[["h","1"]],"value":{"a":"$(printf %01000d 0)"}}
{"topic":"t","partition":1,"offset":6,"ts":null,"time":null,"key":"k","headers":[],"value_b64":"$v"}
{"topic":"t","partition":1,"offset":7,"ts":null,"time":null,"key":"k","headers":[],"value":null}
END
	$cc put -e --store file:blobs --over 500 in.ndjson >refs
	[[ $(jq -c '[.key,.headers,.value.claimCheck.size]' refs) == $'["k",[["h","1"]],1008]\n["k",[],1009]\n["k",[],null]' ]] ||
		fail "$(cat refs)"
	$cc get -e --store file:blobs refs | cmp - in.ndjson
}

@test "--jobs keeps the order of events" {
	for i in {1..40}; do big "o$i" $((RANDOM % 60000)); echo "{\"small\":$i}"; done >in.ndjson
	for jobs in 1 2 7; do
		rm -rf blobs
		$cc put --store file:blobs --over 20k --jobs $jobs --keep .orderId in.ndjson >refs
		[[ -e first ]] || cp refs first
		cmp refs first
		cat refs | $cc get --store file:blobs --jobs $jobs | cmp - in.ndjson
	done
}

@test "--where: what is dropped is not fetched" {
	for i in {1..10}; do big "o$i" 2000; done >in.ndjson
	$cc put --store file:blobs --over 1k --keep .orderId -w '.orderId != "o3"' in.ndjson >refs
	[[ $(find blobs -type f | wc -l) == 9 ]]
	sha=$(head -n 2 refs | tail -n 1 | jq -r .claimCheck.sha256)
	rm "blobs/${sha:0:2}/$sha"
	for jobs in 1 3; do
		$cc get --store file:blobs --jobs $jobs -w '.orderId != "o2"' refs | cmp - <(sed 2,3d in.ndjson)
	done
}

@test "one bad reference among good ones" {
	for i in {1..30}; do big "o$i" 2000; done >in.ndjson
	$cc put --store file:blobs --over 1k in.ndjson >refs
	sha=$(sed -n 17p refs | jq -r .claimCheck.sha256)
	rm "blobs/${sha:0:2}/$sha"
	run_tool $cc get --store file:blobs --jobs 5 --dead-letter dead refs -o out
	assert_status 1
	cmp out <(sed 17d in.ndjson)
	[[ $(jq -c .value dead) == "$(sed -n 17p refs)" && $(wc -l <dead) == 1 ]]
	assert_says "sk-claimcheck: refs:17: file:$PWD/blobs/${sha:0:2}/$sha: it is not there"
	# Without a policy the run ends there, and what came before is out.
	run_tool bash -c "$cc get --store file:blobs --jobs 5 refs >out"
	assert_status 65
	cmp out <(head -n 16 in.ndjson)
	run_tool $cc verify --store file:blobs --jobs 5 --on-error skip refs
	assert_status 1
	assert_output ''
	sed -i 17d refs
	run_tool $cc verify --store file:blobs -v refs
	assert_success
	assert_says '29 records in = 29 dropped'
}

@test "a dead letter carries the reference, not the blob" {
	with_events
	$cc put --store file:blobs --over 1k --keep .orderId in.ndjson >refs
	sk-map 'if .claimCheck? then error("poison") else . end' --dead-letter dead refs >/dev/null || true
	[[ $(wc -l <dead) == 3 && $(wc -c <dead) -lt 2000 ]]
	sk-map .value dead | $cc get --store file:blobs | cmp - <(sed -n '2,3p;5p' in.ndjson)
}

@test "a reference leaves only when its blob is durable" {
	[ -z "${SK_SAN:-}" ] || skip "the sanitizers' runtime must be loaded first"
	big o1 2000 >in.ndjson
	faults=$SK_BUILD/tests/faults.so
	# Of a new blob: the folder's folder, the blob, the folder.
	for fault in fsync:{1,2,3} renameat:1; do
		rm -rf blobs && mkdir blobs
		run_tool env SK_FAULT=$fault:EIO LD_PRELOAD="$faults" $cc put --store file:blobs --over 1k in.ndjson
		assert_status 74
		assert_output ''
		[[ ! $(find blobs -name '.put-*') ]] || fail "$fault leaves something behind"
	done
	# Of one that is there, which another put may not have finished: the folder.
	run_tool env SK_FAULT=fsync:1:EIO LD_PRELOAD="$faults" $cc put --store file:blobs --over 1k in.ndjson
	assert_status 74
	# Killed anywhere: what came out is right, and the same command ends it.
	for i in {1..6}; do big "o$i" 2000; done >in.ndjson
	for fault in fsync:{1..12} renameat:{1..5} write:{1..6}; do
		for how in KILL KILLED; do
			rm -rf blobs
			run_tool env SK_FAULT=$fault:$how LD_PRELOAD="$faults" bash -c "exec $cc put --store file:blobs --over 1k in.ndjson >refs"
			$cc verify --store file:blobs refs || [[ ! -d blobs ]]
			$cc put --store file:blobs --over 1k in.ndjson | $cc get --store file:blobs | cmp - in.ndjson
		done
	done
}

@test "kill -9 in the middle of a stream" {
	for i in {1..60}; do big "o$i" 20000 $((i % 10)); done >in.ndjson
	for jobs in 1 4; do
		for after in 0.02 0.1; do
			rm -rf blobs refs
			(for i in {1..10}; do cat in.ndjson; done) | $cc put --store file:blobs --over 1k --jobs $jobs >refs &
			pid=$!
			sleep $after
			kill -9 $pid 2>/dev/null || true
			wait $pid 2>/dev/null || true
			sed -i '$d' refs # may be cut
			[[ ! -s refs ]] || $cc verify --store file:blobs --jobs 2 refs
			$cc put --store file:blobs --over 1k in.ndjson | $cc get --store file:blobs | cmp - in.ndjson
		done
	done
	# What is left of it goes with gc.
	echo half >"blobs/$(ls blobs | head -1)/.put-0123456789abcdef"
	touch -d '2 hours ago' blobs/*/.put-*
	$cc gc --store file:blobs --min-age 1h --live /dev/null --yes
	[[ ! $(find blobs -name '.put-*') ]]
}

@test "a full disk ends the run, and leaves nothing half" {
	for i in {1..5}; do echo "\"$(head -c 300000 /dev/urandom | base64 -w0)\""; done >in.ndjson
	status=0
	(ulimit -f 100; $cc put --store file:blobs --over 1k in.ndjson >refs 2>err) || status=$?
	[[ $status == 74 && ! -s refs && ! $(find blobs -type f) ]] || fail "$status $(cat err)"
	grep -q '^sk-claimcheck: blobs/.*File too large' err
	[ -z "${SK_SAN:-}" ] || skip "the sanitizers' runtime must be loaded first"
	run_tool env SK_FAULT=write:3+:ENOSPC LD_PRELOAD="$SK_BUILD/tests/faults.so" bash -c "exec $cc put --store file:blobs --over 1k in.ndjson >refs"
	assert_status 74
	assert_says 'No space left on device'
	[[ ! $(find blobs -name '.put-*') ]]
	$cc verify --store file:blobs refs
}

@test "a store that is not there, or not ours" {
	refuse 66 'No such file' $cc get --store file:none/none </dev/null
	refuse 66 'Not a directory' $cc verify --store file:/dev/null </dev/null
	refuse 66 'No such file' $cc gc --store file:none --live /dev/null --min-age 1d
	[[ ! -e none ]]
	refuse 73 'No such file' $cc put --store file:none/none </dev/null
	touch plain
	refuse 73 'Not a directory' $cc put --store file:plain </dev/null
	refuse 64 'is no store' $cc put --store plain </dev/null
	refuse 64 'is no store' $cc put --store http://127.0.0.1/ </dev/null
	refuse 64 '--store is missing' $cc put </dev/null
	refuse 64 'a verb is missing' $cc --store file:blobs
	refuse 64 "'give' is neither" $cc give --store file:blobs
	if ((EUID)); then
		mkdir -m 0500 locked
		echo '"a long string"' >in.ndjson
		refuse 77 'Permission denied' $cc put --store file:locked --over 1 in.ndjson
	fi
}

@test "a store is one place, whatever it is called, and --url gives it another name" {
	with_reference
	ln -s blobs link
	$cc get --store file:link ref | cmp - in.ndjson
	$cc get --store file:./blobs/../blobs/ ref | cmp - in.ndjson
	mv blobs moved && rm link
	refuse 65 'no blob of' $cc get --store file:moved ref
	$cc get --store file:moved --url "file:$PWD/blobs" ref | cmp - in.ndjson
	$cc put --store file:moved --url "file:$PWD/blobs" --over 1k in.ndjson | cmp - ref
}

@test "gc: dry, then what nothing mentions and is old enough" {
	for i in {1..6}; do big "o$i" 2000; done >in.ndjson
	$cc put --store file:blobs --over 1k in.ndjson >refs
	touch -d '2 days ago' blobs/*/*
	head -n 2 refs >live
	sha=$(sed -n 3p refs | jq -r .claimCheck.sha256)
	touch "blobs/${sha:0:2}/$sha"
	run_tool $cc gc --store file:blobs --min-age 1d --live live
	assert_success
	[[ $(wc -l <<<"$output") == 3 && $(jq -c '[.removed,.age]' <<<"$output" | sort -u) == '[false,"2d"]' ]] || fail "$output"
	assert_says '3 blobs of'
	assert_says -- '--yes removes them'
	$cc verify --store file:blobs refs
	$cc gc --store file:blobs --min-age 1d --live live --yes >gone
	[[ $(jq -r .url gone | sort) == "$(sed -n '4,$p' refs | jq -r .claimCheck.url | sort)" ]]
	[[ $(find blobs -type f | wc -l) == 3 ]]
	head -n 3 refs | $cc verify --store file:blobs
	# A put keeps what it finds.
	touch -d '2 days ago' blobs/*/*
	$cc put --store file:blobs --over 1k <(sed -n 3p in.ndjson) >/dev/null
	$cc gc --store file:blobs --min-age 1d --live live --yes | cmp - /dev/null
}

@test "gc: whatever mentions a blob keeps it" {
	with_reference
	touch -d '2 days ago' "$blob"
	gc=($cc gc --store file:blobs --min-age 1d --yes)
	url=$(jq -r .claimCheck.url ref)
	for live in "{\"deep\":[{\"x\":$(cat ref)}]}" "\"$sha\"" "{\"$sha\":1}" "[\"see $url, please\"]" \
		"\"\\u00$(printf '%02x' "'${sha:0:1}")${sha:1}\"" "\"file:\\/x\\/$sha\""; do
		"${gc[@]}" --live <(echo "$live") | cmp - /dev/null || fail "$live is not seen"
	done
	for live in "{\"key\":\"$sha\",\"value\":1}" "{\"headers\":[[\"claim\",\"$sha\"]],\"value\":1}" \
		"{\"value_b64\":\"$(printf 'no JSON %s' "$sha" | base64 -w0)\"}"; do
		"${gc[@]}" -e --live <(echo "$live") | cmp - /dev/null || fail "$live is not seen"
	done
	# Several sources are read, and nothing goes unless all were, to their end.
	"${gc[@]}" --live /dev/null --live ref | cmp - /dev/null
	refuse 66 'none' "${gc[@]}" --live /dev/null --live none
	refuse 65 '' "${gc[@]}" --live <(echo '{'; cat ref)
	refuse 64 'skips no record' "${gc[@]}" --on-error skip --live ref
	refuse 64 '--live is missing' "${gc[@]}"
	refuse 64 '--min-age is missing' $cc gc --store file:blobs --live ref
	refuse 64 'has no end' "${gc[@]}" --live kafka:orders
	[[ -f $blob ]]
	"${gc[@]}" --live /dev/null | jq -e .removed
	[[ ! -e $blob ]]
}

@test "gc leaves alone what is no blob of the kind" {
	with_reference
	echo x >blobs/README
	mkdir blobs/named && echo y >blobs/named/o-1.json
	ln -s ../README "blobs/${sha:0:2}/$(printf %064d 0 | sed "s/^../${sha:0:2}/")"
	touch -h -d '2 days ago' blobs/README blobs/*/*
	$cc gc --store file:blobs --min-age 1d --live /dev/null --yes >gone
	[[ $(jq -r .url gone) == "file:$PWD/$blob" ]]
	echo "{\"u\":\"file:$PWD/blobs/named/o-1.json\"}" >live
	gc=($cc gc --store file:blobs --name 'named/o-{.id}.json' --min-age 1d --yes)
	"${gc[@]}" --live live | cmp - /dev/null
	"${gc[@]}" --live /dev/null | jq -e '.url|endswith("blobs/named/o-1.json")'
	[[ $(find blobs -type f) == blobs/README ]]
}

@test "within a checkpointed stream" {
	for i in {1..20}; do big "o$i" $((i * 400)); done >in.ndjson
	export SK_STATE=st SK_APP=app
	sk-cat --checkpoint 1s in.ndjson | $cc put --store file:blobs --over 2k --keep .orderId |
		$cc get --store file:blobs --jobs 3 | sk-cat -o out
	cmp out in.ndjson
	[[ $(find blobs -type f | wc -l) == 16 ]]
}

@test "a stream that is live stays live" {
	mkfifo fifo
	$cc put --store file:blobs --over 1k <fifo | $cc get --store file:blobs --jobs 3 >out &
	exec 5>fifo
	big o1 3000 >&5
	echo 1 >&5
	for ((i = 0; i < 100; i++)); do [[ $(wc -l <out) == 2 ]] && break; sleep 0.05; done
	[[ $(wc -l <out) == 2 ]]
	exec 5>&-
	wait
	cmp out <(big o1 3000; echo 1)
}

@test "memory: so many payloads as are in transfer" {
	[[ -z ${SK_SAN-} ]] || skip 'memory is not what it is without the sanitizers'
	peak() { # peak KIB COMMAND...: it takes no more than so much
		python3 -c '
import os, resource, subprocess, sys
if subprocess.call(sys.argv[2:], stdin=open("in"), stdout=open("out", "w")): sys.exit("failed")
kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
if kib > int(sys.argv[1]): sys.exit("%d KiB" % kib)' "$@"
	}
	for i in {1..40}; do big "o$i" 2000000 $((i % 10)); done >events
	cp events in
	peak $((65536 + 4 * 2000)) $cc put --store file:blobs --over 1k --jobs 4
	mv out in
	peak $((65536 + 4 * 2000)) $cc get --store file:blobs --jobs 4
	cmp out events
	# Many small values, at places that are not members of the event.
	item='{"itemId":"i12345","sku":"S-000001","quantity":3,"price":1.5,"note":"leave at the \"door\""},'
	items=$(for i in {1..22000}; do echo "$item"; done | tr -d '\n')
	for i in {1..20}; do
		echo "{\"orderId\":\"o$i\",\"user\":{\"id\":\"u$i\"},\"items\":[$items$i]}"
	done >events
	for how in '--keep .orderId' '--keep .user.id' '--at .items' '--ref {id:.user.id,$url}' '--name {.orderId}' '--encoding none'; do
		cp events in
		rm -rf blobs
		peak $((65536 + 8 * 2000)) $cc put --store file:blobs --jobs 8 $how
	done
	# Payloads of 30 MB.
	for i in {1..4}; do big "o$i" 30000000 $i; done >events
	for jobs in 1 2 4; do
		cp events in
		peak $((65536 + jobs * 30000)) $cc put --store file:blobs --jobs $jobs --keep .orderId
		mv out in
		peak $((65536 + jobs * 30000)) $cc get --store file:blobs --jobs $jobs
		cmp out events
	done
}

@test "the example of the pattern runs" {
	[[ $SK_BUILD == "$ROOT/build" ]] || export O=$(realpath --relative-to "$ROOT" "$SK_BUILD")
	run_tool "$ROOT/examples/claim-check"
	assert_success
	assert_output --partial '22 large orders'
	assert_output --partial 'all 300 events came back, byte for byte'
	assert_says '22 blobs of'
}
