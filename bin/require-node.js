// Plain JavaScript that any Node can parse: says what is missing where Node 24 did not come with `npm ci`.
const major = Number(process.versions.node.split(".")[0]);
if (major < 24) {
  console.error(
    `Pressrun needs Node 24 or later; this is Node ${process.versions.node} on ${process.platform}-${process.arch}.\n` +
      "`npm ci` brings Node 24 along on Linux and Windows x64 (run it without --omit=optional, and start Pressrun\n" +
      "through npm, for example `npm start`). Elsewhere install Node 24 from https://nodejs.org and run this again.",
  );
  process.exit(1);
}
