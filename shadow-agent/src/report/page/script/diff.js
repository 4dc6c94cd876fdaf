// Two texts side by side, line by line. A pure function of the two, with a bound on its work.

/** Most cells of the table of common subsequences; larger texts are set beside each other line by line. */
const MOST_CELLS = 2000000;

/** Pairs of lines `[left, right, same]`, `null` where one side has none. */
const align = (left, right) => {
  let begin = 0;
  while (begin < left.length && begin < right.length && left[begin] === right[begin]) begin++;
  let end = 0;
  while (
    end < left.length - begin &&
    end < right.length - begin &&
    left[left.length - 1 - end] === right[right.length - 1 - end]
  )
    end++;
  const same = (line) => [line, line, true];
  return [
    ...left.slice(0, begin).map(same),
    ...alignMiddle(left.slice(begin, left.length - end), right.slice(begin, right.length - end)),
    ...left.slice(left.length - end).map(same),
  ];
};

const alignMiddle = (left, right) => {
  const [rows, columns] = [left.length, right.length];
  if (rows * columns > MOST_CELLS) return beside(left, right);
  // lengths[i][j]: the longest common subsequence of left from i and right from j.
  const width = columns + 1;
  const lengths = new Uint32Array((rows + 1) * width);
  for (let i = rows - 1; i >= 0; i--)
    for (let j = columns - 1; j >= 0; j--)
      lengths[i * width + j] =
        left[i] === right[j]
          ? lengths[(i + 1) * width + j + 1] + 1
          : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
  const pairs = [];
  let [gone, come] = [[], []];
  const flush = () => {
    pairs.push(...beside(gone, come));
    [gone, come] = [[], []];
  };
  let [i, j] = [0, 0];
  while (i < rows || j < columns) {
    if (i < rows && j < columns && left[i] === right[j]) {
      flush();
      pairs.push([left[i++], right[j++], true]);
    } else if (j >= columns || (i < rows && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]))
      gone.push(left[i++]);
    else come.push(right[j++]);
  }
  flush();
  return pairs;
};

/** The i-th line of one beside the i-th of the other. */
const beside = (left, right) =>
  Array.from({ length: Math.max(left.length, right.length) }, (_, at) => [
    at < left.length ? left[at] : null,
    at < right.length ? right[at] : null,
    false,
  ]);

/** What of a line is its own: the text before, itself, and after, where both have a line. */
const ownPart = (line, other) => {
  const [mine, theirs] = [[...line], [...other]];
  let begin = 0;
  while (begin < mine.length && begin < theirs.length && mine[begin] === theirs[begin]) begin++;
  let end = 0;
  while (end < mine.length - begin && end < theirs.length - begin && mine.at(-1 - end) === theirs.at(-1 - end)) end++;
  return [
    mine.slice(0, begin).join(""),
    mine.slice(begin, mine.length - end).join(""),
    mine.slice(mine.length - end).join(""),
  ];
};

/** The name of a line's header field, in lower case; `null` for none. */
const fieldName = (line) => {
  const colon = line.indexOf(":");
  return colon < 0 ? null : line.slice(0, colon).trim().toLowerCase();
};

/** What a line of a head is worth: names of fields have no case. */
const fieldWorth = (line) => {
  const name = fieldName(line);
  return name === null ? line : `${name}:${line.slice(line.indexOf(":") + 1).trim()}`;
};

/**
 * Lines of two heads beside each other, as they are written: fields by their names, as their order says nothing. They stand in
 * the order of the left one, and what only the right one has stands behind.
 */
const alignHeads = (left, right) => {
  const others = new Map();
  const enter = (key, at) => others.has(key) ? others.get(key).push(at) : others.set(key, [at]);
  right.forEach((line, at) => {
    if (at === 0) return;
    enter(`worth ${fieldWorth(line)}`, at);
    enter(`name ${fieldName(line)}`, at);
  });
  const used = new Set();
  const take = (key) => {
    const free = (others.get(key) || []).find((at) => !used.has(at));
    if (free !== undefined) used.add(free);
    return free;
  };
  const fields = left.slice(1);
  // Those that are the same first, as a name may be there more than once.
  const found = fields.map((line) => take(`worth ${fieldWorth(line)}`));
  const pairs = fields.map((line, index) => {
    const at = found[index] ?? take(`name ${fieldName(line)}`);
    return [line, at === undefined ? null : right[at], found[index] !== undefined];
  });
  const rest = right.flatMap((line, at) => (at > 0 && !used.has(at) ? [[null, line, false]] : []));
  return [...align(left.slice(0, 1), right.slice(0, 1)), ...pairs, ...rest];
};

/** Whether the fields of two heads that are the same are in another order. */
const inOtherOrder = (left, right) => {
  const [ours, theirs] = [left, right].map((lines) => lines.slice(1).map(fieldWorth));
  const common = (lines, others) => {
    const known = new Set(others);
    return lines.filter((line) => known.has(line)).join("\n");
  };
  return common(ours, theirs) !== common(theirs, ours);
};
