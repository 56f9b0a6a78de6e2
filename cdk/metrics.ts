import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';

/** All metrics are written under this namespace; `contract/metrics.json`. */
const NAMESPACE = 'AutoDump';

/** The names of the scanner's metrics. Each counts targets of one scan. */
export type ScannerMetric = 'TargetsFailed' | 'TargetsRejected' | 'TargetsStarted';

/** The names of the metrics of backups by snapshot. */
export type SnapshotMetric = 'TablesSkipped';

/** The names of the metrics of a ParquetToCsv. */
export type ConversionMetric = 'RowsRejected';

/** A metric of the functions of one AutoDump; a sum, unless the options say otherwise. */
export function functionMetric(
  scope: Construct,
  name: string,
  metricName: ScannerMetric | SnapshotMetric,
  options?: cloudwatch.MetricOptions,
): cloudwatch.Metric {
  return metric(scope, name, metricName, options);
}

/** A metric of the conversions of one ParquetToCsv; a sum, unless the options say otherwise. */
export function conversionMetric(
  scope: Construct,
  name: string,
  metricName: ConversionMetric,
  options?: cloudwatch.MetricOptions,
): cloudwatch.Metric {
  return metric(scope, name, metricName, options);
}

function metric(
  scope: Construct,
  name: string,
  metricName: string,
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
