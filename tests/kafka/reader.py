"""What is in a topic and in a group, as a stranger sees it: kcat reads the records, and a few
requests, made here by hand, ask for the rest. Shares nothing with streamkit."""
import json
import os
import socket
import struct
import subprocess
import time

COMMITTED, UNCOMMITTED = 1, 0
END = -1


class Wrong(Exception):
    """What was promised is not so."""


def records(brokers, topic, isolation="read_committed"):
    """Every record: (partition, offset, key, value), partition by partition."""
    out = subprocess.run(
        ["kcat", "-b", brokers, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f",
         "%p\t%o\t%k\t%s\n", "-X", "isolation.level=" + isolation, "-X",
         "fetch.wait.max.ms=20"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    if out.returncode:
        raise Wrong("kcat %s: %s" % (topic, out.stderr.decode()[-200:]))
    rows = []
    for line in out.stdout.decode().splitlines():
        partition, offset, key, value = line.split("\t", 3)
        rows.append((int(partition), int(offset), key, value))
    rows.sort(key=lambda r: r[:2])
    return rows


def text(s):
    b = s.encode()
    return struct.pack(">h", len(b)) + b


class Answer:
    """Reads an answer field by field."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, form):
        form = ">" + form
        got = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return got[0] if len(got) == 1 else got

    def text(self):
        n = self.take("h")
        if n < 0:
            return None
        s = self.data[self.at:self.at + n]
        self.at += n
        return s.decode()

    def list(self, item):
        return [item() for _ in range(max(0, self.take("i")))]


class Cluster:
    """Asks brokers; each answer is of now. A broker that is away is asked again for a while."""

    def __init__(self, brokers, patience_s=60):
        self.brokers = brokers
        self.first = [(b.rsplit(":", 1)[0], int(b.rsplit(":", 1)[1]))
                      for b in brokers.split(",")]
        self.patience_s = patience_s
        self.open = {}

    def ask_once(self, address, api, version, body):
        if address not in self.open:
            self.open[address] = socket.create_connection(address, timeout=5)
        s = self.open[address]
        try:
            head = struct.pack(">hhi", api, version, 7) + text("stranger")
            s.sendall(struct.pack(">i", len(head + body)) + head + body)
            data = b""
            while len(data) < 4 or len(data) < 4 + struct.unpack(">i", data[:4])[0]:
                more = s.recv(65536)
                if not more:
                    raise OSError("the broker hung up")
                data += more
        except OSError:
            self.open.pop(address).close()
            raise
        return Answer(data[8:])

    def patiently(self, what, ask):
        until = time.monotonic() + self.patience_s
        while True:
            try:
                got = ask()
                if got is not None:
                    return got
                why = "no answer that counts"
            except OSError as e:
                why = str(e)
            if time.monotonic() > until:
                raise Wrong("%s: %s" % (what, why))
            time.sleep(0.1)

    def any(self, api, version, body):
        why = None
        for address in self.first:
            try:
                return self.ask_once(address, api, version, body)
            except OSError as e:
                why = e
        raise why

    def leaders(self, topic):
        """Partition -> the address of its leader; None while one has none."""
        a = self.any(3, 1, struct.pack(">i", 1) + text(topic))
        nodes = {}

        def node():
            number = a.take("i")
            nodes[number] = (a.text(), a.take("i"))
            a.text()
        a.list(node)
        a.take("i")
        found = {}

        def partition():
            error, number, leader = a.take("hii")
            a.list(lambda: a.take("i"))
            a.list(lambda: a.take("i"))
            found[number] = nodes.get(leader) if error in (0, 9) else None

        def one():
            a.take("h")
            a.text()
            a.take("b")
            a.list(partition)
        a.list(one)
        return found if found and all(found.values()) else None

    def ends(self, topic, isolation):
        """Partition -> where a reader of this isolation comes to its end."""
        def ask():
            leaders = self.leaders(topic)
            if leaders is None:
                return None
            found = {}
            for number, address in leaders.items():
                a = self.ask_once(address, 2, 2, struct.pack(">ibi", -1, isolation, 1) +
                                  text(topic) + struct.pack(">iiq", 1, number, END))
                a.take("i")
                a.take("i")
                a.text()
                a.take("i")
                at, error, _, offset = a.take("ihqq")
                if error:
                    return None
                found[at] = offset
            return found
        return self.patiently("ends of " + topic, ask)

    def count(self, topic):
        """What a reader of committed records has passed at its end; markers count."""
        return sum(self.ends(topic, COMMITTED).values())

    def open_transactions(self, topic):
        """The partitions in which a transaction stands open."""
        return [p for p, end in self.ends(topic, UNCOMMITTED).items()
                if self.ends(topic, COMMITTED)[p] < end]

    def committed(self, group, topic):
        """Partition -> (offset, note) that the group has committed; -1: nothing."""
        def ask():
            leaders = self.leaders(topic)
            a = self.any(10, 1, text(group) + b"\0")
            a.take("i")
            error = a.take("h")
            a.text()
            a.take("i")
            address = (a.text(), a.take("i"))
            if error or leaders is None:
                return None
            a = self.ask_once(address, 9, 5, text(group) + struct.pack(">i", 1) + text(topic) +
                              struct.pack(">i%di" % len(leaders), len(leaders), *leaders))
            found = {}

            def partition():
                number, offset, _ = a.take("iqi")
                note = a.text()
                found[number] = None if a.take("h") else (offset, note)

            def one():
                a.text()
                a.list(partition)
            a.take("i")
            a.list(one)
            return found if not a.take("h") and None not in found.values() else None
        return self.patiently("offsets of " + group, ask)


def settled(cluster, topics, seconds=60):
    """No transaction stands open: neither in these topics nor for any group."""
    until = time.monotonic() + seconds
    for topic in list(topics) + ["__consumer_offsets"]:
        while True:
            left = cluster.open_transactions(topic)
            if not left:
                break
            if time.monotonic() > until:
                raise Wrong("a transaction stands open in %s: partitions %s" % (topic, left))
            time.sleep(0.05)


def at_end(cluster, group, topic):
    """The group has committed all of a topic, and nothing but that."""
    ends = cluster.ends(topic, COMMITTED)
    got = {p: at for p, (at, _) in cluster.committed(group, topic).items()}
    for p, end in ends.items():
        if got[p] != end and not (got[p] == -1 and end == 0):
            raise Wrong("group %s, %s: committed %s, the ends are %s" % (group, topic, got, ends))


def once(what, got, wanted):
    """Two collections of strings hold the same ones, as often."""
    seen, twice, foreign = set(), [], []
    wanted = set(wanted)
    for g in got:
        if g in seen:
            twice.append(g)
        elif g not in wanted:
            foreign.append(g)
        seen.add(g)
    missing = wanted - seen
    if twice or foreign or missing:
        raise Wrong("%s: %d twice %s, %d missing %s, %d that nobody expects %s" % (
            what, len(twice), twice[:2], len(missing), sorted(missing)[:2], len(foreign),
            foreign[:2]))


def in_order(what, rows, lane, number):
    """In each partition what came from one lane has rising numbers."""
    last = {}
    for partition, offset, key, value in rows:
        at = (partition, lane(key, value))
        n = number(key, value)
        if n < last.get(at, n):
            raise Wrong("%s[%d]@%d: number %s after %s" % (what, partition, offset, n, last[at]))
        last[at] = n
