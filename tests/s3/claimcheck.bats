#!/usr/bin/env bats
# sk-claimcheck with stores on real S3 servers, which check every signature.

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

@test "both servers are there" {
	((${#servers[@]} == 2)) || skip "$S3_SKIP"
}

@test "put, get and verify; a payload is stored once" {
	with_orders_of 4 3000
	echo '{"small":1}' >>in.ndjson
	for server in "${servers[@]}"; do
		at "$server"
		$cc put "${s3[@]}" --over 1k --keep .orderId in.ndjson in.ndjson >refs
		cat in.ndjson in.ndjson | cmp - <($cc get "${s3[@]}" refs)
		cat in.ndjson in.ndjson | cmp - <($cc get "${s3[@]}" --jobs 3 <refs)
		$cc verify "${s3[@]}" --jobs 2 refs
		[[ $(ls "$data" | wc -l) == 4 ]]
		sha=$(head -n 1 refs | jq -r .claimCheck.sha256)
		[[ $(head -n 1 refs | jq -r .claimCheck.url) == "$place/$sha" ]]
		zstd -dc <"$data/$sha" | cmp - <(head -n 1 in.ndjson | tr -d '\n')
		$cc put "${s3[@]}" --over 1k --encoding none --jobs 3 in.ndjson >plain
		cmp "$data/$sha" <(head -n 1 in.ndjson | tr -d '\n')
		$cc get "${s3[@]}" plain | cmp - in.ndjson
		$cc get "${s3[@]}" refs | cmp - <(cat in.ndjson in.ndjson)
	done
}

@test "names and prefixes of odd characters are signed as the servers see them" {
	with_orders_of 1 2000
	for server in "${servers[@]}"; do
		for prefix in "a b+c=d&e" "é/ü" "x'y(z)!*" '~_.-/%41' ''; do
			at "$server" "$prefix"
			$cc put --store "s3://orders/$prefix" --endpoint "$url/" --over 1k --keep .orderId \
				--name 'o-{.orderId}.json' in.ndjson >refs
			$cc get --store "s3://orders/$prefix/" --endpoint "$url" --name 'o-{.x}.json' refs | cmp - in.ndjson
			[[ -f $data/o-o1.json ]] || fail "$server: $prefix"
			$cc gc --store "s3://orders/$prefix" --endpoint "$url" --name 'o-{.x}.json' \
				--live refs --min-age 1m | cmp - /dev/null
			rm "$data/o-o1.json"
		done
	done
	for bad in s3:// s3:///x 's3://or ders/x' 's3://orders/../x' 's3://orders/./x' 's3://orders/a//b'; do
		refuse 64 '' $cc get --store "$bad" --endpoint "$url" </dev/null
	done
}

@test "credentials: from the environment or a file, and wrong ones are refused" {
	order o1 2000 >in.ndjson
	for server in "${servers[@]}"; do
		at "$server"
		$cc put "${s3[@]}" --over 1k in.ndjson >refs
		AWS_SECRET_ACCESS_KEY=wrong refuse 77 SignatureDoesNotMatch $cc put "${s3[@]}" --over 1k in.ndjson
		assert_output ''
		AWS_SECRET_ACCESS_KEY=wrong refuse 77 SignatureDoesNotMatch $cc get "${s3[@]}" --jobs 2 refs
		assert_output ''
		for verb in verify "gc --min-age 1d --live"; do
			AWS_ACCESS_KEY_ID=nobody run_tool $cc $verb refs "${s3[@]}"
			# One of them says that it is not found.
			[[ $status == 77 || ($server == versitygw && $status == 69) ]] || fail "$status $stderr"
			assert_output ''
		done
		(
			unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
			export HOME=$PWD
			refuse 78 'no credentials for s3' $cc get "${s3[@]}" refs
			printf 'aws_access_key_id = local-id\naws_secret_access_key=local-secret\n' >keys
			$cc get "${s3[@]}" --credentials keys refs | cmp - in.ndjson
			printf '[default]\naws_access_key_id=local-id\naws_secret_access_key=b\n\n# ours\n[local]\naws_access_key_id=local-id\naws_secret_access_key=local-secret\n' >keys
			refuse 77 '' $cc get "${s3[@]}" --credentials keys refs
			AWS_PROFILE=local $cc get "${s3[@]}" --credentials keys refs | cmp - in.ndjson
			AWS_PROFILE=local AWS_SHARED_CREDENTIALS_FILE=keys $cc get "${s3[@]}" refs | cmp - in.ndjson
			AWS_PROFILE=none refuse 78 'for none' $cc get "${s3[@]}" --credentials keys refs
			refuse 78 'No such file' $cc get "${s3[@]}" --credentials none refs
			mkdir .aws && mv keys .aws/credentials
			AWS_PROFILE=local $cc get "${s3[@]}" refs | cmp - in.ndjson
			rm -r .aws
		)
		AWS_ENDPOINT_URL=$url $cc get --store "$place" refs | cmp - in.ndjson
	done
	refuse 64 endpoint $cc get --store s3://orders --endpoint "http://id:secret@127.0.0.1:1" refs
	[[ $stderr != *secret* ]]
	refuse 64 endpoint $cc get --store s3://orders --endpoint 127.0.0.1:1 refs
}

@test "a bucket that is not there" {
	order o1 2000 >in.ndjson
	for server in "${servers[@]}"; do
		at "$server"
		$cc put "${s3[@]}" --over 1k in.ndjson >refs
		refuse 73 NoSuchBucket $cc put --store s3://nobody --endpoint "$url" --over 1k in.ndjson
		refuse 66 NoSuchBucket $cc get --store s3://nobody --url "$place" --endpoint "$url" refs
		refuse 66 NoSuchBucket $cc gc --store s3://nobody --endpoint "$url" --live refs --min-age 1d
	done
}

@test "references that lie, and objects that are not what was stored" {
	order o1 2000 >in.ndjson
	for server in "${servers[@]}"; do
		at "$server"
		$cc put "${s3[@]}" --over 1k in.ndjson >refs
		sha=$(jq -r .claimCheck.sha256 refs)
		for u in "s3://other/t$BATS_TEST_NUMBER/$sha" "s3://orders/$sha" "$place/../$sha" "$place/x/$sha" \
			"$place/$sha/" "$place/$sha?versionId=1" "$url/orders/t$BATS_TEST_NUMBER/$sha" \
			"http://127.0.0.1:9/$sha" "file:/etc/passwd" "$place/%2e%2e/$sha"; do
			jq -c --arg u "$u" '.claimCheck.url=$u' refs >bad
			refuse 65 'no blob of' $cc get "${s3[@]}" bad
			assert_output ''
		done
		jq -c '.claimCheck|=(.sha256=("0"*64)|.url|=sub("[0-9a-f]{64}$";"0"*64))' refs >bad
		refuse 65 'not there' $cc get "${s3[@]}" bad
		jq -c '.claimCheck.size-=1' refs >bad
		refuse 65 'more than' $cc get "${s3[@]}" bad
		for what in 'echo secret' 'head -c 300000000 /dev/zero | zstd -qc' 'zstd -qc in.ndjson'; do
			bash -c "$what" >tampered
			cat tampered >"$data/$sha"
			run_tool $cc get "${s3[@]}" --dead-letter dead refs
			assert_status 1
			assert_output ''
			[[ $(jq -c .value dead) == "$(cat refs)" ]]
			refuse 65 "$place/$sha: it" $cc verify "${s3[@]}" refs
			rm dead
		done
	done
}

@test "a blob that is there is not sent again, and its age begins anew" {
	order o1 2000000 >in.ndjson
	for server in "${servers[@]}"; do
		at "$server"
		$cc put "${s3[@]}" in.ndjson >refs
		sha=$(jq -r .claimCheck.sha256 refs)
		touch -d '3 days ago' "$data/$sha"
		[[ $($cc gc "${s3[@]}" --live /dev/null --min-age 1d | jq -r .age) == [23]d* ]]
		through
		weather
		$cc put "${s3[@]}" in.ndjson | cmp - refs
		if [[ $server == s3proxy ]]; then
			awk '$5 > 1000 { exit 1 }' link/log || fail "it was sent: $(cat link/log)"
		fi # the other one copies an object onto itself and leaves its age
		$cc gc "${s3[@]}" --live /dev/null --min-age 1d | cmp - /dev/null
		$cc get "${s3[@]}" refs | cmp - in.ndjson
		# Other bytes of the same content take its place, and serve both references.
		$cc put "${s3[@]}" --encoding none in.ndjson >plain
		cat refs plain | $cc get "${s3[@]}" | cmp - <(cat in.ndjson in.ndjson)
		# A small one is just sent.
		touch -d '3 days ago' "$data/$sha"
		$cc put "${s3[@]}" --over 1 <<<'[1,2]' >small
		touch -d '3 days ago' "$data"/*
		$cc put "${s3[@]}" --over 1 <<<'[1,2]' | cmp - small
		[[ $($cc gc "${s3[@]}" --live /dev/null --min-age 1d | wc -l) == 1 ]]
	done
}

@test "a name is not taken from another content" {
	for server in "${servers[@]}"; do
		at "$server"
		put=($cc put "${s3[@]}" --over 3 --name 'o-{.id}.json')
		"${put[@]}" <<<'{"id":1,"n":1}' >first
		touch -d '3 days ago' "$data/o-1.json"
		"${put[@]}" <<<'{"id":1,"n":1}' | cmp - first
		$cc gc "${s3[@]}" --name 'o-{.id}.json' --live /dev/null --min-age 1d | cmp - /dev/null
		refuse 65 'taken by another content' "${put[@]}" <<<'{"id":1,"n":2}'
		"${put[@]}" --encoding none <<<'{"id":1,"n":1}' >other
		cat first other | $cc get "${s3[@]}" --name 'o-{.id}.json' | cmp - <(printf '{"id":1,"n":1}\n%.0s' 1 2)
	done
}

@test "gc: dry, then what nothing mentions and is old enough, over pages of names" {
	with_orders_of 3 2000
	for server in "${servers[@]}"; do
		at "$server"
		$cc put "${s3[@]}" --over 1k in.ndjson >refs
		cp -a "$data/$(head -n 1 refs | jq -r .claimCheck.sha256)" "$data/README"
		python3 - "$data" "$(head -n 1 refs | jq -r .claimCheck.sha256)" <<'END'
import hashlib, os, shutil, sys
for i in range(1100):
    to = "%s/%s" % (sys.argv[1], hashlib.sha256(b"%d" % i).hexdigest())
    shutil.copy2("%s/%s" % tuple(sys.argv[1:]), to)  # the servers' attributes too
END
		touch -d '3 days ago' "$data"/*
		head -n 2 refs >live
		sed -n 3p in.ndjson | $cc put "${s3[@]}" --over 1k >/dev/null
		run_tool $cc gc "${s3[@]}" --live live --min-age 2d -o gone
		assert_success
		assert_says '1100 blobs of '
		[[ $(wc -l <gone) == 1100 && $(ls "$data" | wc -l) == 1104 ]]
		find "$data" -type f -newermt '2 days ago' | grep -q .
		rm $(ls -d "$data"/* | head -n 1050)
		$cc put "${s3[@]}" --over 1k in.ndjson >/dev/null
		touch -d '3 days ago' "$data"/*
		$cc gc "${s3[@]}" --live live --min-age 2d --yes -o gone
		[[ $(jq -r .removed gone | sort -u) == true ]]
		rm -f "$data/README"
		[[ $(ls "$data" | sort) == "$(jq -r .claimCheck.sha256 live | sort)" ]]
	done
}
