// The table of rooms in ARCHITECTURE.md, enforced: an import that no rule allows is an error.
const rooms = {
  domain: [],
  contract: ["domain"],
  db: ["domain"],
  queue: ["domain", "contract", "db"],
  csv: ["domain"],
  net: ["domain"],
  storage: ["domain"],
  image: ["domain"],
  webhook: ["domain", "net"],
  intake: ["domain", "contract", "db", "queue", "csv", "storage"],
  worker: ["domain", "contract", "db", "queue", "csv", "net", "storage", "image", "webhook"],
  http: ["domain", "contract", "intake", "csv", "db", "storage"],
  observe: ["domain"],
  embedded: ["domain"],
  cli: ["*"],
  wire: ["*"],
};
const MAY_OBSERVE = Object.keys(rooms).filter((room) => !["domain", "contract"].includes(room));
const everyRoom = Object.keys(rooms);

const allowed = everyRoom.map((room) => {
  const targets = rooms[room].includes("*") ? everyRoom : [room, ...rooms[room]];
  if (MAY_OBSERVE.includes(room) && !targets.includes("observe")) targets.push("observe");
  const files = rooms[room].includes("*") ? "|^src/[^/]+\\.ts$" : "";
  return { from: { path: `^src/${room}/` }, to: { path: `^src/(${targets.join("|")})/${files}` } };
});

// A library is imported by its owner only, so that replacing it is the work of one room.
const owners = {
  "drizzle-orm": "db",
  pg: "db",
  "pg-copy-streams": "db",
  "pg-boss": "queue",
  got: "webhook",
  "ipaddr.js": "domain",
  sharp: "image",
  fastify: "http",
  "@fastify/[^/]+": "http",
  "@scalar/[^/]+": "http",
  typebox: "contract|^src/intake|^src/http",
  pino: "observe",
  commander: "cli",
};

module.exports = {
  allowed: [
    ...allowed,
    { from: { path: "^src/[^/]+\\.ts$" }, to: {} },
    // Read before any of src is loaded, too.
    { from: { path: "^src/wire/" }, to: { path: "^bin/threads-max\\." } },
    { from: {}, to: { dependencyTypes: ["core", "npm", "npm-optional", "npm-no-pkg"] } },
  ],
  allowedSeverity: "error",
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "no-dev-packages",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev", "npm-unknown", "npm-no-pkg"] },
    },
    {
      name: "domain-is-pure",
      severity: "error",
      from: { path: "^src/domain/" },
      to: { dependencyTypes: ["core"], pathNot: "^(node:)?(crypto|net)$" },
    },
    ...Object.entries(owners).map(([library, owner]) => ({
      name: `only-${owner.split("|")[0]}-imports-${library}`,
      severity: "error",
      from: { path: "^src/", pathNot: `^src/${owner}/` },
      to: { path: `node_modules/${library}/` },
    })),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
  },
};
