#!/usr/bin/env node
// A middleware that puts the name of the release under test on each request, and passes everything else on.
//
// Each line is hexadecimal digits of "TYPE ID TIME DURATION\n" and the message itself.

const readline = require("readline").createInterface({ input: process.stdin });

readline.on("line", (line) => {
  const record = Buffer.from(line, "hex");
  const end = record.indexOf("\n") + 1;
  const header = record.subarray(0, end);
  let message = record.subarray(end);
  if (header.toString().startsWith("1 ")) {
    const first = message.indexOf("\r\n") + 2;
    message = Buffer.concat([
      message.subarray(0, first),
      Buffer.from("X-Release: next\r\n"),
      message.subarray(first),
    ]);
  }
  process.stdout.write(Buffer.concat([header, message]).toString("hex") + "\n");
});
