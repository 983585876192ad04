#!/usr/bin/env bats
# lib/kafka on a real broker: reading, writing, groups, refusals, and a broker that goes away.

load helper
BROKER_OPTIONS=(--listeners plain,tls,sasl)
PUMP=$SK_BUILD/kafka/pump

pump() {
	"$PUMP" "$@"
}

# numbered N: N records k1 v1 ...
numbered() {
	seq "$1" | sed 's/.*/k&\tv&/'
}

@test "a bounded read ends, and has every record once, in the order of its partition" {
	fresh_topic 4
	run_tool pump produce "$topic" < <(numbered 5000)
	assert_output 'stored 5000 refused 0 bad 0'
	assert_silent
	pump consume "$topic" until=end >out
	[[ $(cut -d' ' -f3 out | sort -u | wc -l) == 5000 ]]
	for p in 0 1 2 3; do
		grep "^$p " out | cut -d' ' -f2 >offsets
		sort -n offsets | cmp - offsets
	done
}

@test "empty topics and partitions end too" {
	fresh_topic 3
	run pump consume "$topic" until=end
	assert_success
	printf -- '-\tx\n' | pump produce "$topic"
	run --separate-stderr pump consume "$topic" until=end
	assert_output --regexp '^[012] 0 null x$'
}

@test "where to begin and to end" {
	fresh_topic 1
	for i in 1 2 3 4 5; do
		echo "{\"ts\":${i}000,\"value\":\"$i\"}"
	done | admin produce "$topic"
	check() {
		run --separate-stderr pump consume "$topic" "${@:2}"
		assert_success
		assert_equal "$(echo $(cut -d' ' -f4 <<<"$output"))" "$1"
	}
	check '1 2 3 4 5' until=end
	check '' until=end from=latest
	check '4 5' until=end from=-2
	check '1 2 3 4 5' until=end from=-9
	check '3 4 5' until=end from=2
	check '3 4 5' until=end from=@2001
	check '' until=end from=@9000
	check '1 2 3' until=3
	check '1 2 3 4 5' until=99
	check '1 2 3' until=@3500
	check '2 3' from=@2000 until=@4000
	admin trim "$topic" 0 2
	check '3 4 5' until=end from=0
	run_tool pump consume "$topic" from=6
	assert_status 66
	assert_says 'offset 6 is beyond the end, 5'
}

@test "markers of transactions at the end do not keep a bounded read waiting" {
	fresh_topic 1
	# The first record is committed by its transaction, so a marker follows it.
	admin transact "$topic" commit <<<1
	admin transact "$topic" abort <<<2
	run --separate-stderr timeout 20 "$PUMP" consume "$topic" until=end
	assert_success
	assert_output '0 0 null 1'
	run --separate-stderr timeout 20 "$PUMP" consume "$topic" until=end dirty=yes
	assert_output $'0 0 null 1\n0 2 null 2'
	run admin ends "$topic"
	assert_output '0 0 4'
}

@test "a group goes on where it committed" {
	fresh_topic 2
	numbered 100 | pump produce "$topic"
	pump consume "$topic" group="g-$topic" limit=40 commit=yes >one
	pump consume "$topic" group="g-$topic" until=end commit=yes >two
	[[ $(wc -l <one) == 40 && $(wc -l <two) == 60 ]]
	[[ $(cat one two | cut -d' ' -f1,2 | sort -u | wc -l) == 100 ]]
	pump consume "$topic" group="g-$topic" until=end >three
	[[ ! -s three ]]
}

@test "an offset that retention removed is said, never passed over" {
	fresh_topic 1
	numbered 10 | pump produce "$topic"
	pump consume "$topic" group="g-$topic" limit=2 commit=yes >one
	admin trim "$topic" 0 5
	run_tool pump consume "$topic" group="g-$topic" until=end
	assert_status 65
	assert_says 'offset 2 is not there any more'
}

@test "two members share the partitions, and what was done is not done again" {
	fresh_topic 4
	numbered 2000 | pump produce "$topic"
	"$PUMP" -X session.timeout.ms=6000 -X heartbeat.interval.ms=100 consume "$topic" \
		group="g-$topic" until=end max=20 nap=50 commit=yes >one 2>one.err 3>&- &
	first=$!
	until grep -q assigned one.err; do sleep 0.05; done
	"$PUMP" -X session.timeout.ms=6000 consume "$topic" group="g-$topic" until=end \
		commit=yes >two 2>two.err
	wait $first
	grep -q revoked one.err
	[[ -s two ]]
	pump consume "$topic" group="g-$topic" until=end >rest
	[[ $(cat one two rest | cut -d' ' -f1,2 | sort -u | wc -l) == 2000 ]]
	[[ $(cat one two rest | wc -l) == 2000 ]]
}

