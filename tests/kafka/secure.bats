#!/usr/bin/env bats
# TLS, SASL and ACLs through the tools, in and out; and where secrets may come from.

load helper
BROKER_OPTIONS=(--listeners plain,tls,sasl,sasltls)

# The files are those that kcat reads, or Java's clients.
plain_conf() {
	cat >"$1" <<-END
		# kcat's form
		bootstrap.servers=$(<"$BROKER_DIR/brokers.sasl")
		security.protocol=sasl_plaintext
		sasl.mechanism=PLAIN
		sasl.username=alice
		sasl.password=${2-alice-secret}
	END
}

java_properties() {
	cat >"$1" <<-END
		bootstrap.servers = $(<"$BROKER_DIR/brokers.sasltls")
		security.protocol = SASL_SSL
		ssl.truststore.type = PEM
		ssl.truststore.location = $BROKER_DIR/ca.pem
		sasl.mechanism : $2
		sasl.jaas.config = $3 required \\
		    username="alice" password="${4-alice-secret}";
		key.serializer = org.apache.kafka.common.serialization.StringSerializer
	END
}

PLAIN=org.apache.kafka.common.security.plain.PlainLoginModule
SCRAM=org.apache.kafka.common.security.scram.ScramLoginModule

# there_and_back OPTION...: three records through the tools, by way of a topic.
there_and_back() {
	fresh_topic 2
	run_tool env -u SK_BROKERS sk-cat "$@" -o "kafka:$topic?key=." < <(seq 3)
	assert_success
	assert_silent
	run_tool env -u SK_BROKERS sk-map '[.,$key]' "$@" "kafka:$topic?until=end"
	assert_success
	assert_silent
	assert_equal "$(sort <<<"$output" | tr '\n' ' ')" '[1,"1"] [2,"2"] [3,"3"] '
}

@test "TLS: the authority, and a client's certificate" {
	there_and_back -b "$(<"$BROKER_DIR/brokers.tls")" -X security.protocol=ssl \
		-X "ssl.ca.location=$BROKER_DIR/ca.pem"
	there_and_back -b "$(<"$BROKER_DIR/brokers.tls")" -X security.protocol=ssl \
		-X "ssl.ca.location=$BROKER_DIR/ca.pem" \
		-X "ssl.key.location=$BROKER_DIR/client.key" \
		-X "ssl.certificate.location=$BROKER_DIR/client.pem"
	cat >tls.conf <<-END
		security.protocol=ssl
		ssl.ca.location=$BROKER_DIR/ca.pem
		ssl.keystore.location=$BROKER_DIR/client.p12
		ssl.keystore.password=client-secret
	END
	# librdkafka 2.0 doesn't free what it reads out of such a store.
	[ -z "${SK_SAN:-}" ] || export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0"
	there_and_back -b "$(<"$BROKER_DIR/brokers.tls")" -F tls.conf
}

@test "TLS with an authority that isn't known is refused, in and out" {
	fresh_topic 1
	tls=(-b "$(<"$BROKER_DIR/brokers.tls")" -X security.protocol=ssl)
	run_tool sk-cat "${tls[@]}" -o "kafka:$topic" <<<1
	assert_status 69
	assert_says ssl.ca.location
	run_tool sk-cat "${tls[@]}" "kafka:$topic?until=end"
	assert_status 69
	assert_says ssl.ca.location
	run_tool sk-kafka "${tls[@]}" topics
	assert_status 69
	assert_equal "$(admin dump "$topic" | wc -l)" 0
}

@test "SASL PLAIN, in kcat's form, in Java's, and with the password in the environment" {
	plain_conf plain.conf
	there_and_back -F plain.conf
	java_properties java.properties PLAIN $PLAIN
	there_and_back -F java.properties
	sed '/password/d' plain.conf >open.conf
	SK_SASL_PASSWORD=alice-secret there_and_back -F open.conf
}

