import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.state.WindowStore;

/**
 * Windows BROKERS RECORDS FIELD STATE FROM TO [FROM TO]...: counts by FIELD and minute of .ts,
 * exactly once, from each topic FROM into TO, one after the other in this JVM. Each ends when
 * RECORDS have been counted or dropped, and what came of them is committed. Prints a line
 * each: nanoseconds and nanoseconds of CPU from the first record on, records dropped as late.
 */
public class Windows {
	private static final ObjectMapper MAPPER = new ObjectMapper();
	private static final byte[] NOTHING = {0};

	private static JsonNode parse(String topic, byte[] bytes) {
		try {
			return MAPPER.readTree(bytes);
		} catch (java.io.IOException e) {
			throw new RuntimeException(e);
		}
	}

	private static long dropped(KafkaStreams streams) {
		return streams.metrics().values().stream()
			.filter(m -> m.metricName().name().equals("dropped-records-total"))
			.mapToLong(m -> ((Number)m.metricValue()).longValue()).sum();
	}

	private static void run(String brokers, long records, String field, String state,
		String from, String to) throws Exception {
		OperatingSystemMXBean os =
			(OperatingSystemMXBean)ManagementFactory.getOperatingSystemMXBean();
		AtomicLong first = new AtomicLong(), cpu = new AtomicLong(), counted = new AtomicLong();
		Properties p = new Properties();
		p.put("application.id", "bench-" + to);
		p.put("bootstrap.servers", brokers);
		p.put("processing.guarantee", "exactly_once_v2");
		p.put("num.stream.threads", "1");
		p.put("commit.interval.ms", "5000");
		// Its 10 s are not enough on a machine that is busy.
		p.put("producer.transaction.timeout.ms", "60000");
		p.put("auto.offset.reset", "earliest");
		p.put("producer.compression.type", "zstd");
		p.put("state.dir", state);
		Serde<JsonNode> json = Serdes.serdeFrom((topic, node) -> {
			throw new UnsupportedOperationException();
		}, Windows::parse);
		TimestampExtractor time = (ConsumerRecord<Object, Object> r, long now) -> {
			if (first.compareAndSet(0, System.nanoTime()))
				cpu.set(os.getProcessCpuTime());
			return Instant.parse(((JsonNode)r.value()).get("ts").textValue()).toEpochMilli();
		};
		StreamsBuilder b = new StreamsBuilder();
		// Only what is counted goes through the repartition topic.
		b.stream(from, Consumed.with(Serdes.ByteArray(), json).withTimestampExtractor(time))
			.map((k, v) -> KeyValue.pair(v.get(field).textValue(), NOTHING))
			.groupByKey(Grouped.with(Serdes.String(), Serdes.ByteArray()))
			.windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1),
				Duration.ofSeconds(10)))
			.aggregate(() -> 0L, (k, v, n) -> {
				counted.incrementAndGet();
				return n + 1;
			}, Materialized.<String, Long, WindowStore<Bytes, byte[]>>with(Serdes.String(),
				Serdes.Long()).withRetention(Duration.ofDays(1)))
			.toStream()
			.map((w, n) -> KeyValue.pair(w.key(), ("{\"start\":\"" +
				w.window().startTime() + "\",\"end\":\"" + w.window().endTime() +
				"\",\"key\":\"" + w.key() + "\",\"n\":" + n + "}")
				.getBytes(StandardCharsets.UTF_8)))
			.to(to, Produced.with(Serdes.String(), Serdes.ByteArray()));
		KafkaStreams streams = new KafkaStreams(b.build(), p);
		streams.start();
		long late = 0;
		while (counted.get() + late < records) {
			if (streams.state() == KafkaStreams.State.ERROR)
				throw new RuntimeException("Kafka Streams has failed");
			Thread.sleep(5);
			late = dropped(streams);
		}
		streams.close();
		System.out.println((System.nanoTime() - first.get()) + " " +
			(os.getProcessCpuTime() - cpu.get()) + " " + late);
	}

	public static void main(String[] a) throws Exception {
		for (int i = 4; i + 1 < a.length; i += 2)
			run(a[0], Long.parseLong(a[1]), a[2], a[3], a[i], a[i + 1]);
	}
}
