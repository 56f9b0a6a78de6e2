import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';

/** The scanner writes its metrics under this namespace; `contract/metrics.json`. */
const NAMESPACE = 'AutoDump';

/** The names of the scanner's metrics. Each counts targets of one scan. */
export type ScannerMetric = 'TargetsFailed' | 'TargetsRejected' | 'TargetsStarted';

/** A metric of the scanner of one AutoDump; a sum, unless the options say otherwise. */
export function scannerMetric(
  scope: Construct,
  name: string,
  metricName: ScannerMetric,
  options?: cloudwatch.MetricOptions,
): cloudwatch.Metric {
  return new cloudwatch.Metric({
    namespace: NAMESPACE,
    metricName,
    dimensionsMap: { Name: name },
    statistic: cloudwatch.Stats.SUM,
    unit: cloudwatch.Unit.COUNT,
    ...options,
  }).attachTo(scope);
}
