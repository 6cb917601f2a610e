type Environment = Readonly<Record<string, string | undefined>>;

/** What is about an API and who may reach it, a webhook, or another database. */
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
];

/** For a command that works by itself, beside the service: of the service's settings those that are about the work. */
export function settingsOfWork(env: Environment): Environment {
  return { ...env, ...Object.fromEntries(NOT_OF_WORK.map((name) => [name, ""])) };
}
