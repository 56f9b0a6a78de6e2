/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/cdk/test'],
  testMatch: ['**/*.test.ts'],
  moduleNameMapper: { '^cdk-autodump$': '<rootDir>/cdk/index.ts' },
  // Types are checked once for all tests, by `pnpm lint`.
  transform: { '^.+\\.ts$': ['ts-jest', { tsconfig: 'cdk/test/tsconfig.json' }] },
  maxWorkers: 2,
  restoreMocks: true,
  collectCoverageFrom: ['cdk/**/*.ts', '!cdk/test/**'],
};
