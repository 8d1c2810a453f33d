// Makes a browser's PNG small: at most 256 colours, named by a palette (W3C PNG, section 11.2.2). A page of text has few
// colours; of more than that, the rarest become the nearest of the others.
import assert from "node:assert/strict";
import { deflateSync, inflateSync, crc32 } from "node:zlib";

const SIGNATURE = Buffer.from("89504e470d0a1a0a", "hex");
const COLOURS_MAX = 256;
/** Bytes of a pixel by colour type: red, green, blue, and perhaps how opaque. */
const PIXEL_BYTES = { 2: 3, 6: 4 };

function chunks(png) {
  assert.ok(png.subarray(0, 8).equals(SIGNATURE), "a PNG");
  const found = [];
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    found.push({ type: png.toString("latin1", at + 4, at + 8), data: png.subarray(at + 8, at + 8 + length) });
    at += length + 12;
  }
  return found;
}

function chunk(type, data) {
  const named = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, check]);
}

/** What a filter predicts from the bytes at the left, above, and above at the left (section 9.2). */
function predicted(filter, left, above, corner) {
  if (filter === 0) return 0;
  if (filter === 1) return left;
  if (filter === 2) return above;
  if (filter === 3) return (left + above) >> 1;
  const estimate = left + above - corner;
  const [a, b, c] = [left, above, corner].map((byte) => Math.abs(estimate - byte));
  if (a <= b && a <= c) return left;
  return b <= c ? above : corner;
}

/** The bytes of all pixels, row by row. */
function pixels(all, { height, row, size }) {
  const raw = inflateSync(Buffer.concat(all.filter(({ type }) => type === "IDAT").map(({ data }) => data)));
  const out = Buffer.alloc(row * height);
  for (let y = 0; y < height; y += 1) {
    const filter = raw[y * (row + 1)];
    for (let x = 0; x < row; x += 1) {
      const at = y * row + x;
      const left = x >= size ? out[at - size] : 0;
      const above = y > 0 ? out[at - row] : 0;
      const corner = x >= size && y > 0 ? out[at - row - size] : 0;
      out[at] = raw[y * (row + 1) + 1 + x] + predicted(filter, left, above, corner);
    }
  }
  return out;
}

/** How far two colours are apart, squared. */
function apart(one, other) {
  const shifts = [16, 8, 0];
  return shifts.reduce((sum, shift) => sum + (((one >> shift) & 255) - ((other >> shift) & 255)) ** 2, 0);
}

/** The commonest colours, and for each colour which of them stands for it. */
function palette(counts) {
  const common = [...counts].toSorted(([a, n], [b, m]) => m - n || a - b).map(([colour]) => colour);
  const kept = common.slice(0, COLOURS_MAX);
  const places = new Map(kept.map((colour, place) => [colour, place]));
  for (const colour of common.slice(COLOURS_MAX)) {
    const nearest = kept.reduce((best, other, place) => (apart(colour, other) < apart(colour, kept[best]) ? place : best), 0);
    places.set(colour, nearest);
  }
  return { kept, places };
}

/** The same picture with a palette. */
export function small(png) {
  const all = chunks(png);
  const head = all[0].data;
  const [width, height, size] = [head.readUInt32BE(0), head.readUInt32BE(4), PIXEL_BYTES[head[9]]];
  assert.ok(size && head[8] === 8 && head[12] === 0, "eight bits a colour, not interlaced");
  const bytes = pixels(all, { height, row: width * size, size });
  const colourAt = (pixel) => bytes.readUIntBE(pixel * size, 3);
  const counts = new Map();
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    const colour = colourAt(pixel);
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const { kept, places } = palette(counts);
  const rows = Buffer.alloc((width + 1) * height);
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    rows[pixel + Math.floor(pixel / width) + 1] = places.get(colourAt(pixel));
  }
  const header = Buffer.from(head);
  header[9] = 3;
  const colours = Buffer.from(kept.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
  const parts = [chunk("IHDR", header), chunk("PLTE", colours), chunk("IDAT", deflateSync(rows, { level: 9 })), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([SIGNATURE, ...parts]);
}
