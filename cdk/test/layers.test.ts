import * as path from 'path';
import { LegacyESLint } from 'eslint/use-at-your-own-risk';
import { ROOT } from './support/stacks';

// The project's own rules, but for those that need types: these tests are about imports.
const eslint = new LegacyESLint({
  cwd: ROOT,
  overrideConfig: {
    extends: ['plugin:@typescript-eslint/disable-type-checked'],
    parserOptions: { project: null },
  },
});

/** Whether the project's lint forbids the file to import the module. */
async function forbidden(file: string, module: string): Promise<boolean> {
  const [result] = await eslint.lintText(`import '${module}';\n`, {
    filePath: path.join(ROOT, file),
  });
  const found = result.messages;
  expect(found.filter(({ ruleId }) => ruleId !== 'no-restricted-imports')).toEqual([]);
  return found.length > 0;
}

test.each([
  ['cdk/bucket.ts', './job'],
  ['cdk/rules.ts', './functions'],
  ['cdk/state-machine.ts', './autodump'],
  ['cdk/job.ts', './index'],
  ['cdk/metrics.ts', './bin/context'],
  ['cdk/metrics.ts', '../cdk/bucket'],
  ['cdk/private/checks.ts', '../bucket'],
  ['cdk/autodump.ts', './index'],
  ['cdk/autodump.ts', './bin/stack'],
  ['cdk/index.ts', './test/support/stacks'],
  ['cdk/parquet-to-csv.ts', './index'],
  ['cdk/csv-job.ts', './parquet-to-csv'],
  ['cdk/csv-rule.ts', './csv-state-machine'],
  ['cdk/parquet-to-csv-props.ts', './csv-job'],
  ['cdk/bin/stack.ts', '../autodump'],
  ['cdk/bin/stack.ts', '../private/checks'],
  ['examples/bare/app.ts', '../../cdk/autodump'],
])('%s may not import %s', async (file, module) => {
  expect(await forbidden(file, module)).toBe(true);
});

test.each([
  ['cdk/index.ts', './autodump'],
  ['cdk/autodump.ts', './job'],
  ['cdk/autodump.ts', './private/checks'],
  ['cdk/parquet-to-csv.ts', './csv-job'],
  ['cdk/job.ts', './private/role'],
  ['cdk/job.ts', 'aws-cdk-lib/aws-s3'],
  ['cdk/private/role.ts', './checks'],
  ['cdk/bin/stack.ts', '../index'],
  ['cdk/bin/stack.ts', './context'],
  ['examples/bare/app.ts', 'cdk-autodump'],
])('%s may import %s', async (file, module) => {
  expect(await forbidden(file, module)).toBe(false);
});
