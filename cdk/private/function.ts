import { Annotations } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import {
  archName,
  BUILD_ASSETS,
  hasPackageFile,
  isOlderThanSources,
  packageFile,
} from './package-files';

/** Of a function whose dependencies the others are not to pay for. */
const FEATURES: { readonly [binary: string]: string[] | undefined } = {
  csv: ['--features', 'csv'],
};

/** From the prebuilt zip if it is there; in a source checkout without it, from the sources. */
export function makeFunction(
  scope: Construct,
  id: string,
  binary: string,
  options: lambda.FunctionOptions & { readonly architecture: lambda.Architecture },
): lambda.Function {
  const zip = ['assets', archName(options.architecture), `${binary}.zip`];
  if (hasPackageFile(...zip)) {
    const fn = new lambda.Function(scope, id, {
      ...options,
      runtime: lambda.Runtime.PROVIDED_AL2023,
      handler: 'bootstrap',
      code: lambda.Code.fromAsset(packageFile(...zip)),
    });
    if (isOlderThanSources(packageFile(...zip))) {
      Annotations.of(fn).addWarningV2(
        'cdk-autodump:oldAssets',
        `${zip.join('/')} is older than the sources it is built from, but is deployed as it is. Run ${BUILD_ASSETS} --arch ${archName(options.architecture)}.`,
      );
    }
    return fn;
  }
  if (!hasPackageFile('handlers', 'Cargo.toml')) {
    throw new Error(
      `AutoDump: ${packageFile(...zip)} is missing, and so are the sources it is built from. Install the package again; a retry does not help.`,
    );
  }
  return new (rustFunction(zip.join('/')))(scope, id, {
    ...options,
    binaryName: binary,
    manifestPath: packageFile('handlers', 'Cargo.toml'),
    // Cargo.toml's release profile alone decides, as in scripts/build-assets.
    bundling: { cargoLambdaFlags: ['--disable-optimizations', ...(FEATURES[binary] ?? [])] },
  });
}

/** Loaded only here: a source checkout has it, a user of the published package does not. */
function rustFunction(zip: string): typeof import('cargo-lambda-cdk').RustFunction {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    return (require('cargo-lambda-cdk') as typeof import('cargo-lambda-cdk')).RustFunction;
  } catch (error) {
    throw new Error(
      `AutoDump: ${zip} is missing, and cargo-lambda-cdk, which would build it, cannot be loaded (${String(error)}). Run ${BUILD_ASSETS}, or \`pnpm install\`.`,
    );
  }
}
