#!/usr/bin/env python3
"""peer.py JOB FILE: a job of the bench as one writes it in Python."""
import json
import sys


def part(event):
    if event["type"] == "order-created":
        return {"id": event["orderId"], "userId": event["userId"]}
    if event["type"] == "payment-processed":
        return {"paymentId": event["paymentId"]}
    return {"inventoryReserved": True}


def main():
    job, path = sys.argv[1:]
    out = sys.stdout
    wholes = {}
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
            elif job == "aggregate":
                whole = wholes.setdefault(event["orderId"], {})
                whole.update(part(event))
                if {"id", "paymentId", "inventoryReserved"} <= whole.keys():
                    out.write(json.dumps(whole, separators=(",", ":")) + "\n")
                    del wholes[event["orderId"]]
            else:
                out.write(json.dumps({"orderId": event["orderId"],
                                      "amount": event.get("amount"),
                                      "day": event["ts"][:10]},
                                     separators=(",", ":")) + "\n")


main()
