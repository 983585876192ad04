#!/usr/bin/env python3
"""peer.py JOB FILE: a job of the bench as one writes it in Python."""
import json
import sys


def main():
    job, path = sys.argv[1:]
    out = sys.stdout
    with open(path, encoding="utf-8", newline="\n") as lines:
        for line in lines:
            event = json.loads(line)
            if job == "filter":
                if event["type"] == "payment-processed":
                    out.write(line)
            elif job == "split":
                for item in event.get("items", ()):
                    item["orderId"] = event["orderId"]
                    out.write(json.dumps(item, separators=(",", ":")) + "\n")
            else:
                out.write(json.dumps({"orderId": event["orderId"],
                                      "amount": event.get("amount"),
                                      "day": event["ts"][:10]},
                                     separators=(",", ":")) + "\n")


main()
