import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;

/**
 * Filter BROKERS FROM TO RECORDS THREADS: keeps the records of type payment-processed, ends
 * when RECORDS have been read and what came of them is sent, and prints the nanoseconds from
 * the first record on.
 */
public class Filter {
	public static void main(String[] a) throws Exception {
		long records = Long.parseLong(a[3]);
		ObjectMapper mapper = new ObjectMapper();
		AtomicLong first = new AtomicLong(), seen = new AtomicLong();
		CountDownLatch done = new CountDownLatch(1);
		Properties p = new Properties();
		p.put("application.id", "bench-" + a[2]);
		p.put("bootstrap.servers", a[0]);
		p.put("num.stream.threads", a[4]);
		p.put("auto.offset.reset", "earliest");
		p.put("producer.compression.type", "zstd");
		p.put("state.dir", System.getProperty("java.io.tmpdir"));
		p.put("default.key.serde", Serdes.ByteArraySerde.class);
		p.put("default.value.serde", Serdes.ByteArraySerde.class);
		StreamsBuilder b = new StreamsBuilder();
		b.<byte[], byte[]>stream(a[1]).filter((k, v) -> {
			first.compareAndSet(0, System.nanoTime());
			JsonNode type;
			try {
				type = mapper.readTree(v).get("type");
			} catch (java.io.IOException e) {
				throw new RuntimeException(e);
			}
			if (seen.incrementAndGet() == records)
				done.countDown();
			return type != null && type.asText().equals("payment-processed");
		}).to(a[2]);
		KafkaStreams streams = new KafkaStreams(b.build(), p);
		streams.start();
		done.await();
		streams.close();
		System.out.println(System.nanoTime() - first.get());
	}
}
