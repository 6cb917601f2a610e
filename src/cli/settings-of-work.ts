type Environment = Readonly<Record<string, string | undefined>>;

/** Settings about the API and who may reach it, about webhooks, about another database, and for how long it keeps what. */
const NOT_OF_WORK = [
  "HOST",
  "PORT",
  "PUBLIC_URL",
  "API_KEYS",
  "AUTH",
  "ROLE",
  "DATABASE_URL",
  "WEBHOOK_URL",
  "WEBHOOK_SECRET",
  "WEBHOOK_AUTHORIZATION",
  "WEBHOOK_PAYLOAD",
  "KEEP_BATCHES_DAYS",
];

/** The settings for a command that works without the service: all of the service's but those. */
export function settingsOfWork(env: Environment): Environment {
  return { ...env, ...Object.fromEntries(NOT_OF_WORK.map((name) => [name, ""])) };
}
