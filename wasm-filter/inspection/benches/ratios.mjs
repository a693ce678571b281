#!/usr/bin/env node
// What it costs to read a request, natively and in wasm as the filter is built, and
// beside what reads the same text without us.
//
//   node wasm-filter/inspection/benches/ratios.mjs [--native]
//
// Needs Node 20 or newer. It builds `ratios.rs` twice, with the profile `bench` for this
// machine and with the profile `wasm` for wasm32-wasip1, which runs on Node's WASI.

import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = new URL("../../..", import.meta.url).pathname;

if (process.argv.includes("--help")) {
  console.log(readFileSync(new URL(import.meta.url), "utf8").split("\n\n")[0].replace(/^\/\/ ?|^#.*\n/gm, ""));
  process.exit(0);
}

// The executable of the bench target, built.
function build(options) {
  const cargo = ["build", "-p", "chaperone-inspection", "--bench", "ratios", "--message-format=json"];
  const output = execFileSync("cargo", [...cargo, ...options], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const messages = output.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const built = messages.filter((message) => message.executable && message.target.name === "ratios");
  if (built.length !== 1) throw new Error("cargo built no executable");
  return built[0].executable;
}

function rows(text) {
  return text.trim().split("\n").map((line) => {
    const [name, bytes, own, unread, beside, other] = line.split("\t");
    return { name, bytes: Number(bytes), own: Number(own), unread, beside, other: Number(other) };
  });
}

async function wasm(path) {
  process.removeAllListeners("warning");
  const { WASI } = await import("node:wasi");
  const file = join(mkdtempSync(join(tmpdir(), "ratios-")), "out");
  const stdout = openSync(file, "w");
  const wasi = new WASI({ version: "preview1", stdout, args: ["ratios"] });
  const module = await WebAssembly.compile(readFileSync(path));
  const code = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
  closeSync(stdout);
  if (code) throw new Error(`the benchmark ended with ${code}`);
  return rows(readFileSync(file, "utf8"));
}

const time = (ns) => (ns < 1e4 ? `${(ns / 1e3).toFixed(2)} µs` : ns < 1e6 ? `${(ns / 1e3).toFixed(0)} µs` : `${(ns / 1e6).toFixed(2)} ms`);
const ratio = (a, b) => (b ? (a / b).toFixed(2) : "");

const native = rows(execFileSync(build(["--profile", "bench"]), { encoding: "utf8" }));
const inWasm = process.argv.includes("--native")
  ? []
  : await wasm(build(["--profile", "wasm", "--target", "wasm32-wasip1"]));

const table = [["case", "bytes", "native", "MiB/s", "beside it", "time", "ours/its", "wasm", "wasm/native"]];
for (const [index, row] of native.entries()) {
  const other = inWasm[index];
  table.push([
    row.unread ? `${row.name} (${row.unread})` : row.name,
    String(row.bytes),
    time(row.own),
    (row.bytes / row.own * 1e9 / 2 ** 20).toFixed(0),
    row.beside,
    row.other ? time(row.other) : "",
    ratio(row.own, row.other),
    other ? time(other.own) : "",
    other ? ratio(other.own, row.own) : "",
  ]);
}
const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
for (const row of table) {
  console.log(row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd());
}
