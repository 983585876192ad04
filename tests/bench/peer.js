// peer.js JOB FILE: a job of the bench as one writes it in Node, in blocks of 1 MiB.
"use strict";
const fs = require("fs");

const [job, path] = process.argv.slice(2);
const fd = fs.openSync(path, "r");
const block = Buffer.alloc(1 << 20);
let rest = Buffer.alloc(0);
let out = "";
const whole = new Map();

function part(event) {
	switch (event.type) {
	case "order-created":
		return {id: event.orderId, userId: event.userId};
	case "payment-processed":
		return {paymentId: event.paymentId};
	default:
		return {inventoryReserved: true};
	}
}

function flush() {
	for (let b = Buffer.from(out); b.length; )
		b = b.subarray(fs.writeSync(1, b));
	out = "";
}

function one(line) {
	const event = JSON.parse(line);
	if (job === "filter") {
		if (event.type === "payment-processed")
			out += line + "\n";
	} else if (job === "split") {
		for (const item of event.items || []) {
			item.orderId = event.orderId;
			out += JSON.stringify(item) + "\n";
		}
	} else if (job === "aggregate") {
		const key = event.orderId;
		const sum = Object.assign(whole.get(key) || {}, part(event));
		if (sum.id && sum.paymentId && sum.inventoryReserved) {
			out += JSON.stringify(sum) + "\n";
			whole.delete(key);
		} else {
			whole.set(key, sum);
		}
	} else {
		const {orderId, amount = null, ts} = event;
		out += JSON.stringify({orderId, amount, day: ts.slice(0, 10)}) + "\n";
	}
}

for (;;) {
	const n = fs.readSync(fd, block);
	const all = n ? Buffer.concat([rest, block.subarray(0, n)]) : rest;
	const end = n ? all.lastIndexOf(10) + 1 : all.length;
	for (const line of all.toString("utf8", 0, end).split("\n"))
		if (line)
			one(line);
	rest = all.subarray(end);
	flush();
	if (!n)
		break;
}
