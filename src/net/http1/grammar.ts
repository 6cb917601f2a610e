/** What a header may hold (RFC 9110 §5.5, §5.6.2): nothing that could end its line and begin another. */
export const TOKEN = "[!#$%&'*+\\-.^_`|~\\dA-Za-z]+";
export const HEADER_NAME = new RegExp(`^${TOKEN}$`);
export const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
