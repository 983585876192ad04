/*
 * simdjson-peer dom|ondemand filter|reshape|split|cat FILE
 *
 * What a program written by hand on simdjson does with the jobs of the bench, a line a
 * document, in blocks that are read and written as large as suits it:
 *
 *	filter   writes the lines whose .type is "payment-processed", as they are
 *	split    writes each element of .items with .orderId added at the end
 *	reshape  writes {orderId, amount, day: .ts[0:10]}
 *	cat      parses each line and writes it as it is
 *
 * dom parses and validates the whole line. ondemand finds the structure of the line and
 * looks only at what it needs: it validates UTF-8, but not the grammar of what it passes
 * over; it can do filter alone. A line that does not parse ends the program.
 */
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <simdjson.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

constexpr size_t block_bytes = 1 << 20;

[[noreturn]] void die(const char *what, const char *why)
{
	std::fprintf(stderr, "simdjson-peer: %s: %s\n", what, why);
	std::exit(1);
}

/* stdout, in blocks. */
class Out {
	std::vector<char> buf = std::vector<char>(block_bytes);
	size_t used = 0;

public:
	void flush()
	{
		for (size_t done = 0; done < used;) {
			ssize_t n = write(1, buf.data() + done, used - done);
			if (n < 0 && errno != EINTR)
				die("stdout", std::strerror(errno));
			if (n > 0)
				done += static_cast<size_t>(n);
		}
		used = 0;
	}

	void put(const char *p, size_t n)
	{
		if (n > buf.size() - used) {
			flush();
			if (n > buf.size())
				buf.resize(n);
		}
		std::memcpy(buf.data() + used, p, n);
		used += n;
	}

	void put(std::string_view s) { put(s.data(), s.size()); }
};

/* The lines of a file, each followed in memory by the padding that simdjson wants. */
class Lines {
	int fd;
	std::vector<char> buf = std::vector<char>(2 * block_bytes + simdjson::SIMDJSON_PADDING);
	size_t at = 0, end = 0;
	bool over = false;

	void fill()
	{
		std::memmove(buf.data(), buf.data() + at, end - at);
		end -= at;
		at = 0;
		if (buf.size() - end < block_bytes + simdjson::SIMDJSON_PADDING)
			buf.resize(buf.size() * 2);
		ssize_t n = read(fd, buf.data() + end, block_bytes);
		if (n < 0 && errno != EINTR)
			die("input", std::strerror(errno));
		if (n > 0)
			end += static_cast<size_t>(n);
		over = n == 0;
	}

public:
	explicit Lines(const char *path) : fd(open(path, O_RDONLY))
	{
		if (fd < 0)
			die(path, std::strerror(errno));
	}

	/* The next line without its line feed; what follows it stays readable. */
	bool next(const char *&p, size_t &n)
	{
		for (;;) {
			const void *lf = std::memchr(buf.data() + at, '\n', end - at);
			if (!lf && !over) {
				fill();
				continue;
			}
			if (at == end)
				return false;
			p = buf.data() + at;
			n = lf ? static_cast<size_t>(static_cast<const char *>(lf) - p)
			       : end - at;
			at += n + (lf ? 1 : 0);
			return true;
		}
	}

	/* Bytes from p on that may be read. */
	size_t readable(const char *p) const
	{
		return static_cast<size_t>(buf.data() + buf.size() - p);
	}
};

void dom(const std::string &job, Lines &in, Out &out)
{
	simdjson::dom::parser parser;
	const char *p;
	size_t n;

	while (in.next(p, n)) {
		simdjson::dom::element doc;
		auto error = parser.parse(p, n, false).get(doc);
		if (error)
			die("line", simdjson::error_message(error));
		if (job == "filter") {
			std::string_view type;
			if (!doc["type"].get(type) && type == "payment-processed") {
				out.put(p, n);
				out.put("\n");
			}
		} else if (job == "cat") {
			out.put(p, n);
			out.put("\n");
		} else if (job == "split") {
			simdjson::dom::array items;
			if (doc["items"].get(items))
				continue;
			std::string id = simdjson::minify(doc["orderId"].value());
			for (auto item : items) {
				std::string s = simdjson::minify(item);
				out.put(s.data(), s.size() - 1);
				out.put(",\"orderId\":");
				out.put(id);
				out.put("}\n");
			}
		} else {
			simdjson::dom::element id, amount;
			std::string_view ts;
			out.put("{\"orderId\":");
			out.put(doc["orderId"].get(id) ? "null" : simdjson::minify(id));
			out.put(",\"amount\":");
			out.put(doc["amount"].get(amount) ? "null" : simdjson::minify(amount));
			out.put(",\"day\":\"");
			if (doc["ts"].get(ts))
				die("line", ".ts is no string");
			out.put(ts.substr(0, 10));
			out.put("\"}\n");
		}
	}
}

void ondemand(Lines &in, Out &out)
{
	simdjson::ondemand::parser parser;
	const char *p;
	size_t n;

	while (in.next(p, n)) {
		simdjson::ondemand::document doc;
		simdjson::padded_string_view line(p, n, in.readable(p));
		auto error = parser.iterate(line).get(doc);
		if (error)
			die("line", simdjson::error_message(error));
		std::string_view type;
		if (!doc["type"].get(type) && type == "payment-processed") {
			out.put(p, n);
			out.put("\n");
		}
	}
}

} // namespace

int main(int argc, char **argv)
{
	if (argc == 2 && !std::strcmp(argv[1], "--version")) {
		std::printf("simdjson %d.%d.%d, kernel %s, on-demand %s\n",
		            simdjson::SIMDJSON_VERSION_MAJOR, simdjson::SIMDJSON_VERSION_MINOR,
		            simdjson::SIMDJSON_VERSION_REVISION,
		            simdjson::get_active_implementation()->name().c_str(),
		            SIMDJSON_STRINGIFY(SIMDJSON_BUILTIN_IMPLEMENTATION));
		return 0;
	}
	if (argc != 4)
		die("usage", "simdjson-peer dom|ondemand filter|reshape|split|cat FILE");
	Lines in(argv[3]);
	Out out;
	if (!std::strcmp(argv[1], "dom"))
		dom(argv[2], in, out);
	else
		ondemand(in, out);
	out.flush();
	return 0;
}
