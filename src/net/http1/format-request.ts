/** RFC 9110 §5.6.2 and §5.5: nothing that could end a line and begin another. */
const NAME = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const TARGET = /^\/[\x21-\x7e]*$/;

/** The text of a GET without a body. Throws TypeError for what cannot be sent in a header. */
export function formatRequest(url: URL, headers: Readonly<Record<string, string>>): string {
  const target = url.pathname + url.search;
  if (!TARGET.test(target)) throw new TypeError("the URL cannot be asked for");
  let text = `GET ${target} HTTP/1.1\r\nhost: ${url.host}\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (!NAME.test(name) || !VALUE.test(value)) throw new TypeError(`the header ${name} cannot be sent`);
    text += `${name}: ${value}\r\n`;
  }
  return `${text}connection: keep-alive\r\n\r\n`;
}
