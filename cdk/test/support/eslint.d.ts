/** What we use of the class that still reads .eslintrc.json: ESLint gives it no types. */
declare module 'eslint/use-at-your-own-risk' {
  import { ESLint } from 'eslint';

  export class LegacyESLint extends ESLint {
    constructor(options: { readonly cwd: string; readonly overrideConfig: object });
  }
}
