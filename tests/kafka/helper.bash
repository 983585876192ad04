# What every .bats that needs a broker begins with: the assertions of the tools' tests, and a
# broker that is there.
#
#	load helper
#
#	@test "a titled sentence" {
#		fresh_topic 4
#		admin produce "$topic" <<<'{"key":"a","value":"1"}'
#		run_tool sk-cat "kafka:$topic?until=end"
#		assert_output 1
#	}
#
# The broker is $SK_TEST_BROKERS; else that of the whole run, in $SK_KAFKA_DIR, which the
# first file that needs it starts and the runner, process $SK_KAFKA_FOR, stops; else one of this file's own. A file
# that wants another kind of broker sets BROKER_OPTIONS=(--nodes 3 ...) after load: it gets
# its own. Without java, mvn or the network its tests are skipped; with CI=true they fail.
load ../cmd/helper

BROKER=$ROOT/tests/kafka/broker
BROKER_OPTIONS=()
ADMIN=$SK_BUILD/kafka/admin
# Every test loads this file anew, which forgets what setup_file found.
[[ -z ${BROKER_AT-} ]] || export SK_BROKERS=$BROKER_AT

setup_file() {
	broker_up
}

# Skipping in setup_file would count as its failure.
setup() {
	[[ -z ${BROKER_SKIP-} ]] || skip "$BROKER_SKIP"
	cd "$BATS_TEST_TMPDIR"
}

teardown_file() {
	broker_down
}

# Exports BROKER_AT, which becomes SK_BROKERS, and BROKER_DIR (empty where the broker is
# not ours).
broker_up() {
	local status=0 guard=()
	export BROKER_DIR= BROKER_OWN= BROKER_SKIP=
	export SK_BUILD BROKER_AT
	if ((${#BROKER_OPTIONS[@]} == 0)) && [[ -n ${SK_TEST_BROKERS-} ]]; then
		BROKER_AT=$SK_TEST_BROKERS
		return
	fi
	if ((${#BROKER_OPTIONS[@]})) || [[ -z ${SK_KAFKA_DIR-} ]]; then
		BROKER_DIR=$BATS_FILE_TMPDIR/kafka BROKER_OWN=1 guard=(--for $PPID)
	else
		BROKER_DIR=$SK_KAFKA_DIR
		[[ -z ${SK_KAFKA_FOR-} ]] || guard=(--for "$SK_KAFKA_FOR")
	fi
	"$BROKER" start "$BROKER_DIR" "${guard[@]}" "${BROKER_OPTIONS[@]}" \
		2>"$BATS_FILE_TMPDIR/broker.said" || status=$?
	if ((status == 77)) && [[ ${CI-} != true ]]; then
		BROKER_SKIP=$(tr '\n' ' ' <"$BATS_FILE_TMPDIR/broker.said")
		return
	fi
	if ((status)); then
		cat "$BATS_FILE_TMPDIR/broker.said" >&2
		return 1
	fi
	BROKER_AT=$(<"$BROKER_DIR/brokers")
}

broker_down() {
	[[ -z ${BROKER_OWN-} || -n ${BROKER_SKIP-} ]] || "$BROKER" stop "$BROKER_DIR"
}

admin() {
	"$ADMIN" "$@"
}

# topic_create NAME PARTITIONS [REPLICATION] [name=value]...
topic_create() {
	admin create "$@"
}

topic_delete() {
	admin delete "$@"
}

# Make a topic that no other test has, and set topic to its name:
# fresh_topic PARTITIONS [REPLICATION] [name=value]...
fresh_topic() {
	topic=t-$$-$BATS_TEST_NUMBER-$RANDOM$RANDOM
	topic_create "$topic" "$@"
}
