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

/** What the functions are built from. In an installed package none of it is there. */
const SOURCES = ['handlers', 'crates/core', 'crates/aws'];
/** What one of them is built from besides. */
const MORE_SOURCES: { readonly [zip: string]: readonly string[] | undefined } = {
  'csv.zip': ['crates/dump', 'crates/parquet'],
};

/** Whether the file is older than the newest Rust source of the functions, if these are there. */
export function isOlderThanSources(file: string, root = ROOT): boolean {
  const sources = [...SOURCES, ...(MORE_SOURCES[path.basename(file)] ?? [])];
  const times = sources.flatMap((source) => changeTimes(path.join(root, source)));
  return Math.max(...times) > fs.statSync(file).mtimeMs;
}

/** When each Rust source and each Cargo.toml below the directory was last changed. */
function changeTimes(directory: string): number[] {
  if (!fs.existsSync(directory)) return [];
  return fs
    .readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.rs') || path.basename(name) === 'Cargo.toml')
    .map((name) => fs.statSync(path.join(directory, name)).mtimeMs);
}
