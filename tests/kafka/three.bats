#!/usr/bin/env bats
# Three nodes with every listener: one of them may be killed.

load helper
BROKER_OPTIONS=(--nodes 3 --listeners plain,tls,sasl,sasltls)

@test "each listener lets in who proves to be a client" {
	fresh_topic 3 3
	printf '1\n2\n' | admin lines "$topic"
	tls=(-X "ssl.ca.location=$BROKER_DIR/ca.pem")
	alice=(-X sasl.mechanism=PLAIN -X sasl.username=alice -X sasl.password=alice-secret)
	admin -b "$(<"$BROKER_DIR/brokers.tls")" -X security.protocol=ssl "${tls[@]}" \
		-X "ssl.key.location=$BROKER_DIR/client.key" \
		-X "ssl.certificate.location=$BROKER_DIR/client.pem" dump "$topic" >tls
	admin -b "$(<"$BROKER_DIR/brokers.sasl")" -X security.protocol=sasl_plaintext \
		"${alice[@]}" dump "$topic" >sasl
	admin -b "$(<"$BROKER_DIR/brokers.sasltls")" -X security.protocol=sasl_ssl "${tls[@]}" \
		"${alice[@]}" dump "$topic" >sasltls
	admin dump "$topic" >plain
	[[ $(wc -l <plain) == 2 ]]
	cmp plain tls && cmp plain sasl && cmp plain sasltls
}

@test "what was acknowledged outlives the node that took it" {
	fresh_topic 3 3
	seq 100 | admin lines "$topic"
	"$BROKER" halt "$BROKER_DIR" 2 KILL
	[[ ! -e $BROKER_DIR/pid.2 ]]
	[[ $(admin dump "$topic" | wc -l) == 100 ]]
	seq 100 | admin lines "$topic"
	"$BROKER" resume "$BROKER_DIR" 2
	[[ $(admin dump "$topic" | wc -l) == 200 ]]
}
