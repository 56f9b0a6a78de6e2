import { Validations } from 'aws-cdk-lib';
import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { archName, BUILD_ASSETS, hasPackageFile, packageFile } from './private/package-files';

/**
 * The clients in the image. A server needs one of its own version or newer; an older restore tool
 * does not read what a newer client wrote: so every version that is maintained is there.
 */
const POSTGRES_MAJORS = '14 15 16 17 18';

/** The dumper's image, built at deployment from the package's batch-image/ for one architecture. */
export function builtImage(scope: Construct, architecture: Architecture): ecs.ContainerImage {
  const arch = archName(architecture);
  for (const file of [`bin/${arch}/dumper`, 'rds-ca-bundle.pem']) {
    if (!hasPackageFile('batch-image', file)) {
      Validations.of(scope).addError(
        'AutoDump-ImageNotBuilt',
        `AutoDump: ${packageFile('batch-image', file)} is missing, so the image of the dump job cannot be built. Run ${BUILD_ASSETS} --arch ${arch}, or give the prop \`image\`.`,
      );
    }
  }
  const other = arch === 'arm64' ? 'x86_64' : 'arm64';
  return ecs.ContainerImage.fromAsset(packageFile('batch-image'), {
    assetName: 'autodump-dumper',
    platform: arch === 'arm64' ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64,
    buildArgs: { POSTGRES_SOURCE: 'postgresql', POSTGRES_MAJORS },
    // batch-image/ is a cargo package too. What does not go into the image must not change its hash.
    exclude: ['Cargo.toml', 'src', 'tests', 'README.md', `bin/${other}`],
  });
}
