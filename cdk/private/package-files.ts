import * as fs from 'fs';
import * as path from 'path';
import { Architecture } from 'aws-cdk-lib/aws-lambda';

/** The directory of package.json: the same from the sources in cdk/ and from the compiled dist/. */
const ROOT = path.resolve(__dirname, '..', '..');

/** What a maintainer runs when something that is built beforehand is not there. */
export const BUILD_ASSETS = 'scripts/build-assets';

/** The name that prebuilt files bear for an architecture. */
export function archName(architecture: Architecture): 'arm64' | 'x86_64' {
  return architecture.name === Architecture.ARM_64.name ? 'arm64' : 'x86_64';
}

/** The absolute path of a file of this package, whether it exists or not. */
export function packageFile(...segments: string[]): string {
  return path.join(ROOT, ...segments);
}

/** Whether the package has that file or directory. */
export function hasPackageFile(...segments: string[]): boolean {
  return fs.existsSync(packageFile(...segments));
}