@test "a record that is too large harms none of its neighbours" {
	fresh_topic 1 max.message.bytes=20000
	{
		numbered 500
		printf 'big\t%s\n' "$(head -c 30000 /dev/zero | tr '\0' x)"
		numbered 500
	} >in
	run_tool pump -X linger.ms=100 -X compression.codec=none produce "$topic" <in
	assert_status 1
	assert_output 'stored 1000 refused 0 bad 1'
	assert_says "$topic takes 20000 bytes, this record has about"
	[[ $(admin dump "$topic" | wc -l) == 1000 ]]
}

@test "topics that are not there are told, and not made" {
	run_tool pump consume nowhere until=end
	assert_status 66
	run_tool pump produce nowhere <<<$'a\tb'
	assert_status 73
	run_tool pump consume nowhere group=nobody
	assert_status 66
	run admin ends nowhere
	assert_failure
}

@test "nobody listens, or nobody is let in" {
	run_tool pump -b 127.0.0.1:1 consume any
	assert_status 69
	assert_says refused
	printf 'security.protocol=sasl_plaintext\nsasl.mechanism=PLAIN\nsasl.username=alice\nsasl.password=wrong\n' >conf
	run_tool pump -b "$(<"$BROKER_DIR/brokers.sasl")" -F conf consume any
	assert_status 77
	assert_says 'uthentication'
	run_tool pump -b "$(<"$BROKER_DIR/brokers.tls")" -X security.protocol=ssl consume any
	assert_status 69
	assert_says ssl.ca.location
}

@test "kcat's and Java's files open the same doors" {
	fresh_topic 1
	numbered 3 | pump produce "$topic"
	cat >plain.conf <<-END
		bootstrap.servers=$(<"$BROKER_DIR/brokers.sasl")
		security.protocol=sasl_plaintext
		sasl.mechanism=PLAIN
		sasl.username=alice
	END
	cat >java.properties <<-END
		security.protocol = SASL_PLAINTEXT
		sasl.mechanism = PLAIN
		sasl.jaas.config = org.apache.kafka.common.security.plain.PlainLoginModule required \\
		    username="alice" \\
		    password="alice-secret";
	END
	cat "$BROKER_DIR/client.key" "$BROKER_DIR/client.pem" >both.pem
	cat >tls.properties <<-END
		security.protocol=SSL
		ssl.truststore.type=PEM
		ssl.truststore.location=$BROKER_DIR/ca.pem
		ssl.keystore.type=PEM
		ssl.keystore.location=$PWD/both.pem
	END
	cat >p12.properties <<-END
		security.protocol=SSL
		ssl.ca.location=$BROKER_DIR/ca.pem
		ssl.keystore.type=PKCS12
		ssl.keystore.location=$BROKER_DIR/client.p12
		ssl.keystore.password=client-secret
	END
	[[ $(env -u SK_BROKERS SK_SASL_PASSWORD=alice-secret "$PUMP" -F plain.conf consume "$topic" until=end | wc -l) == 3 ]]
	[[ $(pump -b "$(<"$BROKER_DIR/brokers.sasl")" -F java.properties consume "$topic" until=end | wc -l) == 3 ]]
	for file in tls p12; do
		[[ $(pump -b "$(<"$BROKER_DIR/brokers.tls")" -F $file.properties consume "$topic" until=end | wc -l) == 3 ]]
	done
}

@test "a commit that nobody answers is given up" {
	fresh_topic 2
	timeout 120 "$PUMP" consume "$topic" group="g-$topic" limit=2 nap=3000 commit=yes \
		>out 2>err 3>&- &
	reading=$!
	until grep -q assigned err; do sleep 0.1; done
	numbered 100 | pump produce "$topic"
	until [[ -s out ]]; do sleep 0.1; done
	"$BROKER" halt "$BROKER_DIR" 1 KILL
	status=0
	wait $reading || status=$?
	"$BROKER" resume "$BROKER_DIR" 1
	assert_status 69
	grep -q "commit of g-$topic" err
}

@test "a broker that stops and starts again is no failure" {
	fresh_topic 2
	numbered 1000 | pump produce "$topic"
	timeout 120 "$PUMP" consume "$topic" limit=2000 >out 2>err 3>&- &
	reading=$!
	for _ in {1..300}; do
		[[ $(wc -l <out) != 1000 ]] || break
		sleep 0.1
	done
	"$BROKER" halt "$BROKER_DIR" 1 KILL
	"$BROKER" resume "$BROKER_DIR" 1
	numbered 1000 | pump produce "$topic"
	wait $reading
	[[ $(wc -l <out) == 2000 ]]
}
