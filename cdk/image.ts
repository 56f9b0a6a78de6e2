import { Validations } from 'aws-cdk-lib';
import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { checkMongodbTools, ToolsPackage } from './private/checks';
import { archName, BUILD_ASSETS, hasPackageFile, packageFile } from './private/package-files';

/**
 * The clients in the images, and the servers in that of the verification. A server needs a client of
 * its own version or newer; an older restore tool does not read what a newer client wrote: so every
 * version that is maintained is there.
 */
const POSTGRES_MAJORS = '14 15 16 17 18';

/** The images of the jobs. */
export interface Images {
  readonly dumper: ecs.ContainerImage;
  readonly verifier: ecs.ContainerImage;
}

/** What is known of the images. */
export interface GivenImages {
  readonly image?: ecs.ContainerImage;
  readonly verifyImage?: ecs.ContainerImage;
  readonly mongodbTools?: ToolsPackage;
}

/** Those that are given; each other is built at deployment from the package's batch-image/. */
export function jobImages(
  scope: Construct,
  architecture: Architecture,
  given: GivenImages,
): Images {
  if (given.mongodbTools) checkMongodbTools(given.mongodbTools, given.image !== undefined);
  if (!given.image) checkBuilt(scope, architecture);
  const build = (target: 'dumper' | 'verifier'): ecs.ContainerImage =>
    builtImage(target, architecture, target === 'dumper' ? given.mongodbTools : undefined);
  return {
    dumper: given.image ?? build('dumper'),
    verifier: given.verifyImage ?? given.image ?? build('verifier'),
  };
}

function checkBuilt(scope: Construct, architecture: Architecture): void {
  const arch = archName(architecture);
  for (const file of [`bin/${arch}/dumper`, 'rds-ca-bundle.pem']) {
    if (!hasPackageFile('batch-image', file)) {
      Validations.of(scope).addError(
        'AutoDump-ImageNotBuilt',
        `AutoDump: ${packageFile('batch-image', file)} is missing, so the image of the jobs cannot be built. Run ${BUILD_ASSETS} --arch ${arch}, or give the prop \`image\`.`,
      );
    }
  }
}

/** One stage of batch-image/Dockerfile, for one architecture. */
function builtImage(
  target: 'dumper' | 'verifier',
  architecture: Architecture,
  tools?: ToolsPackage,
): ecs.ContainerImage {
  const arch = archName(architecture);
  const other = arch === 'arm64' ? 'x86_64' : 'arm64';
  return ecs.ContainerImage.fromAsset(packageFile('batch-image'), {
    assetName: `autodump-${target}`,
    target,
    platform: arch === 'arm64' ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64,
    buildArgs: {
      POSTGRES_SOURCE: 'postgresql',
      POSTGRES_MAJORS,
      ...(tools && { MONGODB_TOOLS_URL: tools.url, MONGODB_TOOLS_SHA256: tools.sha256 }),
    },
    // batch-image/ is a cargo package too. What does not go into the image must not change its hash.
    exclude: ['Cargo.toml', 'src', 'tests', 'README.md', `bin/${other}`],
  });
}