@test "SASL SCRAM works, or the message says what to do" {
	for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
		fresh_topic 1
		java_properties scram.properties $mechanism $SCRAM
		run_tool env -u SK_BROKERS sk-cat -F scram.properties -o "kafka:$topic" <<<1
		if [[ $status == 0 ]]; then
			there_and_back -F scram.properties
		else
			assert_status 77
			assert_says 'cannot do SCRAM with Kafka 4 (2.6.1 can)'
		fi
	done
}

@test "a wrong password is refused, and not repeated" {
	fresh_topic 1
	plain_conf wrong.conf sesame-wide-open
	for command in "sk-cat kafka:$topic?until=end" "sk-cat -o kafka:$topic" "sk-kafka topics"; do
		run_tool env -u SK_BROKERS $command -F wrong.conf <<<1
		assert_status 77
		[[ $stderr != *sesame* ]]
		assert_says uthentication
	done
}

@test "a secret is no argument" {
	for name in sasl.password ssl.key.password ssl.keystore.password ssl.key.pem; do
		run_tool sk-cat -X $name=sesame -o kafka:any <<<1
		assert_status 64
		[[ $stderr != *sesame* ]]
		assert_says "\$SK_$(tr a-z. A-Z_ <<<$name)"
	done
	run_tool sk-cat -X sasl.jaas.config=sesame -o kafka:any <<<1
	assert_status 64
	assert_says 'put it into a file for -F'
	[[ $stderr != *sesame* ]]
}

@test "what runs code comes from a file that nobody else may write" {
	run_tool sk-cat -X plugin.library.paths=./x.so -o kafka:any <<<1
	assert_status 64
	assert_says 'taken only from a file'
	[[ $(id -u) != 0 ]] || chown 0 .
	for name in plugin.library.paths ssl.engine.location sasl.kerberos.kinit.cmd; do
		echo "$name=./missing" >evil.conf
		for mode in 0666 0620 0602; do
			chmod $mode evil.conf
			run_tool sk-cat -F evil.conf -o kafka:any <<<1
			assert_status 78
			assert_says 'others may write this file'
			assert_says 'chmod go-w evil.conf'
		done
		mkfifo fifo
		(echo "$name=./missing" >fifo) &
		run_tool sk-cat -F fifo -o kafka:any <<<1
		assert_status 78
		wait
		rm fifo
	done
	# The user's own file is believed, and librdkafka asked.
	echo plugin.library.paths=./missing >own.conf
	chmod 0600 own.conf
	run_tool sk-cat -F own.conf -o kafka:any <<<1
	[[ $status != 0 ]]
	assert_says missing
}

@test "what an ACL refuses is told, and nothing is lost in silence" {
	plain_conf alice.conf
	fresh_topic 1
	mine=$topic
	fresh_topic 1
	admin acl "$topic" User:somebody
	run_tool env -u SK_BROKERS sk-cat -F alice.conf -o "kafka:$topic" <<<1
	assert_status 77
	assert_says "$topic"
	assert_says uthoriz
	run_tool env -u SK_BROKERS sk-cat -F alice.conf "kafka:$topic?until=end"
	assert_status 77
	assert_says "$topic"
	assert_equal "$(admin dump "$topic" | wc -l)" 0
	# Among topics that data choose, only what is for the refused one is bad.
	printf '%s\n' "{\"t\":\"$mine\"}" "{\"t\":\"$topic\"}" "{\"t\":\"$mine\"}" >in
	run_tool env -u SK_BROKERS sk-cat -F alice.conf in -o 'kafka:{.t}' --allow 't-*' \
		--dead-letter dead.ndjson
	assert_status 1
	assert_equal "$(admin dump "$mine" | wc -l)" 2
	run sk-map .origin.line dead.ndjson
	assert_output 2
	run_tool env -u SK_BROKERS sk-cat -F alice.conf in -o 'kafka:{.t}' --allow 't-*'
	assert_status 77
}
