/** As EventBridge matches: every key of the pattern must be there, and one of its values fit. */
export function matches(pattern: any, event: any): boolean {
  return Object.entries<any>(pattern).every(([key, expected]) => {
    const value = event?.[key];
    if (!Array.isArray(expected)) return value !== undefined && matches(expected, value);
    const values = [value].flat();
    return expected.some((one) => values.some((actual) => fits(one, actual)));
  });
}

function fits(expected: any, actual: unknown): boolean {
  if (typeof expected === 'string') return actual === expected;
  const [[kind, text]] = Object.entries<string>(expected);
  if (typeof actual !== 'string') return false;
  switch (kind) {
    case 'prefix':
      return actual.startsWith(text);
    case 'wildcard':
      return new RegExp(`^${text.split('*').join('.*')}$`, 's').test(actual);
    default:
      throw new Error('a matcher that is not known here');
  }
}
