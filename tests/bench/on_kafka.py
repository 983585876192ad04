"""What the benches on a broker share: the broker, its topics, the clock, the tables."""
import contextlib
import glob
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
O = os.path.join(ROOT, os.environ.get("O", "build"))
BIN = os.path.join(O, "bin")
DIR = os.path.join(O, "bench")
BROKER = os.path.join(ROOT, "tests/kafka/broker")
ADMIN = os.path.join(O, "kafka/admin")
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
                     "streamkit")


def die(status, text):
    print("bench: " + text, file=sys.stderr)
    sys.exit(status)


def shell(text, *args):
    """A pipe, of which every part must succeed."""
    return ["bash", "-c", "set -o pipefail; " + text, "bench", *args]


# ---- the broker, and what it holds -------------------------------------------------------

@contextlib.contextmanager
def broker(o):
    """With a broker of its own: its address is o.brokers."""
    with tempfile.TemporaryDirectory(prefix="kafka-", dir=DIR) as dir:
        started = subprocess.run([BROKER, "start", dir, "--for", str(os.getpid())],
                                 env=dict(os.environ, SK_BUILD=O))
        if started.returncode:
            die(69, "the broker does not start")
        try:
            with open(os.path.join(dir, "brokers")) as f:
                o.brokers = f.read().strip()
            yield dir
        finally:
            subprocess.run([BROKER, "stop", dir])


def fill(o, topic):
    """The events into a new topic of four partitions."""
    admin(o, "create", topic, "4")
    timed([os.path.join(BIN, "sk-cat"), "-b", o.brokers, o.events, "-o",
           f"kafka:{topic}?key=.orderId"])


def admin(o, *args):
    p = subprocess.run([ADMIN, "-b", o.brokers, *args], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True)
    if p.returncode:
        die(1, "admin %s: %s" % (" ".join(args), p.stderr.strip()))
    return p.stdout


def stored(o, topic):
    return sum(int(line.split()[2]) - int(line.split()[1])
               for line in admin(o, "ends", topic).splitlines())


# ---- running -------------------------------------------------------------------------

def timed(argv, says=False):
    """Wall s, CPU s, peak KiB of the largest process, what it wrote if that is asked for."""
    read_fd, write_fd = os.pipe()
    with tempfile.NamedTemporaryFile(dir=DIR) as out:
        p = subprocess.Popen(
            [os.path.join(DIR, "timed"), "-f", str(write_fd), "-o",
             out.name if says else "/dev/null", "--", *argv],
            pass_fds=[write_fd], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        os.close(write_fd)
        said = p.stderr.read().decode(errors="replace")
        with os.fdopen(read_fd) as f:
            rows = [[int(n) for n in line.split()] for line in f]
        if p.wait() != 0 or not rows or rows[0][3]:
            die(1, "failed: %s\n%s" % (" ".join(argv), said.strip()))
        wrote = out.read(1000).decode()
    return rows[0][0] / 1e9, rows[0][1] / 1e6, rows[0][2], wrote


def need(packages, *programs):
    for program in programs:
        if not shutil.which(program):
            die(69, f"there is no {program} here (Debian: {packages})")


def build(o, *programs):
    """Those programs of this folder, the Kafka Streams applications, and the jars."""
    os.makedirs(DIR, exist_ok=True)
    for name in programs:
        subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-D_POSIX_C_SOURCE=200809L",
                        "-O2", "-o", os.path.join(DIR, name), os.path.join(HERE, name + ".c"),
                        "-lrdkafka"], check=True)
    with open(os.path.join(ROOT, "tests/kafka/pom.xml")) as f:
        o.version = re.search(r"<kafka.version>(.*)</", f.read())[1]
    o.libs = os.path.join(CACHE, "kafka-" + o.version, "libs")
    cache = os.path.join(CACHE, "streams-" + o.version)
    o.streams = os.path.join(cache, "libs")
    if not os.path.isdir(o.streams):
        part = o.streams + ".part"
        shutil.rmtree(part, ignore_errors=True)
        os.makedirs(cache, exist_ok=True)
        subprocess.run(["mvn", "-q", "-B", "-f", os.path.join(HERE, "streams/pom.xml"),
                        "dependency:copy-dependencies", "-Dkafka.version=" + o.version,
                        "-DoutputDirectory=" + part, "-DincludeScope=runtime"], check=True)
        os.rename(part, o.streams)
    subprocess.run(["javac", "-cp", os.path.join(o.streams, "*"), "-d",
                    os.path.join(DIR, "streams"),
                    *sorted(glob.glob(os.path.join(HERE, "streams/*.java")))], check=True)


def write_events(o, name):
    o.events = os.path.join(DIR, name)
    with open(o.events, "wb") as f:
        subprocess.run([os.path.join(O, "examples/generate"), "--events", str(o.records)],
                       stdout=f, check=True)


# ---- the report ------------------------------------------------------------------------

def table(head, rows):
    head, *rows = [[c.replace("|", "\\|") for c in r] for r in [head, *rows]]
    wide = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
    line = lambda r: "| " + " | ".join(
        c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, wide))) + " |"
    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":"
                          for i, w in enumerate(wide)) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def machine():
    cpu = "?"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo") as f:
        kib = int(f.readline().split()[1])
    return "%s, %d cores, %.0f GiB, Linux %s" % (
        cpu, os.cpu_count(), kib / 2**20, platform.release().split("-")[0])


def versions(o):
    said = subprocess.run(["kcat", "-V"], stdout=subprocess.PIPE, text=True).stdout
    kcat = re.search(r"Version (\S+)", said)
    rdkafka = re.search(r"librdkafka (\S+)", said)
    java = subprocess.run(["java", "-version"], stderr=subprocess.PIPE, text=True).stderr
    return "Apache Kafka %s, librdkafka %s, kcat %s, Java %s" % (
        o.version, rdkafka[1] if rdkafka else "?", kcat[1] if kcat else "?",
        re.search(r'"(.*?)"', java)[1])
