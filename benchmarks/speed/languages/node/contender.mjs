// The Snowplow tracker for Node.js as a contender: speaks the protocol of benchmarks/speed/protocol.py.
//
// What this tracker cannot do, and what is done about it:
//
// - It has one request under way at a time, and fills it from all that is in its store, up to a limit in
//   bytes. So where a batch size is asked for, that limit is lifted, and no more than two batches are on
//   their way: one in the request, one being made. Otherwise all limits are the tracker's own.
// - Its store drops the oldest events when it holds more than 1,000: the producers wait before that.
// - flush() returns at once when a request is under way, so delivery is known from its callbacks.
// - It wraps entities in version 1-0-0 of the contexts schema.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { setImmediate as turn } from 'node:timers/promises';

import { newTracker } from '@snowplow/node-tracker';

import { WORKLOADS, trackerSubject } from './events.mjs';

const APP_ID = 'speed';
const NAMESPACE = 'bench';

const STORE_CAPACITY = 1000; // the tracker's own
const MAX_POST_BYTES = 1_000_000; // a collector's own limit is 1,048,576 bytes of a request

const POLL_MS = 5; // how long a flush may have been missed
const RETRY_MS = 100;

class Unavailable extends Error {}

// A tracker with these settings and this subject, if any, and what has become of its events.
class Line {
  constructor(collector, settings, subject) {
    this.key = JSON.stringify([collector, settings, subject]);
    this.offered = this.delivered = this.refused = 0;
    this.waiting = [];
    const { batch_size: batchSize, base64 } = settings;
    this.turnAfter = batchSize ?? STORE_CAPACITY;
    this.maxOutstanding = Math.min(2 * this.turnAfter, STORE_CAPACITY);
    this.tracker = newTracker(
      { namespace: NAMESPACE, appId: APP_ID, ...(base64 !== undefined && { encodeBase64: base64 }) },
      {
        endpoint: collector,
        eventMethod: 'post',
        ...(batchSize !== undefined && { bufferSize: batchSize, maxPostBytes: MAX_POST_BYTES }),
        onRequestSuccess: (payloads) => this.answered({ delivered: payloads.length }),
        onRequestFailure: ({ events, willRetry }) => {
          if (!willRetry) this.answered({ refused: events.length });
        },
      }
    );
    if (subject !== undefined) {
      this.tracker.setUserId(subject.userId);
      this.tracker.setIpAddress(subject.ipAddress);
      this.tracker.setUseragent(subject.useragent);
      this.tracker.setLang(subject.lang);
    }
  }

  get outstanding() {
    return this.offered - this.delivered - this.refused;
  }

  answered({ delivered = 0, refused = 0 }) {
    this.delivered += delivered;
    this.refused += refused;
    const waiting = this.waiting;
    this.waiting = [];
    waiting.forEach((wake) => wake());
  }

  // Resolves at the next answer, or to false after so many milliseconds.
  change(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms, false);
      this.waiting.push(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  // Makes and tracks the events of these numbers; false if that takes too long.
  async produce(track, first, end, step, deadline) {
    for (let number = first; number < end; number += step) {
      while (this.outstanding >= this.maxOutstanding) {
        if (performance.now() > deadline) return false;
        if (!(await this.change(RETRY_MS))) await this.tracker.flush(); // nothing else tries again
      }
      track(this.tracker, number);
      this.offered += 1;
      if (this.offered % this.turnAfter === 0) await turn(); // the tracker sends when it gets a turn
    }
    return true;
  }

  // Resolves when every event has been answered; to false if that takes too long.
  async settle(deadline) {
    while (this.outstanding > 0) {
      if (performance.now() > deadline) return false;
      await this.tracker.flush();
      if (this.outstanding > 0) await this.change(POLL_MS);
    }
    return true;
  }
}

let line;

async function round({ workload, first, events, producers = 1, collector, settings, timeout = 120 }) {
  const track = WORKLOADS[workload];
  if (track === undefined) throw new Unavailable(`there is no workload ${workload} here`);
  const wanted = [collector, settings, trackerSubject(workload)];
  if (line?.key !== JSON.stringify(wanted)) line = new Line(...wanted);
  line.offered = line.delivered = line.refused = 0;

  const began = performance.now();
  const cpuBegan = process.cpuUsage();
  const deadline = began + timeout * 1000;
  const end = first + events;
  const produced = await Promise.all(
    Array.from({ length: producers }, (_, k) => line.produce(track, first + k, end, producers, deadline))
  );
  const settled = await line.settle(deadline);
  const cpu = process.cpuUsage(cpuBegan);
  const wallSeconds = (performance.now() - began) / 1000;

  const { offered, refused } = line;
  if (!settled || produced.includes(false)) line = undefined; // what it still holds belongs to no other round
  return {
    wall_seconds: wallSeconds,
    cpu_seconds: (cpu.user + cpu.system) / 1e6,
    offered,
    refused,
    note: 'it wraps entities in version 1-0-0 of the contexts schema',
  };
}

async function hello() {
  const require = createRequire(import.meta.url);
  const manifest = new URL('../package.json', `file://${require.resolve('@snowplow/node-tracker')}`);
  const { name, version } = JSON.parse(readFileSync(manifest, 'utf8'));
  return {
    name,
    version,
    runtime: `Node.js ${process.versions.node}`,
    versions: { undici: process.versions.undici },
  };
}

const COMMANDS = { hello, round };

async function answer(command) {
  const act = COMMANDS[command.do];
  if (act === undefined) return { ok: false, unavailable: `there is no command ${command.do} here` };
  try {
    return { ok: true, ...(await act(command)) };
  } catch (error) {
    const text = String(error.message).replaceAll('\n', ' ');
    return error instanceof Unavailable ? { ok: false, unavailable: text } : { ok: false, error: text };
  }
}

console.log = console.info = console.error; // what a library prints is no reply

for await (const command of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(command)))}\n`);
}
process.exit(0); // the connections that are kept alive would hold it
