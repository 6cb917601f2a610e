/** A block between fences, without the indentation that it has in a list. */
export type Block = {
  language: string;
  text: string;
  line: number;
  /** Nothing but blank lines stands between it and the block before. */ isNext: boolean;
};

/** What a reader runs at once, and what the page says comes of it (null: it does not say). */
export type Step = { code: string; shown: string | null; line: number };

/** Every command block of a page, by its first line. */
export type CommandBlock = { name: string; steps: Step[] };

const FENCE = /^(?<indent> *)```(?<language>\w*)$/;
const PROMPT = "$ ";

export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  let open: { indent: string; language: string; lines: string[]; line: number } | null = null;
  let isNext = false;
  for (const [index, line] of page.split("\n").entries()) {
    const fence = FENCE.exec(line)?.groups;
    if (open && fence && fence["language"] === "" && fence["indent"] === open.indent) {
      blocks.push({ language: open.language, text: open.lines.map((text) => `${text}\n`).join(""), line: open.line, isNext });
      [open, isNext] = [null, true];
    } else if (open) open.lines.push(line.slice(open.indent.length));
    else if (fence) open = { indent: fence["indent"] ?? "", language: fence["language"] ?? "", lines: [], line: index + 1 };
    else if (line.trim() !== "") isNext = false;
  }
  if (open) throw new Error(`the block of line ${open.line} is not closed`);
  return blocks;
}

/** Blocks in `sh` with what is shown right below them, and transcripts: commands behind `$ `, each with its output. */
export function commandBlocksOf(page: string): CommandBlock[] {
  const blocks = blocksOf(page);
  return blocks.flatMap((block, index): CommandBlock[] => {
    const name = block.text.split("\n")[0] ?? "";
    if (isTranscript(block)) return [{ name, steps: stepsOfTranscript(block) }];
    if (block.language !== "sh") return [];
    const next = blocks[index + 1];
    const shown = next && isOutput(next) ? next.text : null;
    return [{ name, steps: [{ code: block.text, shown, line: block.line }] }];
  });
}

/** Blocks that show what nothing on the page was run for. */
export function strayOutputsOf(page: string): Block[] {
  const blocks = blocksOf(page);
  return blocks.filter(
    (block, index) =>
      ["", "json"].includes(block.language) &&
      !isTranscript(block) &&
      !(isOutput(block) && ["sh", "sql"].includes(blocks[index - 1]?.language ?? "")),
  );
}

function isTranscript({ language, text }: Block): boolean {
  return ["", "console"].includes(language) && text.startsWith(PROMPT);
}

function isOutput(block: Block): boolean {
  return block.isNext && ["", "json"].includes(block.language) && !isTranscript(block);
}

function stepsOfTranscript({ text, line: first }: Block): Step[] {
  const steps: { code: string; shown: string; line: number }[] = [];
  for (const [index, line] of text.split("\n").slice(0, -1).entries()) {
    const step = steps.at(-1);
    if (line.startsWith(PROMPT)) steps.push({ code: `${line.slice(PROMPT.length)}\n`, shown: "", line: first + 1 + index });
    else if (step && step.shown === "" && step.code.endsWith("\\\n")) step.code += `${line}\n`;
    else if (step) step.shown += `${line}\n`;
  }
  return steps;
}
