#!/usr/bin/env bats
# sk-claimcheck and a broker whose messages are at most 1 MB.

load helper

cc=sk-claimcheck

# order ID BYTES
order() {
	printf '{"orderId":"%s","note":"%s"}\n' "$1" "$(head -c $(($2 * 3 / 4)) /dev/urandom | base64 -w0)"
}

@test "an order of 5 MB goes through a broker limited to 1 MB" {
	fresh_topic 1 1 max.message.bytes=1000000
	order o1 5000000 >in.ndjson
	echo '{"orderId":"o2"}' >>in.ndjson
	run_tool sk-cat in.ndjson -o "kafka:$topic?key=.orderId"
	assert_status 65
	$cc put --store file:blobs --keep .orderId in.ndjson | sk-cat -o "kafka:$topic?key=.orderId"
	sk-cat -e "kafka:$topic?offset=earliest&until=end" >messages
	[[ $(jq -r .key messages) == $'o1\no2' && $(wc -c <messages) -lt 1000 ]]
	sk-cat "kafka:$topic?offset=earliest&until=end" | $cc get --store file:blobs | cmp - in.ndjson
	# The same in one process each.
	fresh_topic 1 1 max.message.bytes=1000000
	$cc put --store file:blobs --keep .orderId in.ndjson -o "kafka:$topic?key=.orderId"
	$cc get --store file:blobs "kafka:$topic?offset=earliest&until=end" | cmp - in.ndjson
	$cc verify --store file:blobs --jobs 2 "kafka:$topic?offset=earliest&until=end"
}

@test "from topic to topic: keys, headers, order, and values that no line holds" {
	fresh_topic 1
	from=$topic
	for i in {1..30}; do
		echo "{\"key\":\"k$i\",\"headers\":[[\"n\",\"$i\"]],\"value\":$(order "o$i" $((i * 3000)))}"
	done >in.ndjson
	echo "{\"key\":\"k31\",\"headers\":[],\"value_b64\":\"$(printf '{\n "a": "%03000d"\n}' 0 | base64 -w0)\"}" >>in.ndjson
	echo '{"key":"k32","headers":[],"value":null}' >>in.ndjson
	sk-cat -e in.ndjson -o "kafka:$from"
	for jobs in 1 4; do
		fresh_topic 1
		refs=$topic
		$cc put --store file:blobs --over 2k --jobs $jobs --keep .orderId \
			"kafka:$from?offset=earliest&until=end" -o "kafka:$refs"
		sk-cat -e "kafka:$refs?offset=earliest&until=end" >messages
		[[ $(grep -c claimCheck messages) == 31 && $(wc -c <messages) -lt 20000 ]]
		fresh_topic 1
		$cc get --store file:blobs --jobs $jobs "kafka:$refs?offset=earliest&until=end" -o "kafka:$topic"
		for t in "$from" "$topic"; do
			sk-cat -e "kafka:$t?offset=earliest&until=end" | jq -c 'del(.topic,.ts,.time)' >"all.$t"
		done
		cmp "all.$from" "all.$topic"
	done
}

@test "a dead letter carries the reference, not the blob" {
	fresh_topic 1 1 max.message.bytes=1000000
	refs=$topic
	fresh_topic 1 1 max.message.bytes=1000000
	for i in 1 2 3; do order "o$i" 2000000; done >in.ndjson
	$cc put --store file:blobs --keep .orderId in.ndjson -o "kafka:$refs"
	url=$(sk-cat "kafka:$refs?offset=1&until=end" | head -n 1 | jq -r .claimCheck.url)
	echo tampered >"${url#file:}"
	run_tool $cc get --store file:blobs --jobs 2 "kafka:$refs?offset=earliest&until=end" -o out --dead-letter "kafka:$topic"
	assert_status 1
	cmp out <(sed 2d in.ndjson)
	sk-cat "kafka:$topic?offset=earliest&until=end" >dead
	[[ $(jq -c '[.value.orderId,.origin.offset]' dead) == '["o2",1]' && $(wc -c <dead) -lt 2000 ]]
	# Mended, it goes on from there.
	$cc put --store file:blobs in.ndjson >/dev/null
	sk-map .value dead | $cc get --store file:blobs | cmp - <(sed -n 2p in.ndjson)
}

@test "gc: what a topic still tells of stays" {
	fresh_topic 1
	for i in 1 2 3; do order "o$i" 3000; done >in.ndjson
	$cc put --store file:blobs --over 1k in.ndjson >refs
	head -n 2 refs | sk-cat -o "kafka:$topic"
	touch -d '9 days ago' blobs/*/*
	$cc gc --store file:blobs --min-age 8d --live "kafka:$topic?offset=earliest&until=end" --yes >gone
	[[ $(jq -r .url gone) == "$(sed -n 3p refs | jq -r .claimCheck.url)" ]]
	$cc verify --store file:blobs "kafka:$topic?offset=earliest&until=end"
}

@test "orders into a bucket, references into a topic, in one pipe" {
	local server=$ROOT/tests/s3/server kind status
	export AWS_ACCESS_KEY_ID=local-id AWS_SECRET_ACCESS_KEY=local-secret no_proxy=127.0.0.1
	unset AWS_PROFILE AWS_REGION AWS_DEFAULT_REGION AWS_SESSION_TOKEN AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3
	for kind in s3proxy versitygw; do
		status=0
		"$server" start $kind "$PWD/$kind" --for $PPID 2>said || status=$?
		((status != 77)) || { [[ ${CI-} == true && $kind == s3proxy ]] && fail "$(cat said)"; continue; }
		((status == 0)) || fail "$(cat said)"
		fresh_topic 1 1 max.message.bytes=1000000
		for i in {1..5}; do order "o$i" 2000000; echo "{\"orderId\":\"small$i\"}"; done >big.ndjson
		sk-claimcheck put --store s3://orders/2026 --endpoint "$(<$kind/url)" --keep .orderId < big.ndjson | sk-cat -o "kafka:$topic?key=.orderId"
		sk-cat -e "kafka:$topic?offset=earliest&until=end" >messages
		[[ $(jq -r .key messages) == "$(jq -r .orderId big.ndjson)" && $(wc -c <messages) -lt 5000 ]] || fail "$(cat messages)"
		[[ $(find "$kind/data/orders/2026" -type f | wc -l) == 5 ]]
		sk-cat "kafka:$topic?offset=earliest&until=end" |
			$cc get --store s3://orders/2026 --endpoint "$(<$kind/url)" --jobs 3 | cmp - big.ndjson
		"$server" stop "$PWD/$kind"
	done
}
