#!/usr/bin/env bats
# SCRAM. librdkafka before 2.6.1 repeats its nonce, which Kafka 3.9 lets pass and Kafka 4
# refuses: so this is tried on a 3.9, and what is said on a 4.

load helper
BROKER_OPTIONS=(--version 3.9.1 --listeners plain,sasl)
PUMP=$SK_BUILD/kafka/pump

conf() {
	cat >"$1" <<-END
		security.protocol=sasl_plaintext
		sasl.mechanism=$1
		sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="alice" password="$2";
	END
}

@test "both kinds of SCRAM let alice in, and nobody with another password" {
	fresh_topic 1
	admin lines "$topic" <<<1
	for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
		conf $mechanism alice-secret
		run --separate-stderr "$PUMP" -b "$(<"$BROKER_DIR/brokers.sasl")" -F $mechanism \
			consume "$topic" until=end
		assert_success
		assert_output '0 0 null 1'
		conf $mechanism wrong
		run_tool "$PUMP" -b "$(<"$BROKER_DIR/brokers.sasl")" -F $mechanism consume "$topic"
		assert_status 77
		assert_says $mechanism
		[[ $stderr != *wrong* ]]
	done
}

@test "on Kafka 4 it works, or the message says what to do" {
	"$BROKER" start four --listeners plain,sasl
	admin -b "$(<four/brokers)" create t 1
	conf SCRAM-SHA-256 alice-secret
	run_tool "$PUMP" -b "$(<four/brokers.sasl)" -F SCRAM-SHA-256 consume t until=end
	"$BROKER" stop four
	[[ $status == 0 ]] || assert_says 'cannot do SCRAM with Kafka 4 (2.6.1 can)'
}
